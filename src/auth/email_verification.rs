//! Email verification: proof that an email to an address arrived.

use entity::{email_verification, user};
use uuid::Uuid;

use super::{
    attempts::stored_hash,
    client::Client,
    event::{Event, NOT_CONFIRMED},
    kernel::Auth,
    role::Role,
    sessions::CurrentSession,
    throttle::{Action, Allowance},
    tokens::{Token, TokenKind},
    unavailable::{Unavailable, db_error_is_unavailable},
};
use crate::db::{DbError, Transaction};

/// The reason why an address was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyEmailError {
    /// The token is unknown, used, expired, or replaced by a newer one.
    #[error("this token is invalid or expired")]
    InvalidToken,
    /// The request has neither a session of the account nor its password. The token stays valid.
    #[error("not signed in")]
    NotSignedIn,
    /// The password is wrong. The token stays valid.
    #[error("wrong password")]
    WrongPassword,
    /// There is already an account with this address.
    #[error("User {0} already exists")]
    AlreadyExists(String),
    /// The operation could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The reason why no email was requested.
#[derive(Debug, thiserror::Error)]
pub enum RequestVerificationError {
    /// The account has been deleted, and its sessions with it.
    #[error("not signed in")]
    NotSignedIn,
    /// The operation could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The reason why nothing was refused.
#[derive(Debug, thiserror::Error)]
pub enum RefuseError {
    /// The token is unknown, used, expired, or replaced by a newer one.
    #[error("this token is invalid or expired")]
    InvalidToken,
    /// The operation could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

db_error_is_unavailable!(VerifyEmailError, RequestVerificationError, RefuseError);

impl Auth {
    /// Records, in a transaction, that the address of a user is to be verified. The tokens of earlier emails become
    /// invalid.
    pub(super) async fn add_verification(
        tx: &Transaction,
        user: &user::Model,
    ) -> Result<Uuid, DbError> {
        tx.delete_verifications_of_address(user).await?;
        Self::add_verification_of(tx, user, &user.email).await
    }

    /// Records, in a transaction, that a user is to verify this address.
    pub(super) async fn add_verification_of(
        tx: &Transaction,
        user: &user::Model,
        email: &str,
    ) -> Result<Uuid, DbError> {
        let id = Uuid::new_v4();
        tx.add_email_verification(email_verification::Model {
            id,
            user_id: user.id,
            email: email.to_owned(),
            token_digest: None,
            token_expires_at: None,
            created_at: tx.clock().now(),
        })
        .await?;
        Ok(id)
    }

    /// Sends the email with the link again. Links in earlier emails become invalid. Returns `false` if the address is
    /// already verified and no email is needed.
    ///
    /// Once the rate limit for emails is reached, nothing is sent and the last link stays valid.
    ///
    /// # Errors
    /// [`RequestVerificationError`].
    pub async fn request_verification(
        &self,
        current: &CurrentSession,
        client: &Client,
    ) -> Result<bool, RequestVerificationError> {
        let throttle = &self.throttle;
        throttle.count_action(Action::AskForMail, client).await?;
        let mut tx = self.begin(client).await?;
        let user = tx.lock_user(current.user.id).await?;
        let user = user.ok_or(RequestVerificationError::NotSignedIn)?;
        if user.email_verified_at.is_some() {
            return Ok(false);
        }
        let (user, whose) = (&user, Allowance::Owners);
        if throttle
            .allows_mail(&tx, &user.email, whose, client)
            .await?
        {
            let verification = Self::add_verification(&tx, user).await?;
            tx.record(Event::VerificationRequested { user, verification })
                .await?;
            tx.commit().await?;
        }
        Ok(true)
    }

    /// Uses the token from an email: verifies the address of an account, gives the account a new address, or completes
    /// a registration.
    ///
    /// The request must also have a session of the account or its password. So access to a mailbox alone can't confirm
    /// what another person began.
    ///
    /// # Errors
    /// [`VerifyEmailError`].
    pub async fn verify_email(
        &self,
        token: &str,
        current: Option<&CurrentSession>,
        password: Option<&str>,
        client: &Client,
    ) -> Result<(), VerifyEmailError> {
        let outcome = self.use_token(token, current, password, client).await;
        if matches!(outcome, Err(VerifyEmailError::InvalidToken)) {
            self.throttle.token_was_wrong(client).await?;
        }
        outcome
    }

