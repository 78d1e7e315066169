//! Changes of an account's email address, and how the owner of the former address takes one back.

use entity::user;

use super::{
    attempts::Confirmed,
    client::Client,
    email::{Email, EmailError},
    email_verification::VerifyEmailError,
    event::{Event, NOT_CONFIRMED},
    kernel::Auth,
    role::Role,
    sessions::CurrentSession,
    throttle::{Action, Allowance},
    tokens::Purpose,
    unavailable::{Unavailable, db_error_is_unavailable},
    unit_of_work::UnitOfWork,
};
use crate::db::DbError;

/// The reason why no change of the address was requested.
#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    /// The text can't be the address of an account.
    #[error(transparent)]
    InvalidEmail(#[from] EmailError),
    /// The password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The operation could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The reason why no change of the address was taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoEmailChangeError {
    /// The token is unknown, used or expired, or an older change was taken back.
    #[error("this token is invalid or expired")]
    InvalidToken,
    /// Another account has the former address now, and has verified it. The token stays valid.
    #[error("User {0} already exists")]
    AlreadyExists(String),
    /// The operation could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

db_error_is_unavailable!(ChangeEmailError, UndoEmailChangeError);

impl Auth {
    /// Requests another address for the caller's account. An email with a link goes to the new address, and a
    /// notification to the old one. Nothing changes until the link is used.
    ///
    /// A newer request replaces an older one. A request for the address that the account already has cancels the older
    /// request.
    ///
    /// If the new address belongs to another account, the owner of that account is notified instead. The caller's
    /// answer does not tell.
    ///
    /// # Errors
    /// [`ChangeEmailError`].
    pub async fn request_email_change(
        &self,
        current: &CurrentSession,
        new_email: &str,
        password: &str,
        client: &Client,
    ) -> Result<(), ChangeEmailError> {
        let email = Email::parse(new_email)?;
        let (email, throttle) = (email.as_str(), &self.throttle);
        throttle.count_action(Action::AskForMail, client).await?;
        let user = Some(current.user.clone());
        let address = Some(&*current.user.email);
        let confirmed = self.confirm(address, password, user, client).await?;
        let Some(Confirmed { mut tx, user, .. }) = confirmed else {
            let refused = Event::SessionRefused {
                user_id: Some(current.user.id),
                reason: NOT_CONFIRMED,
            };
            self.record(refused, Some(current.actor()), client).await?;
            return Err(ChangeEmailError::WrongPassword);
        };
        tx.act_as(current.user.id, current.session.id);
        let user = &user;
        let is_other = email != user.email;
        if is_other {
            let whose = Allowance::Strangers;
            // Both addresses are locked at once. Otherwise two accounts that change to each other's address would
            // deadlock.
            let both = [email, &user.email];
            throttle.lock_mails(&tx, &both, whose, client).await?;
            if !throttle.allows_mail(&tx, email, whose, client).await? {
                // The link in the last email stays valid. The commit keeps the record that the password was right.
                return Ok(tx.commit().await?);
            }
        }
        tx.delete_email_changes(user).await?;
        let change = if is_other {
            Some((email, Self::add_verification_of(&tx, user, email).await?))
        } else {
            None
        };
        tx.record(Event::EmailChangeRequested { user, change })
            .await?;
        Ok(tx.commit().await?)
    }

    /// Gives an account another address after the link in the email to it was used. All tokens that were mailed to the
    /// old address become invalid.
    ///
    /// If the old address was verified, it gets one more email, with a link that takes the change back. An unverified
    /// address may have been mistyped and belong to a stranger, so it gets no such email.
    pub(super) async fn change_email(
        &self,
        tx: &mut UnitOfWork<'_>,
        user: &user::Model,
        email: &str,
    ) -> Result<(), VerifyEmailError> {
        tx.delete_email_verifications(user.id).await?;
        match tx.set_email(user.id, email).await {
            Err(DbError::Conflict(_)) => {
                return Err(VerifyEmailError::AlreadyExists(email.to_owned()));
            }
            outcome => outcome?,
        }
        let purpose = Purpose::UndoEmailChange;
        let undo = match user.email_verified_at {
            Some(_) => Some(
                self.tokens
                    .request(tx, purpose, user.id, &user.email)
                    .await?,
            ),
            None => None,
        };
        Ok(tx.record(Event::EmailChanged { user, email, undo }).await?)
    }

    /// Takes a change of an account's address back, with the token from the email to the former address. The account
    /// has that address again, and it is verified. Every session ends, pending changes and tokens become invalid, and
    /// all known networks are forgotten. The password stays.
    ///
    /// An account that was opened with the former address meanwhile, and never verified, is deleted.
    ///
    /// Each of several changes can be taken back. After an older change is taken back, the email about a newer one
    /// can't restore what the newer one did.
    ///
    /// # Errors
    /// [`UndoEmailChangeError`].
    pub async fn undo_email_change(
        &self,
        token: &str,
        client: &Client,
    ) -> Result<(), UndoEmailChangeError> {
        let outcome = self.undo(token, client).await;
        if matches!(outcome, Err(UndoEmailChangeError::InvalidToken)) {
            self.throttle.token_was_wrong(client).await?;
        }
        outcome
    }

    async fn undo(&self, token: &str, client: &Client) -> Result<(), UndoEmailChangeError> {
        let purpose = Purpose::UndoEmailChange;
        let found = self.tokens.find(purpose, token).await?;
        let (found, digest) = found.ok_or(UndoEmailChangeError::InvalidToken)?;
        let user_id = found.user_id.ok_or(UndoEmailChangeError::InvalidToken)?;
        let address = &*found.data;
        let other = self.db.find_user_by_email(address).await?;
        let other = other.map(|other| other.id);
        let mut tx = self.begin(client).await?;
        let locked = tx.lock_users(other.into_iter().chain([user_id])).await?;
        let (user, mut others): (Vec<_>, Vec<_>) =
            locked.into_iter().partition(|user| user.id == user_id);
        let user = user.first().filter(|user| user.disabled_at.is_none());
        let user = user.ok_or(UndoEmailChangeError::InvalidToken)?;
        // Its address may have changed since the first query.
        others.retain(|other| other.email == address);
        for other in &others {
            if other.email_verified_at.is_some() || Role::of(other) == Role::Admin {
                return Err(UndoEmailChangeError::AlreadyExists(found.data));
            }
            // Nobody has proved to own the address of this account. It may have been opened to block this operation.
            Self::erase(&tx, other).await?;
            let (user_id, reason) = (other.id, "refused by the owner of the address");
            tx.record(Event::UserDeleted { user_id, reason }).await?;
        }
        let (purpose, digest) = (purpose.as_str(), digest.as_str());
        if !tx.spend_one_time_token(purpose, digest).await? {
            return Err(UndoEmailChangeError::InvalidToken);
        }
        // Tokens of older changes stay valid. Otherwise a thief who made the newer change could use its token to cancel
        // the owner's.
        tx.delete_one_time_tokens(user_id, purpose, found.created_at)
            .await?;
        self.end_sessions(&mut tx, user_id, None, "change of the address undone")
            .await?;
        tx.delete_email_verifications(user_id).await?;
        tx.delete_known_clients(user_id).await?;
        match tx.set_email(user_id, address).await {
            Err(DbError::Conflict(_)) => {
                return Err(UndoEmailChangeError::AlreadyExists(found.data));
            }
            outcome => outcome?,
        }
        tx.set_newest_session(user_id, None).await?;
        self.throttle.forget_resets(&tx, address).await?;
        let email = address;
        tx.record(Event::EmailChangeUndone { user, email }).await?;
        Ok(tx.commit().await?)
    }
}
