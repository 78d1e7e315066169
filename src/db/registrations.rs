//! The rows of `registrations`.

use chrono::{DateTime, Utc};
use entity::registration;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, prelude::Uuid,
};

use super::{DB, DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Adds a registration that waits for its letter to be answered.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn add_registration(&self, registration: registration::Model) -> Result<(), DbError> {
        let insert = registration::Entity::insert(registration.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Finds the registration that the token of this digest is for, if it is good still.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`].
    pub async fn find_registration(
        &self,
        token_digest: &str,
    ) -> Result<registration::Model, DbError> {
        let found = registration::Entity::find()
            .filter(registration::Column::TokenDigest.eq(token_digest))
            .filter(registration::Column::TokenExpiresAt.gt(self.clock.now()));
        self.ask(found.one(&self.conn))
            .await?
            .ok_or(DbError::NoResultFound)
    }

    /// Gives a registration its token, in the place of the one that it may have.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when it waits no more.
    pub async fn set_registration_token(
        &self,
        id: Uuid,
        token_digest: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let change = registration::Entity::update_many()
            .col_expr(registration::Column::TokenDigest, token_digest.into())
            .col_expr(registration::Column::TokenExpiresAt, expires_at.into())
            .filter(registration::Column::Id.eq(id));
        match self.write(change.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Spends the token of this digest, with the registration that it is for.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when it is no good (any more).
    pub async fn spend_registration(&self, token_digest: &str) -> Result<(), DbError> {
        let end = registration::Entity::delete_many()
            .filter(registration::Column::TokenDigest.eq(token_digest))
            .filter(registration::Column::TokenExpiresAt.gt(self.clock.now()));
        match self.write(end.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Deletes the registrations of an address.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_registrations_of(&self, email: &str) -> Result<(), DbError> {
        let deletion =
            registration::Entity::delete_many().filter(registration::Column::Email.eq(email));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes some of the registrations whose token is no good any more, and of those that got none and were asked for before
    /// a time; but none whose letter is still to be sent. Says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_expired_registrations(
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
