//! The rows of `one_time_tokens`.

use chrono::{DateTime, Utc};
use entity::one_time_token;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QueryOrder as _, prelude::Uuid,
};

use super::{DB, DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Adds a token that is to be made, or has been.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn add_one_time_token(&self, token: one_time_token::Model) -> Result<(), DbError> {
        let insert = one_time_token::Entity::insert(token.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Gives a row its token, in the place of the one that it may have.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when it is not there any more, or has expired.
    pub async fn set_one_time_token(&self, id: Uuid, token_digest: &str) -> Result<(), DbError> {
        let change = one_time_token::Entity::update_many()
            .col_expr(one_time_token::Column::TokenDigest, token_digest.into())
            .filter(one_time_token::Column::Id.eq(id))
            .filter(one_time_token::Column::ExpiresAt.gt(self.clock.now()));
        match self.write(change.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Finds the token of this digest, if it is good for this purpose.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`].
    pub async fn find_one_time_token(
        &self,
        purpose: &str,
        token_digest: &str,
    ) -> Result<one_time_token::Model, DbError> {
        let found = one_time_token::Entity::find()
            .filter(one_time_token::Column::TokenDigest.eq(token_digest))
            .filter(one_time_token::Column::Purpose.eq(purpose))
            .filter(one_time_token::Column::ExpiresAt.gt(self.clock.now()));
        self.ask(found.one(&self.conn))
            .await?
            .ok_or(DbError::NoResultFound)
    }

    /// Spends the token of this digest.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when it is not good for this purpose (any more).
    pub async fn spend_one_time_token(
        &self,
        purpose: &str,
        token_digest: &str,
    ) -> Result<(), DbError> {
        let end = one_time_token::Entity::delete_many()
            .filter(one_time_token::Column::TokenDigest.eq(token_digest))
            .filter(one_time_token::Column::Purpose.eq(purpose))
            .filter(one_time_token::Column::ExpiresAt.gt(self.clock.now()));
        match self.write(end.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Deletes the tokens of a user for a purpose that were asked for at a time or later.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_one_time_tokens(
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

    /// All tokens that are outstanding for a user, the newest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_one_time_tokens(
        &self,
        user_id: i64,
    ) -> Result<Vec<one_time_token::Model>, DbError> {
        let tokens = one_time_token::Entity::find()
            .filter(one_time_token::Column::UserId.eq(user_id))
            .order_by_desc(one_time_token::Column::CreatedAt);
        self.ask(tokens.all(&self.conn)).await
    }

    /// Deletes some of the tokens that have expired, and says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_expired_one_time_tokens(&self) -> Result<bool, DbError> {
        let expired = one_time_token::Column::ExpiresAt.lte(self.clock.now());
        self.sweep::<one_time_token::Entity>(one_time_token::Column::Id, expired)
            .await
    }
}
