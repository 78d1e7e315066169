//! Password resets: an email with a link, by which its reader sets a new password.

use chrono::TimeDelta;
use entity::{one_time_token, user};

use super::{
    client::Client,
    email::{Email, EmailError},
    event::Event,
    kernel::Auth,
    passwords::{Password, PasswordError, PasswordHash, WeakPassword},
    policy::time_delta,
    throttle::{Action, LONGEST_PROLONGATION},
    tokens::{Purpose, Token, TokenDigest, TokenKind, Tokens},
    unavailable::{Unavailable, db_error_is_unavailable},
    unit_of_work::UnitOfWork,
};
use crate::db::DbError;

/// The reason why a password was not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// The token is unknown, used, expired, or replaced by a newer one.
    #[error("this token is invalid or expired")]
    InvalidToken,
    /// The new password can't be the password of an account. The token stays valid.
    #[error(transparent)]
    InvalidPassword(#[from] PasswordError),
    /// The new password is too weak. The token stays valid.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// The operation could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The reason why no email was requested.
#[derive(Debug, thiserror::Error)]
pub enum RequestResetError {
    /// The text can't be the address of an account.
    #[error(transparent)]
    InvalidEmail(#[from] EmailError),
    /// The operation could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

db_error_is_unavailable!(ResetPasswordError, RequestResetError);

impl Auth {
    /// Sends an email with a link to an address, if it has an account. The account is looked up later, when the email
    /// is written. So this does the same work, and takes the same time, for every address.
    ///
    /// Once the rate limit for emails is reached, nothing is sent, and the answer does not tell. The last link then
    /// stays valid for as long as a new one would be.
    ///
    /// # Errors
    /// [`RequestResetError`].
    pub async fn request_password_reset(
        &self,
        email: &str,
        client: &Client,
    ) -> Result<(), RequestResetError> {
        let email = Email::parse(email)?;
        let (throttle, email) = (&self.throttle, email.as_str());
        throttle.count_action(Action::AskForMail, client).await?;
        let whose = throttle.allowance_of_reset(email, client).await?;
        let mut tx = self.begin(client).await?;
        let is_mailed = throttle.allows_mail(&tx, email, whose, client).await?;
        if !is_mailed {
            let lifetime = time_delta(self.policy.reset_token_lifetime);
            throttle.prolong_reset(&tx, email, lifetime).await?;
        }
        // The same query for every address. Who has an account is known to the audit log alone.
        let user_id = tx.find_user_by_email(email).await?.map(|user| user.id);
        tx.record(Event::ResetRequested {
            email,
            user_id,
            is_mailed,
        })
        .await?;
        Ok(tx.commit().await?)
    }

    /// Sets a new password, with the token from the newest email or from an invitation. All sessions end, and no new one is opened. The email
    /// arrived, so the address is verified.
    ///
    /// # Errors
    /// [`ResetPasswordError`].
    pub async fn reset_password(
        &self,
        token: &str,
        new_password: &str,
        client: &Client,
    ) -> Result<(), ResetPasswordError> {
        let outcome = self.reset(token, new_password, client).await;
        if matches!(outcome, Err(ResetPasswordError::InvalidToken)) {
            self.throttle.token_was_wrong(client).await?;
        }
        outcome
    }

    async fn reset(
        &self,
        token: &str,
        new_password: &str,
        client: &Client,
    ) -> Result<(), ResetPasswordError> {
        let invitation = self.tokens.find(Purpose::Invitation, token).await?;
        if let Some((invitation, digest)) = invitation {
            return self
                .accept_invitation(&invitation, &digest, new_password, client)
                .await;
        }
        let token = Token::parse(TokenKind::PasswordReset, token)
            .ok_or(ResetPasswordError::InvalidToken)?;
        let digest = token.digest();
        let found = self.db.find_user_by_reset_token(digest.as_str()).await?;
        let user = found.ok_or(ResetPasswordError::InvalidToken)?;
        let prolonged = if self.throttle.is_reset_prolonged(&user.email).await? {
            LONGEST_PROLONGATION
        } else {
            TimeDelta::zero()
        };
        let is_valid = |user: &user::Model| {
            user.disabled_at.is_none()
                && user.reset_token.as_deref() == Some(digest.as_str())
                && user
                    .reset_token_expires_at
                    .is_some_and(|end| self.db.clock().now() < end + prolonged)
        };
        if !is_valid(&user) {
            return Err(ResetPasswordError::InvalidToken);
        }
        let hash = self
            .hash_chosen(digest.as_str(), &user, new_password, client)
            .await?;
        let mut tx = self.begin(client).await?;
        let locked = tx.lock_user(user.id).await?.filter(is_valid);
        let user = locked.ok_or(ResetPasswordError::InvalidToken)?;
        self.set_reset_password(&mut tx, &user, &hash, client)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Sets the first password of an account, with the token from an invitation.
    async fn accept_invitation(
        &self,
        invitation: &one_time_token::Model,
        digest: &TokenDigest,
        new_password: &str,
        client: &Client,
    ) -> Result<(), ResetPasswordError> {
        let is_valid =
            |user: &user::Model| user.disabled_at.is_none() && user.email == invitation.data;
        let user_id = invitation.user_id.ok_or(ResetPasswordError::InvalidToken)?;
        let user = self.db.find_user(user_id).await?.filter(is_valid);
        let user = user.ok_or(ResetPasswordError::InvalidToken)?;
        let digest = digest.as_str();
        let hash = self
            .hash_chosen(digest, &user, new_password, client)
            .await?;
        let mut tx = self.begin(client).await?;
        let user = tx.lock_user(user_id).await?.filter(is_valid);
        let purpose = Purpose::Invitation.as_str();
        let is_unspent = tx.spend_one_time_token(purpose, digest).await?;
        let user = user.filter(|_| is_unspent);
        let user = user.ok_or(ResetPasswordError::InvalidToken)?;
        self.set_reset_password(&mut tx, &user, &hash, client)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Sets, in a transaction, the password that the reader of an email chose. All sessions end, and every pending link
    /// becomes invalid.
    async fn set_reset_password(
        &self,
        tx: &mut UnitOfWork<'_>,
        user: &user::Model,
        hash: &PasswordHash,
        client: &Client,
    ) -> Result<(), DbError> {
        self.end_sessions(tx, user.id, None, "password reset")
            .await?;
        tx.delete_email_verifications(user.id).await?;
        Tokens::withdraw(tx, Purpose::Invitation, user.id).await?;
        self.throttle.forget_attempts(tx, &user.email).await?;
        // The reader of the email is the owner. The owner keeps attempts of their own from this network, however many
        // strangers guess passwords.
        Self::forget_other_clients(tx, user.id, client).await?;
        tx.set_password(user.id, hash.as_str()).await?;
        tx.set_newest_session(user.id, None).await?;
        if user.email_verified_at.is_none() {
            tx.set_email_verified(user.id).await?;
            // An earlier sign-in may have come from another person.
            tx.forget_last_sign_in(user.id).await?;
        }
        tx.record(Event::PasswordReset { user }).await
    }

    /// Hashes a new password for the owner of the account, if it is strong enough. Refused passwords are counted by the
    /// token.
    async fn hash_chosen(
        &self,
        digest: &str,
        user: &user::Model,
        new_password: &str,
        client: &Client,
    ) -> Result<PasswordHash, ResetPasswordError> {
        // Overflow is refused at once, before the database counts anything.
        self.passwords.has_room(client)?;
        let choice = self.throttle.begin_choice(digest, client).await?;
        let password = Password::parse(new_password)?;
        password.check_length(self.policy)?;
        let hash = self.passwords.hash_new(password, &user.email, client).await;
        if !matches!(hash, Ok(Err(_))) {
            choice.was_not_refused().await;
        }
        Ok(hash??)
    }
}