    async fn use_token(
        &self,
        token: &str,
        current: Option<&CurrentSession>,
        password: Option<&str>,
        client: &Client,
    ) -> Result<(), VerifyEmailError> {
        if let Some(token) = Token::parse(TokenKind::Registration, token) {
            return self.complete_registration(&token, password, client).await;
        }
        let token = Token::parse(TokenKind::EmailVerification, token)
            .ok_or(VerifyEmailError::InvalidToken)?;
        let digest = token.digest();
        let found = self.db.find_email_verification(digest.as_str()).await?;
        let verification = found.ok_or(VerifyEmailError::InvalidToken)?;
        let user_id = verification.user_id;
        let user = self.db.find_user(user_id).await?;
        let is_enabled = |user: &user::Model| user.disabled_at.is_none();
        let user = user.filter(is_enabled);
        let user = user.ok_or(VerifyEmailError::InvalidToken)?;
        match password {
            Some(password) => {
                let stored = stored_hash(&user);
                let verdict = self
                    .confirm_hash(&user.email, password, stored, client)
                    .await?;
                if verdict.is_none() {
                    let refused = Event::SessionRefused {
                        user_id: Some(user_id),
                        reason: NOT_CONFIRMED,
                    };
                    self.record(refused, None, client).await?;
                    return Err(VerifyEmailError::WrongPassword);
                }
            }
            None if current.is_some_and(|current| current.user.id == user_id) => {}
            None => return Err(VerifyEmailError::NotSignedIn),
        }
        let mut tx = self.begin(client).await?;
        let by_session = current.filter(|current| current.user.id == user_id);
        tx.act_as(user_id, by_session.map(|current| current.session.id));
        let user = tx.lock_user(user_id).await?;
        // If the password or the address was changed meanwhile, the token has been deleted, and this finds nothing.
        let is_valid = tx.spend_email_verification(digest.as_str()).await?;
        let user = user
            .filter(|user| is_valid && is_enabled(user))
            .ok_or(VerifyEmailError::InvalidToken)?;
        if verification.email == user.email {
            if user.email_verified_at.is_none() {
                tx.set_email_verified(user_id).await?;
            }
            tx.record(Event::EmailVerified { user_id }).await?;
        } else {
            self.change_email(&mut tx, &user, &verification.email)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Answers "this was not me" for the owner of an address: ends what another person began with it.
    ///
    /// - An account that was opened with the address and never verified is deleted.
    /// - A pending registration is deleted.
    /// - A pending change of an account's address to this one is cancelled. The account stays as it is.
    ///
    /// # Errors
    /// [`RefuseError`].
    pub async fn refuse_verification(
        &self,
        token: &str,
        client: &Client,
    ) -> Result<(), RefuseError> {
        let outcome = self.refuse(token, client).await;
        if matches!(outcome, Err(RefuseError::InvalidToken)) {
            self.throttle.token_was_wrong(client).await?;
        }
        outcome
    }

    async fn refuse(&self, token: &str, client: &Client) -> Result<(), RefuseError> {
        if let Some(token) = Token::parse(TokenKind::Registration, token) {
            let is_valid = self.db.spend_registration(token.digest().as_str()).await?;
            return is_valid.then_some(()).ok_or(RefuseError::InvalidToken);
        }
        let token =
            Token::parse(TokenKind::EmailVerification, token).ok_or(RefuseError::InvalidToken)?;
        let digest = token.digest();
        let found = self.db.find_email_verification(digest.as_str()).await?;
        let verification = found.ok_or(RefuseError::InvalidToken)?;
        let mut tx = self.begin(client).await?;
        let user = tx.lock_user(verification.user_id).await?;
        let is_valid = tx.spend_email_verification(digest.as_str()).await?;
        let user = user.filter(|_| is_valid).ok_or(RefuseError::InvalidToken)?;
        if verification.email == user.email {
            // The account of an administrator is deleted by another one.
            if user.email_verified_at.is_some() || Role::of(&user) == Role::Admin {
                return Err(RefuseError::InvalidToken);
            }
            Self::erase(&tx, &user).await?;
            let (user_id, reason) = (user.id, "refused by the owner of the address");
            tx.record(Event::UserDeleted { user_id, reason }).await?;
        }
        Ok(tx.commit().await?)
    }
}
