//! The row of `sealing_keys`.

use entity::sealing_key;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    sea_query::OnConflict,
};

use super::{database::DB, error::DbError};

/// The id of the only row.
const ID: i32 = 1;

impl<C: ConnectionTrait> DB<C> {
    /// The fingerprint of the key that this database is used with. `None` if it was never used with one.
    pub(crate) async fn find_key_fingerprint(&self) -> Result<Option<String>, DbError> {
        let row = self
            .ask(sealing_key::Entity::find_by_id(ID).one(&self.conn))
            .await?;
        Ok(row.map(|row| row.fingerprint))
    }

    /// Stores the fingerprint of the key that this database is used with, unless there is one already.
    pub(crate) async fn add_key_fingerprint(&self, fingerprint: &str) -> Result<(), DbError> {
        let row = sealing_key::Model {
            id: ID,
            fingerprint: fingerprint.to_owned(),
            created_at: self.clock.now(),
        };
        let conflict = OnConflict::column(sealing_key::Column::Id)
            .do_nothing()
            .to_owned();
        let insert = sealing_key::Entity::insert(row.into_active_model()).on_conflict(conflict);
        self.write(insert.exec_without_returning(&self.conn))
            .await?;
        Ok(())
    }

    /// Replaces the fingerprint `old` with `new`.
    pub(crate) async fn replace_key_fingerprint(
        &self,
        old: &str,
        new: &str,
    ) -> Result<(), DbError> {
        let change = sealing_key::Entity::update_many()
            .col_expr(sealing_key::Column::Fingerprint, new.into())
            .col_expr(sealing_key::Column::CreatedAt, self.clock.now().into())
            .filter(sealing_key::Column::Fingerprint.eq(old));
        self.write(change.exec(&self.conn)).await?;
        Ok(())
    }
}
