//! The rows of `throttles`.

use entity::throttle;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, prelude::Expr, sea_query::OnConflict,
};

use super::{DB, DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Finds counts, begins those that are not there as they are given, and holds on to them until the transaction ends: in
    /// the order of their keys, so that two who hold on to several don't wait for each other.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn lock_throttles(
        &self,
        mut new: Vec<throttle::Model>,
    ) -> Result<Vec<throttle::Model>, DbError> {
        new.sort_by(|one, other| one.key.cmp(&other.key));
        let keys: Vec<_> = new.iter().map(|throttle| throttle.key.clone()).collect();
        let conflict = OnConflict::column(throttle::Column::Key)
            .do_nothing()
            .to_owned();
        let new = new.into_iter().map(throttle::Model::into_active_model);
        let insert = throttle::Entity::insert_many(new).on_conflict(conflict);
        self.write(insert.exec_without_returning(&self.conn))
            .await?;
        // On SQLite a transaction has the whole database to itself, and sea-query leaves the lock out.
        let throttles = throttle::Entity::find()
            .filter(throttle::Column::Key.is_in(keys))
            .order_by_asc(throttle::Column::Key)
            .lock_exclusive();
        self.ask(throttles.all(&self.conn)).await
    }

    /// Finds those of these counts that there are.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_throttles(
        &self,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<Vec<throttle::Model>, DbError> {
        let found = throttle::Entity::find().filter(throttle::Column::Key.is_in(keys));
        self.ask(found.all(&self.conn)).await
    }

    /// Writes a count down as it is now.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn set_throttle(&self, throttle: &throttle::Model) -> Result<(), DbError> {
        let change = throttle::Entity::update_many()
            .col_expr(throttle::Column::Tries, throttle.tries.into())
            .col_expr(throttle::Column::BegunAt, throttle.begun_at.into())
            .col_expr(
                throttle::Column::BlockedUntil,
                Expr::value(throttle.blocked_until),
            )
            .col_expr(throttle::Column::ForgetAt, throttle.forget_at.into())
            .filter(throttle::Column::Key.eq(&*throttle.key));
        self.write(change.exec(&self.conn)).await?;
        Ok(())
    }

    /// Takes one back from each of these counts.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn take_back_tries(
        &self,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<(), DbError> {
        let tries = throttle::Column::Tries;
        let keys: Vec<_> = keys.into_iter().collect();
        // In the order in which all others hold on to several.
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

    /// Forgets a count.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_throttle(&self, key: &str) -> Result<(), DbError> {
        let deletion = throttle::Entity::delete_many().filter(throttle::Column::Key.eq(key));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// Forgets all counts of an account, by the digest of its address.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_throttles_of(&self, account: &str) -> Result<(), DbError> {
        // In the order in which all others hold on to several.
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

    /// Deletes some of the counts that are over, and says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_forgotten_throttles(&self) -> Result<bool, DbError> {
        let over = throttle::Column::ForgetAt.lte(self.clock.now());
        self.sweep::<throttle::Entity>(throttle::Column::Key, over)
            .await
    }
}
