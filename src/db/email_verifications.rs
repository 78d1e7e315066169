//! The rows of `email_verifications`.

use chrono::{DateTime, Utc};
use entity::{email_verification, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, prelude::Uuid, sea_query::SimpleExpr,
};

use super::{database::DB, error::DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Adds a pending verification.
    pub(crate) async fn add_email_verification(
        &self,
        verification: email_verification::Model,
    ) -> Result<(), DbError> {
        let insert = email_verification::Entity::insert(verification.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Finds the verification of the token with this digest, if it has not expired.
    pub(crate) async fn find_email_verification(
        &self,
        token_digest: &str,
    ) -> Result<Option<email_verification::Model>, DbError> {
        let found = email_verification::Entity::find()
            .filter(email_verification::Column::TokenDigest.eq(token_digest))
            .filter(email_verification::Column::TokenExpiresAt.gt(self.clock.now()));
        self.ask(found.one(&self.conn)).await
    }

    /// Sets the token of a verification, and replaces an earlier one. Returns whether the verification is still
    /// pending.
    pub(crate) async fn set_email_verification_token(
        &self,
        id: Uuid,
        token_digest: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let change = email_verification::Entity::update_many()
            .col_expr(email_verification::Column::TokenDigest, token_digest.into())
            .col_expr(
                email_verification::Column::TokenExpiresAt,
                expires_at.into(),
            )
            .filter(email_verification::Column::Id.eq(id));
        Ok(self.write(change.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Spends the token with this digest and deletes its verification. Returns whether the token was valid.
    pub(crate) async fn spend_email_verification(
        &self,
        token_digest: &str,
    ) -> Result<bool, DbError> {
        let end = email_verification::Entity::delete_many()
            .filter(email_verification::Column::TokenDigest.eq(token_digest))
            .filter(email_verification::Column::TokenExpiresAt.gt(self.clock.now()));
        Ok(self.write(end.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Deletes all verifications of a user. Their tokens become invalid.
    pub(crate) async fn delete_email_verifications(&self, user_id: i64) -> Result<(), DbError> {
        self.delete_verifications(email_verification::Column::UserId.eq(user_id))
            .await
    }

    /// Deletes the pending verifications of an address, whatever account they are for.
    pub(crate) async fn delete_email_verifications_of(&self, email: &str) -> Result<(), DbError> {
        let deletion = email_verification::Entity::delete_many()
            .filter(email_verification::Column::Email.eq(email));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes the verifications of a user's current address.
    pub(crate) async fn delete_verifications_of_address(
        &self,
        user: &user::Model,
    ) -> Result<(), DbError> {
        let of_user = email_verification::Column::UserId.eq(user.id);
        self.delete_verifications(of_user.and(email_verification::Column::Email.eq(&*user.email)))
            .await
    }

    /// Deletes the verifications of addresses that a user has requested instead of the current one.
    pub(crate) async fn delete_email_changes(&self, user: &user::Model) -> Result<(), DbError> {
        let of_user = email_verification::Column::UserId.eq(user.id);
        self.delete_verifications(of_user.and(email_verification::Column::Email.ne(&*user.email)))
            .await
    }

    /// Deletes a batch of expired verifications. Those that never got a token expire if they were requested before a
    /// time. A verification whose email is still to be sent is kept. Returns whether there may be more.
    pub(crate) async fn delete_expired_email_verifications(
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

    /// All pending verifications of a user, newest first.
    pub(crate) async fn find_email_verifications(
        &self,
        user_id: i64,
    ) -> Result<Vec<email_verification::Model>, DbError> {
        let verifications = email_verification::Entity::find()
            .filter(email_verification::Column::UserId.eq(user_id))
            .order_by_desc(email_verification::Column::CreatedAt);
        self.ask(verifications.all(&self.conn)).await
    }
}
