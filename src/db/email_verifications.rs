//! The rows of `email_verifications`.

use chrono::{DateTime, Utc};
use entity::{email_verification, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, prelude::Uuid, sea_query::SimpleExpr,
};

use super::{DB, DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Adds a proof that is waited for.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn add_email_verification(
        &self,
        verification: email_verification::Model,
    ) -> Result<(), DbError> {
        let insert = email_verification::Entity::insert(verification.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Finds the verification that the token of this digest is for, if it is good still.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`].
    pub async fn find_email_verification(
        &self,
        token_digest: &str,
    ) -> Result<email_verification::Model, DbError> {
        let found = email_verification::Entity::find()
            .filter(email_verification::Column::TokenDigest.eq(token_digest))
            .filter(email_verification::Column::TokenExpiresAt.gt(self.clock.now()));
        self.ask(found.one(&self.conn))
            .await?
            .ok_or(DbError::NoResultFound)
    }

    /// Gives a verification its token, in the place of the one that it may have.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when it is waited for no more.
    pub async fn set_email_verification_token(
        &self,
        id: Uuid,
        token_digest: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let change = email_verification::Entity::update_many()
            .col_expr(email_verification::Column::TokenDigest, token_digest.into())
            .col_expr(
                email_verification::Column::TokenExpiresAt,
                expires_at.into(),
            )
            .filter(email_verification::Column::Id.eq(id));
        match self.write(change.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Spends the token of this digest, with the verification that it is for.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when it is no good (any more).
    pub async fn spend_email_verification(&self, token_digest: &str) -> Result<(), DbError> {
        let end = email_verification::Entity::delete_many()
            .filter(email_verification::Column::TokenDigest.eq(token_digest))
            .filter(email_verification::Column::TokenExpiresAt.gt(self.clock.now()));
        match self.write(end.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Deletes all verifications of a user: their tokens are good for nothing then.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_email_verifications(&self, user_id: i64) -> Result<(), DbError> {
        self.delete_verifications(email_verification::Column::UserId.eq(user_id))
            .await
    }

    /// Deletes the verifications of the address that a user has.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_verifications_of_address(&self, user: &user::Model) -> Result<(), DbError> {
        let of_user = email_verification::Column::UserId.eq(user.id);
        self.delete_verifications(of_user.and(email_verification::Column::Email.eq(&*user.email)))
            .await
    }

    /// Deletes the verifications of addresses that a user is to have instead.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_email_changes(&self, user: &user::Model) -> Result<(), DbError> {
        let of_user = email_verification::Column::UserId.eq(user.id);
        self.delete_verifications(of_user.and(email_verification::Column::Email.ne(&*user.email)))
            .await
    }

    /// Deletes some of the verifications whose token is no good any more, and of those that got none and were asked for before
    /// a time; but none whose letter is still to be sent. Says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_expired_email_verifications(
        &self,
        before: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let expires_at = email_verification::Column::TokenExpiresAt;
        let id = email_verification::Column::Id;
        let tokenless = expires_at
            .is_null()
            .and(email_verification::Column::CreatedAt.lt(before));
        let over = expires_at.lte(self.clock.now()).or(tokenless);
        let which = over.and(id.not_in_subquery(super::mails::subjects_of_unsent()));
        self.sweep::<email_verification::Entity>(id, which).await
    }

    async fn delete_verifications(&self, which: SimpleExpr) -> Result<(), DbError> {
        let deletion = email_verification::Entity::delete_many().filter(which);
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// All verifications of a user that are waited for, the newest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_email_verifications(
        &self,
        user_id: i64,
    ) -> Result<Vec<email_verification::Model>, DbError> {
        let verifications = email_verification::Entity::find()
            .filter(email_verification::Column::UserId.eq(user_id))
            .order_by_desc(email_verification::Column::CreatedAt);
        self.ask(verifications.all(&self.conn)).await
    }
}
