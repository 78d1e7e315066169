//! The rows of `one_time_tokens`.

use chrono::{DateTime, Utc};
use entity::one_time_token;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QueryOrder as _, prelude::Uuid,
};

use super::{database::DB, error::DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Adds the row of a token. The token may be set later.
    pub(crate) async fn add_one_time_token(
        &self,
        token: one_time_token::Model,
    ) -> Result<(), DbError> {
        let insert = one_time_token::Entity::insert(token.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Sets the token of a row, and replaces an earlier one. Returns whether the row exists and has not expired.
    pub(crate) async fn set_one_time_token(
        &self,
        id: Uuid,
        token_digest: &str,
    ) -> Result<bool, DbError> {
        let change = one_time_token::Entity::update_many()
            .col_expr(one_time_token::Column::TokenDigest, token_digest.into())
            .filter(one_time_token::Column::Id.eq(id))
            .filter(one_time_token::Column::ExpiresAt.gt(self.clock.now()));
        Ok(self.write(change.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Finds the token with this digest, if it is valid for this purpose.
    pub(crate) async fn find_one_time_token(
        &self,
        purpose: &str,
        token_digest: &str,
    ) -> Result<Option<one_time_token::Model>, DbError> {
        let found = one_time_token::Entity::find()
            .filter(one_time_token::Column::TokenDigest.eq(token_digest))
            .filter(one_time_token::Column::Purpose.eq(purpose))
            .filter(one_time_token::Column::ExpiresAt.gt(self.clock.now()));
        self.ask(found.one(&self.conn)).await
    }

    /// Spends the token with this digest. Returns whether it was valid for this purpose.
    pub(crate) async fn spend_one_time_token(
        &self,
        purpose: &str,
        token_digest: &str,
    ) -> Result<bool, DbError> {
        let end = one_time_token::Entity::delete_many()
            .filter(one_time_token::Column::TokenDigest.eq(token_digest))
            .filter(one_time_token::Column::Purpose.eq(purpose))
            .filter(one_time_token::Column::ExpiresAt.gt(self.clock.now()));
        Ok(self.write(end.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Deletes the tokens of a user for a purpose that were requested at a time or later.
    pub(crate) async fn delete_one_time_tokens(
        &self,
        user_id: i64,
        purpose: &str,
        since: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let deletion = one_time_token::Entity::delete_many()
            .filter(one_time_token::Column::UserId.eq(user_id))
            .filter(one_time_token::Column::Purpose.eq(purpose))
            .filter(one_time_token::Column::CreatedAt.gte(since));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// All tokens of a user, newest first.
    pub(crate) async fn find_one_time_tokens(
        &self,
        user_id: i64,
    ) -> Result<Vec<one_time_token::Model>, DbError> {
        let tokens = one_time_token::Entity::find()
            .filter(one_time_token::Column::UserId.eq(user_id))
            .order_by_desc(one_time_token::Column::CreatedAt);
        self.ask(tokens.all(&self.conn)).await
    }

    /// Deletes a batch of expired tokens. Returns whether there may be more.
    pub(crate) async fn delete_expired_one_time_tokens(&self) -> Result<bool, DbError> {
        let expired = one_time_token::Column::ExpiresAt.lte(self.clock.now());
        self.sweep::<one_time_token::Entity>(one_time_token::Column::Id, expired)
            .await
    }
}
