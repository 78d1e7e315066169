//! Addresses: whose they are, shown by a letter that arrived.

use entity::{email_verification, user};
use uuid::Uuid;

use super::{
    Auth, Client, CurrentSession, DbError, HashingError, Language, LetterKind, ThrottleError,
    Token, TokenKind,
    credentials::{ConfirmError, stored_hash},
    event::Event,
    mails::NewLetter,
    throttle::{Action, Allowance},
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
    /// There is an account with this address by now.
    #[error("User {0} already exists")]
    AlreadyExists(String),
    /// There were too many guesses, or tokens that were no good.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The password could not be compared: too much to do, most likely.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<ConfirmError> for VerifyEmailError {
    fn from(err: ConfirmError) -> Self {
        match err {
            ConfirmError::Throttle(err) => err.into(),
            ConfirmError::Hashing(err) => err.into(),
            ConfirmError::Db(err) => err.into(),
        }
    }
}

impl From<DbError> for VerifyEmailError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::InvalidToken,
            err => Self::Db(err),
        }
    }
}

/// Why no letter was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RequestVerificationError {
    /// The account is gone, and its sessions with it.
    #[error("not signed in")]
    NotSignedIn,
    /// There were too many requests for letters.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for RequestVerificationError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::NotSignedIn,
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
    /// There were too many tokens that were no good.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
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
    /// Writes down, in a transaction, that the address of a user is to be verified. Earlier letters are dead.
    pub(super) async fn await_verification(
        tx: &Transaction,
        user: &user::Model,
        language: Language,
    ) -> Result<(), DbError> {
        tx.delete_verifications_of_address(user).await?;
        let kind = LetterKind::EmailVerification;
        Self::await_letter(tx, user, NewLetter::about(user, kind, language)).await
    }

    /// Writes down a verification, and the letter with its token.
    pub(super) async fn await_letter(
        tx: &Transaction,
        user: &user::Model,
        letter: NewLetter<'_>,
    ) -> Result<(), DbError> {
        let id = Uuid::new_v4();
        tx.add_email_verification(email_verification::Model {
            id,
            user_id: user.id,
            email: letter.recipient.to_owned(),
            token_digest: None,
            token_expires_at: None,
            created_at: tx.clock().now(),
        })
        .await?;
        let subject_id = Some(id);
        Self::post(
            tx,
            NewLetter {
                subject_id,
                ..letter
            },
        )
        .await
    }

    /// Has the letter with the link sent again; earlier ones are dead then. Says whether that is necessary: not when the
    /// address is verified already. Past so many an hour nothing is sent, and the last one stays good.
    ///
    /// # Errors
    /// [`RequestVerificationError`].
    pub async fn request_verification(
        &self,
        current: &CurrentSession,
        client: &Client,
    ) -> Result<bool, RequestVerificationError> {
        let throttle = &self.throttle;
        throttle.count_action(Action::AskForLetter, client).await?;
        let tx = self.db.begin().await?;
        let user = tx.lock_user(current.user.id).await?;
        if user.email_verified_at.is_some() {
            return Ok(false);
        }
        let whose = Allowance::Owners;
        if throttle
            .allows_letter(&tx, &user.email, whose, client)
            .await?
        {
            Self::await_verification(&tx, &user, client.language).await?;
            tx.commit().await?;
            self.posted.notify_one();
        }
        Ok(true)
    }

    /// Does what the letter with this token was about: verifies the address of an account, gives it another one, or makes a
    /// registration an account. It is for whoever has, besides, a session or the password of the account: who only reads the
    /// mail can't confirm what somebody else began.
    ///
    /// # Errors
    /// [`VerifyEmailError`]; nothing was changed then, except that after [`VerifyEmailError::Db`] with an error that is
    /// temporary everything may be.
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
        let verification = self.db.find_email_verification(digest.as_str()).await?;
        let user_id = verification.user_id;
        let user = self.db.find_user_by([("id", user_id)]).await?;
        match password {
            Some(password) => {
                let stored = stored_hash(&user);
                let verdict = self
                    .guess_hash(&user.email, password, stored, client)
                    .await?;
                if !verdict.is_right {
                    let user_id = Some(user_id);
                    Event::PasswordRefused { user_id }.log(&client.network());
                    return Err(VerifyEmailError::WrongPassword);
                }
            }
            None if current.is_some_and(|current| current.user.id == user_id) => {}
            None => return Err(VerifyEmailError::NotSignedIn),
        }
        let tx = self.db.begin().await?;
        let user = tx.lock_user(user_id).await?;
        // Had the password or the address been changed meanwhile, the token would be dead, and be found dead here.
        tx.spend_email_verification(digest.as_str()).await?;
        let now = self.db.clock().now();
        let event = if verification.email == user.email {
            let verified_at = user.email_verified_at.unwrap_or(now);
            tx.update_user(user_id, [("email_verified_at", verified_at)])
                .await?;
            Event::EmailVerified { user_id }
        } else {
            self.change_email(&tx, &user, &verification.email, client.language)
                .await?;
            Event::EmailChanged { user_id }
        };
        tx.commit().await?;
        self.posted.notify_one();
        event.log(&client.network());
        Ok(())
    }

    /// "This was not me", for whoever reads the mail of an address: ends what somebody else began with it. That is the account
    /// that was opened with it and was never verified, the registration that waits, or the change of an account's address
    /// to it, and then the account stays as it is.
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
            return Ok(self.db.spend_registration(token.digest().as_str()).await?);
        }
        let token =
            Token::parse(TokenKind::EmailVerification, token).ok_or(RefuseError::InvalidToken)?;
        let digest = token.digest();
        let verification = self.db.find_email_verification(digest.as_str()).await?;
        let tx = self.db.begin().await?;
        let user = tx.lock_user(verification.user_id).await?;
        tx.spend_email_verification(digest.as_str()).await?;
        if verification.email == user.email {
            if user.email_verified_at.is_some() {
                return Err(RefuseError::InvalidToken);
            }
            Self::erase(&tx, &user).await?;
            tx.commit().await?;
            let (user_id, reason) = (user.id, "refused by the owner of the address");
            Event::UserDeleted { user_id, reason }.log(&client.network());
            return Ok(());
        }
        Ok(tx.commit().await?)
    }
}
