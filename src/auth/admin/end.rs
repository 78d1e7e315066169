//! How administrators sign somebody out, let a password be reset, and delete accounts.

use super::administrator::{Administrator, AdministratorError, Management};
use crate::{
    auth::{event::Event, kernel::Auth, tokens::Purpose},
    db::DbError,
};

/// The reason why no sessions were ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionsError {
    /// The caller may not do this.
    #[error(transparent)]
    Administrator(#[from] AdministratorError),
    /// There is no such account.
    #[error("no such user")]
    NoSuchUser,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The reason why no link was sent.
#[derive(Debug, thiserror::Error)]
pub enum ResetUserError {
    /// The caller may not do this.
    #[error(transparent)]
    Administrator(#[from] AdministratorError),
    /// There is no such account.
    #[error("no such user")]
    NoSuchUser,
    /// The account is disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The reason why an account was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteUserError {
    /// The caller may not do this.
    #[error(transparent)]
    Administrator(#[from] AdministratorError),
    /// There is no such account.
    #[error("no such user")]
    NoSuchUser,
    /// The account is the last one that can administer.
    #[error("this is the last administrator")]
    LastAdministrator,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Auth {
    /// Ends all sessions of an account.
    ///
    /// # Errors
    /// [`EndSessionsError`].
    pub async fn end_sessions_of(
        &self,
        by: &Administrator,
        id: i64,
    ) -> Result<(), EndSessionsError> {
        let Management { mut tx, user, .. } = self.begin_managing(by, Some(id)).await?;
        let user = user.ok_or(EndSessionsError::NoSuchUser)?;
        self.end_sessions(&mut tx, id, None, "ended by an administrator")
            .await?;
        tx.set_newest_session(user.id, None).await?;
        Ok(tx.commit().await?)
    }

    /// Sends the owner of an account an email with a link to choose a new password. The current one stays until then. An
    /// account without a password gets another invitation.
    ///
    /// # Errors
    /// [`ResetUserError`].
    pub async fn request_reset_of(
        &self,
        by: &Administrator,
        id: i64,
    ) -> Result<(), ResetUserError> {
        let Management { mut tx, user, .. } = self.begin_managing(by, Some(id)).await?;
        let user = &user.ok_or(ResetUserError::NoSuchUser)?;
        if user.disabled_at.is_some() {
            return Err(ResetUserError::Disabled);
        }
        let invitation = if user.hashed_password.is_empty() {
            let purpose = Purpose::Invitation;
            Some(
                self.tokens
                    .replace(&tx, purpose, user.id, &user.email)
                    .await?,
            )
        } else {
            None
        };
        tx.record(Event::ResetOffered { user, invitation }).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes an account and everything that belongs to it.
    ///
    /// # Errors
    /// [`DeleteUserError`].
    pub async fn delete_user_of(&self, by: &Administrator, id: i64) -> Result<(), DeleteUserError> {
        let management = self.begin_managing(by, Some(id)).await?;
        let user = management.user.clone();
        let user = user.ok_or(DeleteUserError::NoSuchUser)?;
        if management.is_last(&user) {
            return Err(DeleteUserError::LastAdministrator);
        }
        let mut tx = management.tx;
        self.end_sessions(&mut tx, id, None, "account deleted")
            .await?;
        Self::erase(&tx, &user).await?;
        tx.erase_recorded();
        let reason = match by {
            Administrator::SignedIn(_) => "deleted by an administrator",
            Administrator::Operator(_) => "deleted by the operator",
        };
        let user_id = id;
        tx.record(Event::UserDeleted { user_id, reason }).await?;
        Ok(tx.commit().await?)
    }
}
