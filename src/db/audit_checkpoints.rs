//! The rows of `audit_checkpoints`.

use entity::audit_checkpoint::{self, Column};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};

use super::{audit_events::Found, database::DB, error::DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Adds a checkpoint.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when there is one with its number.
    pub(crate) async fn add_audit_checkpoint(
        &self,
        checkpoint: audit_checkpoint::Model,
    ) -> Result<(), DbError> {
        let insert = audit_checkpoint::Entity::insert(checkpoint.into_active_model());
        self.write(insert.exec_without_returning(&self.conn))
            .await?;
        Ok(())
    }

    /// Finds the last checkpoint.
    pub(crate) async fn find_last_audit_checkpoint(
        &self,
    ) -> Result<Option<audit_checkpoint::Model>, DbError> {
        let last = audit_checkpoint::Entity::find().order_by_desc(Column::Number);
        self.ask(last.one(&self.conn)).await
    }

    /// Finds checkpoints in the order of their numbers.
    pub(crate) async fn find_audit_checkpoints(
        &self,
        after: i64,
        limit: u64,
    ) -> Result<Vec<Found<audit_checkpoint::Model>>, DbError> {
        let query = audit_checkpoint::Entity::find()
            .filter(Column::Number.gt(after))
            .order_by_asc(Column::Number)
            .limit(limit)
            .into_query();
        let rows = self.ask(self.conn.query_all(&query)).await?;
        let checkpoints = rows.iter();
        let checkpoints =
            checkpoints.map(|row| audit_checkpoint::Model::from_query_result(row, "").ok());
        Ok(checkpoints.collect())
    }

    /// Finds the checkpoints with these numbers.
    pub(crate) async fn find_these_audit_checkpoints(
        &self,
        numbers: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<audit_checkpoint::Model>, DbError> {
        let found = audit_checkpoint::Entity::find().filter(Column::Number.is_in(numbers));
        self.ask(found.all(&self.conn)).await
    }

    /// Deletes the checkpoints before one.
    pub(crate) async fn delete_audit_checkpoints_before(&self, number: i64) -> Result<(), DbError> {
        let deletion = audit_checkpoint::Entity::delete_many().filter(Column::Number.lt(number));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }
}
