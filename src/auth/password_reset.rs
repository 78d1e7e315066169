//! A password that is forgotten: a letter with a link, and a new password for whoever has it.

use super::{
    Auth, Client, DbError, Email, EmailError, HashingError, LetterKind, PasswordError,
    ThrottleError, Token, TokenKind, WeakPassword,
    mails::NewLetter,
    password::{self, Password},
    throttle::Deed,
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
    /// not said either, and the last one stays good.
    ///
    /// # Errors
    /// [`RequestResetError`].
    pub async fn request_password_reset(
        &self,
        email: &str,
        client: &Client,
    ) -> Result<(), RequestResetError> {
        let email = Email::parse(email)?;
        self.count_deed(Deed::AskForLetter, client).await?;
        let whose = self.allowance_of_reset(email.as_str(), client).await?;
        let tx = self.db.begin().await?;
        if !self.allows_letter(&tx, email.as_str(), whose).await? {
            return Ok(());
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
            self.token_was_wrong(client).await?;
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
        let is_good = |user: &entity::user::Model| {
            user.reset_token.as_deref() == Some(digest.as_str())
                && user
                    .reset_token_expires_at
                    .is_some_and(|end| self.db.clock().now() < end)
        };
        let user = self
            .db
            .find_user_by([("reset_token", digest.as_str())])
            .await?;
        if !is_good(&user) {
            return Err(ResetPasswordError::InvalidToken);
        }
        let password = Password::parse(new_password)?;
        password.check_length(self.policy)?;
        let cost = self.policy.bcrypt_cost;
        let hash = {
            let place = self.hashing.place(cost, &client.network())?;
            let password = self.judge(&place, password, &user.email).await??;
            password::hash(&place, &password, cost).await?
        };
        let tx = self.db.begin().await?;
        let user = tx.lock_user(user.id).await?;
        if !is_good(&user) {
            return Err(ResetPasswordError::InvalidToken);
        }
        tx.delete_sessions(user.id, None).await?;
        tx.delete_email_verifications(user.id).await?;
        Self::forget_guesses(&tx, &user.email).await?;
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
        Ok(())
    }
}
