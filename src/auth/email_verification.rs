//! Addresses: whose they are, shown by a letter that arrived.

use chrono::{DateTime, Utc};
use entity::{email_verification, user};
use uuid::Uuid;

use super::{
    Auth, CurrentSession, DbError, HashingError, Language, LetterKind, SessionError, Token,
    TokenKind,
};
use crate::db::Transaction;

/// Why an address was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyEmailError {
    /// The token is unknown, used, too old, or not the newest.
    #[error("this token is not good, or not any more")]
    InvalidToken,
    /// Neither a session of the account nor its password was given. The token stays good.
    #[error("not signed in")]
    NotSignedIn,
    /// What was given as the password is not. The token stays good.
    #[error("wrong password")]
    WrongPassword,
    /// The password could not be compared: too much to do, most likely.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for VerifyEmailError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::InvalidToken,
            err => Self::Db(err),
        }
    }
}

/// Why nothing was refused.
#[derive(Debug, thiserror::Error)]
pub enum RefuseError {
    /// The token is unknown, used, too old, or not the newest.
    #[error("this token is not good, or not any more")]
    InvalidToken,
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for RefuseError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::InvalidToken,
            err => Self::Db(err),
        }
    }
}

impl Auth {
    /// Writes down, in a transaction, that a user's address is to be verified.
    pub(super) async fn await_verification(
        &self,
        tx: &Transaction,
        user: &user::Model,
        language: Language,
    ) -> Result<(), DbError> {
        let id = Uuid::new_v4();
        tx.delete_email_verifications(user.id).await?;
        tx.add_email_verification(email_verification::Model {
            id,
            user_id: user.id,
            email: user.email.clone(),
            token_digest: None,
            token_expires_at: None,
            created_at: tx.clock().now(),
        })
        .await?;
        let kind = LetterKind::EmailVerification;
        Self::post(tx, kind, &user.email, language, Some(user.id), Some(id)).await
    }

    /// Has the letter with the link sent again; earlier ones are dead then. Says whether that is necessary: not when the
    /// address is verified already.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn request_verification(
        &self,
        current: &CurrentSession,
        language: Language,
    ) -> Result<bool, SessionError> {
        let tx = self.db.begin().await?;
        let user = tx.lock_user(current.user.id).await?;
        if user.email_verified_at.is_some() {
            return Ok(false);
        }
        self.await_verification(&tx, &user, language).await?;
        tx.commit().await?;
        self.posted.notify_one();
        Ok(true)
    }

    /// Verifies the address to which a token was mailed, for whoever has, besides, a session or the password of the account:
    /// who only reads the mail can't confirm what somebody else began.
    ///
    /// # Errors
    /// [`VerifyEmailError`].
    pub async fn verify_email(
        &self,
        token: &str,
        current: Option<&CurrentSession>,
        password: Option<&str>,
    ) -> Result<DateTime<Utc>, VerifyEmailError> {
        let token = Token::parse(TokenKind::EmailVerification, token)
            .ok_or(VerifyEmailError::InvalidToken)?;
        let digest = token.digest();
        let verification = self.db.find_email_verification(digest.as_str()).await?;
        let user_id = verification.user_id;
        let user = self.db.find_user_by([("id", user_id)]).await?;
        let is_signed_in = current.is_some_and(|current| current.user.id == user_id);
        match password {
            Some(password) => {
                if !self.verify(password, Some(&user)).await?.is_right {
                    return Err(VerifyEmailError::WrongPassword);
                }
            }
            None if is_signed_in => {}
            None => return Err(VerifyEmailError::NotSignedIn),
        }
        let tx = self.db.begin().await?;
        let locked = tx.lock_user(user_id).await?;
        // Had the password been changed meanwhile, the token would be dead, and be found dead here.
        tx.spend_email_verification(digest.as_str()).await?;
        if locked.email != verification.email {
            return Err(VerifyEmailError::InvalidToken);
        }
        let now = self.db.clock().now();
        let verified_at = locked.email_verified_at.unwrap_or(now);
        tx.update_user(user_id, [("email_verified_at", verified_at)])
            .await?;
        tx.commit().await?;
        Ok(verified_at)
    }

    /// "This was not me": closes the account that somebody opened with an address that is not theirs, for whoever reads its
    /// mail. An account that was verified once is not closed by this.
    ///
    /// # Errors
    /// [`RefuseError`].
    pub async fn refuse_verification(&self, token: &str) -> Result<(), RefuseError> {
        let token =
            Token::parse(TokenKind::EmailVerification, token).ok_or(RefuseError::InvalidToken)?;
        let digest = token.digest();
        let verification = self.db.find_email_verification(digest.as_str()).await?;
        let tx = self.db.begin().await?;
        let user = tx.lock_user(verification.user_id).await?;
        tx.spend_email_verification(digest.as_str()).await?;
        if user.email_verified_at.is_some() || user.email != verification.email {
            return Err(RefuseError::InvalidToken);
        }
        tx.delete_mails_to(&user.email).await?;
        tx.delete_user(user.id).await?;
        tx.commit().await?;
        Ok(())
    }
}
