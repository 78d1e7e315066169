//! The rows of `registrations`.

use chrono::{DateTime, Utc};
use entity::registration;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, prelude::Uuid,
};

use super::{database::DB, error::DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Adds a pending registration.
    pub(crate) async fn add_registration(
        &self,
        registration: registration::Model,
    ) -> Result<(), DbError> {
        let insert = registration::Entity::insert(registration.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Finds the registration of the token with this digest, if it has not expired.
    pub(crate) async fn find_registration(
        &self,
        token_digest: &str,
    ) -> Result<Option<registration::Model>, DbError> {
        let found = registration::Entity::find()
            .filter(registration::Column::TokenDigest.eq(token_digest))
            .filter(registration::Column::TokenExpiresAt.gt(self.clock.now()));
        self.ask(found.one(&self.conn)).await
    }

    /// Sets the token of a registration, and replaces an earlier one. Returns whether the registration is still
    /// pending.
    pub(crate) async fn set_registration_token(
        &self,
        id: Uuid,
        token_digest: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let change = registration::Entity::update_many()
            .col_expr(registration::Column::TokenDigest, token_digest.into())
            .col_expr(registration::Column::TokenExpiresAt, expires_at.into())
            .filter(registration::Column::Id.eq(id));
        Ok(self.write(change.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Spends the token with this digest and deletes its registration. Returns whether the token was valid.
    pub(crate) async fn spend_registration(&self, token_digest: &str) -> Result<bool, DbError> {
        let end = registration::Entity::delete_many()
            .filter(registration::Column::TokenDigest.eq(token_digest))
            .filter(registration::Column::TokenExpiresAt.gt(self.clock.now()));
        Ok(self.write(end.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Deletes the registrations of an address.
    pub(crate) async fn delete_registrations_of(&self, email: &str) -> Result<(), DbError> {
        let deletion =
            registration::Entity::delete_many().filter(registration::Column::Email.eq(email));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes a batch of expired registrations. Those that never got a token expire if they were requested before a
    /// time. A registration whose email is still to be sent is kept. Returns whether there may be more.
    pub(crate) async fn delete_expired_registrations(
        &self,
        before: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let expires_at = registration::Column::TokenExpiresAt;
        let id = registration::Column::Id;
        let tokenless = expires_at
            .is_null()
            .and(registration::Column::CreatedAt.lt(before));
        let over = expires_at.lte(self.clock.now()).or(tokenless);
        let which = over.and(id.not_in_subquery(super::mails::subjects_of_unsent()));
        self.sweep::<registration::Entity>(id, which).await
    }
}
