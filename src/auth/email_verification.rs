//! Addresses: whose they are, shown by a letter that arrived; and how an account gets another.

use entity::{email_verification, user};
use uuid::Uuid;

use super::{
    Auth, Client, CurrentSession, DbError, Email, EmailError, HashingError, Language, LetterKind,
    ThrottleError, Token, TokenKind,
    credentials::{ConfirmError, Confirmed, stored_hash},
    mails::NewLetter,
    throttle::{Allowance, Deed},
};
use crate::db::{Transaction, Value};

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

/// Why no change of an address was begun.
#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    /// The address is none that an account can have.
    #[error(transparent)]
    InvalidEmail(#[from] EmailError),
    /// What was given as the password is not.
    #[error("wrong password")]
    WrongPassword,
    /// There were too many guesses, or requests for letters.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The password could not be compared: too much to do, most likely.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<ConfirmError> for ChangeEmailError {
    fn from(err: ConfirmError) -> Self {
        match err {
            ConfirmError::Throttle(err) => err.into(),
            ConfirmError::Hashing(err) => err.into(),
            ConfirmError::Db(err) => err.into(),
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
    async fn await_letter(
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
        self.count_deed(Deed::AskForLetter, client).await?;
        let tx = self.db.begin().await?;
        let user = tx.lock_user(current.user.id).await?;
        if user.email_verified_at.is_some() {
            return Ok(false);
        }
        let whose = Allowance::Owners;
        if self.allows_letter(&tx, &user.email, whose).await? {
            Self::await_verification(&tx, &user, client.language).await?;
            tx.commit().await?;
            self.posted.notify_one();
        }
        Ok(true)
    }

    /// Begins to give the caller's account another address: a letter with a link goes to the new one, and one that tells of it
    /// to the old. Nothing changes until the link is used. A newer request replaces an older one; one for the address that
    /// the account has takes the older one back.
    ///
    /// Where the new address is another account's, its owner is told so instead, and the caller learns nothing of it.
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
        self.count_deed(Deed::AskForLetter, client).await?;
        let user = current.user.clone();
        let address = &*current.user.email;
        let confirmed = self.guess(address, password, Some(user), client).await?;
        let Some(Confirmed { tx, user, .. }) = confirmed else {
            return Err(ChangeEmailError::WrongPassword);
        };
        let language = client.language;
        let is_other = email.as_str() != user.email;
        let whose = Allowance::Strangers;
        if is_other {
            // Of both addresses at once: two who change to each other's would wait for each other.
            let both = [email.as_str(), &user.email];
            self.hold_letters(&tx, &both, whose).await?;
        }
        if is_other && !self.allows_letter(&tx, email.as_str(), whose).await? {
            // The last letter stays good. That the password was right is to be remembered all the same.
            return Ok(tx.commit().await?);
        }
        tx.delete_email_changes(&user).await?;
        if is_other {
            let letter = NewLetter {
                recipient: email.as_str(),
                ..NewLetter::about(&user, LetterKind::EmailChange, language)
            };
            Self::await_letter(&tx, &user, letter).await?;
            let kind = LetterKind::EmailChangeRequested;
            let letter = NewLetter::about(&user, kind, language);
            self.tell(&tx, &user, letter).await?;
        }
        tx.commit().await?;
        self.posted.notify_one();
        Ok(())
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
            self.token_was_wrong(client).await?;
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
        if verification.email == user.email {
            let verified_at = user.email_verified_at.unwrap_or(now);
            tx.update_user(user_id, [("email_verified_at", verified_at)])
                .await?;
        } else {
            self.change_email(&tx, &user, &verification.email).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Gives an account another address, to which a letter arrived. What was mailed to the old one is good for nothing then.
    async fn change_email(
        &self,
        tx: &Transaction,
        user: &user::Model,
        email: &str,
    ) -> Result<(), VerifyEmailError> {
        tx.delete_email_verifications(user.id).await?;
        let nothing = Value::from(None::<String>);
        let changes = [
            ("email", Value::from(email)),
            ("email_verified_at", self.db.clock().now().into()),
            ("reset_token", nothing.clone()),
            ("reset_token_expires_at", nothing),
        ];
        match tx.update_user(user.id, changes).await {
            Err(DbError::Conflict(_)) => Err(VerifyEmailError::AlreadyExists(email.to_owned())),
            outcome => Ok(outcome?),
        }
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
        let outcome = self.refuse(token).await;
        if matches!(outcome, Err(RefuseError::InvalidToken)) {
            self.token_was_wrong(client).await?;
        }
        outcome
    }

    async fn refuse(&self, token: &str) -> Result<(), RefuseError> {
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
            let kind = LetterKind::PasswordReset.as_str();
            tx.delete_mails_to(kind, &user.email).await?;
            tx.delete_user(user.id).await?;
        }
        Ok(tx.commit().await?)
    }
}
