//! The rows of `throttles`.

use std::collections::BTreeMap;

use entity::throttle;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, prelude::Expr, sea_query::OnConflict,
};

use super::{database::DB, error::DbError};

/// How often a row is inserted that other transactions delete at the same moment: more often than so many do.
const INSERTIONS: usize = 20;

impl<C: ConnectionTrait> DB<C> {
    /// Finds and locks counts until the transaction ends. Missing ones are inserted as given. Rows are locked in the
    /// order of their keys, so that transactions that lock several can't deadlock.
    pub(crate) async fn lock_throttles(
        &self,
        new: Vec<throttle::Model>,
    ) -> Result<Vec<throttle::Model>, DbError> {
        let new: BTreeMap<_, _> = new.into_iter().map(|row| (row.key.clone(), row)).collect();
        // A transaction on SQLite locks the whole database, and sea-query leaves this clause out.
        let rows = throttle::Entity::find()
            .filter(throttle::Column::Key.is_in(new.keys()))
            .order_by_asc(throttle::Column::Key)
            .lock_exclusive();
        let mut locked = Vec::new();
        for _ in 0..INSERTIONS {
            let conflict = OnConflict::column(throttle::Column::Key)
                .do_nothing()
                .to_owned();
            let rows_to_insert = new.values().cloned();
            let rows_to_insert = rows_to_insert.map(throttle::Model::into_active_model);
            let insert = throttle::Entity::insert_many(rows_to_insert).on_conflict(conflict);
            self.write(insert.exec_without_returning(&self.conn))
                .await?;
            locked = self.ask(rows.clone().all(&self.conn)).await?;
            // Another transaction may have deleted a row between the two.
            if locked.len() == new.len() {
                break;
            }
        }
        Ok(locked)
    }

    /// Finds those of these counts that exist.
    pub(crate) async fn find_throttles(
        &self,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<Vec<throttle::Model>, DbError> {
        let found = throttle::Entity::find().filter(throttle::Column::Key.is_in(keys));
        self.ask(found.all(&self.conn)).await
    }

    /// Stores a count.
    pub(crate) async fn set_throttle(&self, throttle: &throttle::Model) -> Result<(), DbError> {
        let change = throttle::Entity::update_many()
            .col_expr(throttle::Column::Tries, throttle.tries.into())
            .col_expr(throttle::Column::BegunAt, throttle.begun_at.into())
            .col_expr(
                throttle::Column::BlockedUntil,
                Expr::value(throttle.blocked_until),
            )
            .col_expr(
                throttle::Column::RefusedAt,
                Expr::value(throttle.refused_at),
            )
            .col_expr(throttle::Column::ForgetAt, throttle.forget_at.into())
            .filter(throttle::Column::Key.eq(&*throttle.key));
        self.write(change.exec(&self.conn)).await?;
        Ok(())
    }

    /// Records that a request is refused because of a count. Returns whether it is the first one.
    pub(crate) async fn set_throttle_refused(&self, key: &str) -> Result<bool, DbError> {
        let change = throttle::Entity::update_many()
            .col_expr(throttle::Column::RefusedAt, self.clock.now().into())
            .filter(throttle::Column::Key.eq(key))
            .filter(throttle::Column::RefusedAt.is_null());
        Ok(self.write(change.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Subtracts one from each of these counts.
    pub(crate) async fn take_back_tries(
        &self,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<(), DbError> {
        let tries = throttle::Column::Tries;
        let keys: Vec<_> = keys.into_iter().collect();
        // Rows are locked in the same order everywhere, to prevent deadlocks.
        let throttles = throttle::Entity::find()
            .filter(throttle::Column::Key.is_in(keys.clone()))
            .order_by_asc(throttle::Column::Key)
            .lock_exclusive();
        self.ask(throttles.all(&self.conn)).await?;
        let change = throttle::Entity::update_many()
            .col_expr(tries, Expr::col(tries).sub(1))
            .filter(throttle::Column::Key.is_in(keys))
            .filter(tries.gt(0));
        self.write(change.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes a count.
    pub(crate) async fn delete_throttle(&self, key: &str) -> Result<(), DbError> {
        let deletion = throttle::Entity::delete_many().filter(throttle::Column::Key.eq(key));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes all counts of an account, by the digest of its address.
    pub(crate) async fn delete_throttles_of(&self, account: &str) -> Result<(), DbError> {
        // Rows are locked in the same order everywhere, to prevent deadlocks.
        let throttles = throttle::Entity::find()
            .filter(throttle::Column::Account.eq(account))
            .order_by_asc(throttle::Column::Key)
            .lock_exclusive();
        self.ask(throttles.all(&self.conn)).await?;
        let deletion =
            throttle::Entity::delete_many().filter(throttle::Column::Account.eq(account));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes a batch of expired counts. Returns whether there may be more.
    pub(crate) async fn delete_forgotten_throttles(&self) -> Result<bool, DbError> {
        let over = throttle::Column::ForgetAt.lte(self.clock.now());
        self.sweep::<throttle::Entity>(throttle::Column::Key, over)
            .await
    }
}
