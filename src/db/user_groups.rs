//! The rows of `user_groups`.

use entity::user_group;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::{Expr, OnConflict},
};

use super::{database::DB, error::DbError};

impl<C: ConnectionTrait> DB<C> {
    /// The memberships of these users, sorted by user and group.
    pub(crate) async fn find_groups(
        &self,
        user_ids: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<user_group::Model>, DbError> {
        let groups = user_group::Entity::find()
            .filter(user_group::Column::UserId.is_in(user_ids))
            .order_by_asc(user_group::Column::UserId);
        let mut groups = self.ask(groups.all(&self.conn)).await?;
        // PostgreSQL would sort texts by the rules of a language.
        groups.sort_by(|one, other| (one.user_id, &one.name).cmp(&(other.user_id, &other.name)));
        Ok(groups)
    }

    /// Adds a user to groups. A membership that exists stays.
    pub(crate) async fn add_groups(&self, user_id: i64, names: &[String]) -> Result<(), DbError> {
        if names.is_empty() {
            return Ok(());
        }
        let rows = names.iter().map(|name| {
            let name = name.clone();
            user_group::Model { user_id, name }.into_active_model()
        });
        let kept = OnConflict::new().do_nothing().to_owned();
        let insert = user_group::Entity::insert_many(rows).on_conflict(kept);
        self.write(insert.exec_without_returning(&self.conn))
            .await?;
        Ok(())
    }

    /// Removes a user from groups.
    pub(crate) async fn delete_groups(
        &self,
        user_id: i64,
        names: &[String],
    ) -> Result<(), DbError> {
        if names.is_empty() {
            return Ok(());
        }
        let deletion = user_group::Entity::delete_many()
            .filter(user_group::Column::UserId.eq(user_id))
            .filter(user_group::Column::Name.is_in(names));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// Every group, with the number of its users.
    pub(crate) async fn count_groups(&self) -> Result<Vec<(String, i64)>, DbError> {
        let groups = user_group::Entity::find()
            .select_only()
            .column(user_group::Column::Name)
            .column_as(Expr::col(user_group::Column::UserId).count(), "users")
            .group_by(user_group::Column::Name)
            .into_tuple::<(String, i64)>();
        let mut groups = self.ask(groups.all(&self.conn)).await?;
        groups.sort();
        Ok(groups)
    }
}
