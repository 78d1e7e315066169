//! A password that is forgotten: a letter with a link, and a new password for whoever has it.

use chrono::TimeDelta;

use super::{
    Auth, Client, DbError, Email, EmailError, HashingError, LetterKind, PasswordError,
    PasswordHash, ThrottleError, Token, TokenKind, WeakPassword,
    event::Event,
    mails::NewLetter,
    password::{self, Password},
    throttle::{Action, LONGEST_PROLONGATION},
};
use crate::db::Value;

/// Why a password was not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// The token is unknown, used, too old, or not the newest.
    #[error("this token is not good, or not any more")]
    InvalidToken,
    /// There were too many tokens that were no good.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The new password can be nobody's. The token stays good.
    #[error(transparent)]
    InvalidPassword(#[from] PasswordError),
    /// The new password is not good enough. The token stays good.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// The password could not be hashed: too much to do, most likely.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl ResetPasswordError {
    /// Whether the new password was judged, and refused.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::InvalidPassword(_) | Self::WeakPassword(_))
    }
}

impl From<DbError> for ResetPasswordError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::InvalidToken,
            err => Self::Db(err),
        }
    }
}

/// Why no letter was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RequestResetError {
    /// The address is none that an account can have.
    #[error(transparent)]
    InvalidEmail(#[from] EmailError),
    /// There were too many requests for letters.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The database has no answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Auth {
    /// Has a letter with a link sent to an address, if it has an account. Whether it has is found out when the letter is
    /// written: this does the same, and takes the same time, for every address. Past so many an hour nothing is sent, which is
    /// not said either; the link in the last one is then good for as long as a new one would be.
    ///
    /// # Errors
    /// [`RequestResetError`].
    pub async fn request_password_reset(
        &self,
        email: &str,
        client: &Client,
    ) -> Result<(), RequestResetError> {
        let email = Email::parse(email)?;
        let (throttle, address) = (&self.throttle, email.as_str());
        throttle.count_action(Action::AskForLetter, client).await?;
        let whose = throttle.allowance_of_reset(address, client).await?;
        Event::ResetRequested.log(&client.network());
        let tx = self.db.begin().await?;
        if !throttle.allows_letter(&tx, address, whose, client).await? {
            let lifetime = super::time_delta(self.policy.reset_token_lifetime);
            throttle.prolong_reset(&tx, address, lifetime).await?;
            return Ok(tx.commit().await?);
        }
        let (kind, language) = (LetterKind::PasswordReset, client.language);
        Self::post(&tx, NewLetter::to(email.as_str(), kind, language)).await?;
        tx.commit().await?;
        self.posted.notify_one();
        Ok(())
    }

    /// Sets a new password for whoever has the newest letter. All sessions end, and nobody is signed in. The letter arrived,
    /// so the address is verified.
    ///
    /// # Errors
    /// [`ResetPasswordError`]; nothing was changed then, except that after [`ResetPasswordError::Db`] with an error that is
    /// temporary everything may be.
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
        let token = Token::parse(TokenKind::PasswordReset, token)
            .ok_or(ResetPasswordError::InvalidToken)?;
        let digest = token.digest();
        let user = self
            .db
            .find_user_by([("reset_token", digest.as_str())])
            .await?;
        let prolonged = if self.throttle.is_reset_prolonged(&user.email).await? {
            LONGEST_PROLONGATION
        } else {
            TimeDelta::zero()
        };
        let is_good = |user: &entity::user::Model| {
            user.reset_token.as_deref() == Some(digest.as_str())
                && user
                    .reset_token_expires_at
                    .is_some_and(|end| self.db.clock().now() < end + prolonged)
        };
        if !is_good(&user) {
            return Err(ResetPasswordError::InvalidToken);
        }
        let choice = self.throttle.begin_choice(digest.as_str(), client).await?;
        let hash = self.hash_of_chosen(&user, new_password, client).await;
        if !hash.as_ref().is_err_and(ResetPasswordError::is_refusal) {
            choice.was_not_refused().await;
        }
        let hash = hash?;
        let tx = self.db.begin().await?;
        let user = tx.lock_user(user.id).await?;
        if !is_good(&user) {
            return Err(ResetPasswordError::InvalidToken);
        }
        tx.delete_sessions(user.id, None).await?;
        tx.delete_email_verifications(user.id).await?;
        self.throttle.forget_attempts(&tx, &user.email).await?;
        // Whoever signed in before may not have been the owner. Whoever has the letter is, and has guesses of her own from
        // where she uses it, however many strangers go on to guess.
        tx.delete_known_clients(user.id).await?;
        self.remember_client(&tx, &user, client).await?;
        let verified_at = user.email_verified_at.unwrap_or(self.db.clock().now());
        let last_signed_in_at = user
            .last_signed_in_at
            .filter(|_| user.email_verified_at.is_some());
        let nothing = Value::from(None::<String>);
        tx.update_user(
            user.id,
            [
                ("hashed_password", Value::from(hash.as_str())),
                ("session_id", nothing.clone()),
                ("reset_token", nothing.clone()),
                ("reset_token_expires_at", nothing),
                ("email_verified_at", verified_at.into()),
                ("last_signed_in_at", last_signed_in_at.into()),
            ],
        )
        .await?;
        let kind = LetterKind::PasswordChanged;
        Self::post(&tx, NewLetter::about(&user, kind, client.language)).await?;
        tx.commit().await?;
        self.posted.notify_one();
        Event::PasswordReset { user_id: user.id }.log(&client.network());
        Ok(())
    }

    /// Hashes a new password for the owner of the account, if it is good enough.
    async fn hash_of_chosen(
        &self,
        user: &entity::user::Model,
        new_password: &str,
        client: &Client,
    ) -> Result<PasswordHash, ResetPasswordError> {
        let password = Password::parse(new_password)?;
        password.check_length(self.policy)?;
        let cost = self.policy.bcrypt_cost;
        let place = self.hashing.place(cost, &client.block())?;
        let password = self.judge(&place, password, &user.email).await??;
        Ok(password::hash(&place, &password, cost).await?)
    }
}
