//! How an account gets another address, and how its owner gets the former one back.

use chrono::TimeDelta;
use entity::{one_time_token, user};
use uuid::Uuid;

use super::{
    Auth, Client, CurrentSession, DbError, Email, EmailError, HashingError, Language, LetterKind,
    ThrottleError, Token, TokenKind, VerifyEmailError,
    credentials::{ConfirmError, Confirmed},
    event::Event,
    mails::NewLetter,
    throttle::{Action, Allowance},
};
use crate::db::{Transaction, Value};

/// How long a change can be taken back by the email to the former address.
const UNDO: TimeDelta = TimeDelta::days(7);

/// What a one-time token for that is for. Its data is the former address.
const UNDO_PURPOSE: &str = "undo-email-change";

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

/// Why no change of an address was taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoEmailChangeError {
    /// The token is unknown, used, or too old, or an older change was taken back.
    #[error("this token is not good, or not any more")]
    InvalidToken,
    /// Another account has the former address by now, and has verified it. The token stays good.
    #[error("User {0} already exists")]
    AlreadyExists(String),
    /// There were too many tokens that were no good.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for UndoEmailChangeError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::InvalidToken,
            err => Self::Db(err),
        }
    }
}

impl Auth {
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
        let throttle = &self.throttle;
        throttle.count_action(Action::AskForLetter, client).await?;
        let user = current.user.clone();
        let address = Some(&*current.user.email);
        let confirmed = self.guess(address, password, Some(user), client).await?;
        let Some(Confirmed { tx, user, .. }) = confirmed else {
            let user_id = Some(current.user.id);
            Event::PasswordRefused { user_id }.log(&client.network());
            return Err(ChangeEmailError::WrongPassword);
        };
        let language = client.language;
        let is_other = email.as_str() != user.email;
        let whose = Allowance::Strangers;
        if is_other {
            // Of both addresses at once: two who change to each other's would wait for each other.
            let both = [email.as_str(), &user.email];
            throttle.hold_letters(&tx, &both, whose, client).await?;
        }
        if is_other
            && !throttle
                .allows_letter(&tx, email.as_str(), whose, client)
                .await?
        {
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
            self.tell(&tx, &user, letter, client).await?;
        }
        tx.commit().await?;
        self.posted.notify_one();
        let (user_id, session_id) = (user.id, current.session.id);
        let requested = Event::EmailChangeRequested {
            user_id,
            session_id,
        };
        requested.log(&client.network());
        Ok(())
    }

    /// Gives an account another address, to which a letter arrived. What was mailed to the old one is good for nothing then, but
    /// for one email more, by which the change can be taken back: where it was verified. An address that never was may be a
    /// stranger's, and mistyped.
    pub(super) async fn change_email(
        &self,
        tx: &Transaction,
        user: &user::Model,
        email: &str,
        language: Language,
    ) -> Result<(), VerifyEmailError> {
        let now = self.db.clock().now();
        tx.delete_email_verifications(user.id).await?;
        let nothing = Value::from(None::<String>);
        let changes = [
            ("email", Value::from(email)),
            ("email_verified_at", now.into()),
            ("reset_token", nothing.clone()),
            ("reset_token_expires_at", nothing),
        ];
        match tx.update_user(user.id, changes).await {
            Err(DbError::Conflict(_)) => {
                return Err(VerifyEmailError::AlreadyExists(email.to_owned()));
            }
            outcome => outcome?,
        }
        if user.email_verified_at.is_some() {
            let id = Uuid::new_v4();
            tx.add_one_time_token(one_time_token::Model {
                id,
                purpose: UNDO_PURPOSE.to_owned(),
                token_digest: None,
                user_id: Some(user.id),
                data: user.email.clone(),
                tries: 0,
                created_at: now,
                expires_at: Some(now + UNDO),
            })
            .await?;
            let letter = NewLetter {
                subject_id: Some(id),
                ..NewLetter::about(user, LetterKind::EmailChanged, language)
            };
            Self::post(tx, letter).await?;
        }
        Ok(())
    }

    /// A new token by which a change of an address is taken back, and how long it is good; nothing where it can't be any more.
    pub(super) async fn undo_token_for(
        &self,
        id: Option<Uuid>,
    ) -> Result<Option<(Token, std::time::Duration)>, DbError> {
        let Some(id) = id else {
            return Ok(None);
        };
        let token = Token::generate(TokenKind::EmailChangeUndo);
        let digest = token.digest();
        match self.db.set_one_time_token(id, digest.as_str()).await {
            Ok(()) => Ok(Some((token, UNDO.to_std().unwrap_or_default()))),
            Err(DbError::NoResultFound) => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Takes a change of an account's address back, for the reader of the email to the former one: that is the account's again,
    /// and verified. Every session ends, waiting changes and tokens are dead, and no network is known any more. The password
    /// stays.
    ///
    /// An account that was opened with the former address meanwhile, and never verified, is deleted.
    ///
    /// Of several changes each can be taken back; what an older email undoes, a newer one does not bring back.
    ///
    /// # Errors
    /// [`UndoEmailChangeError`].
    pub async fn undo_email_change(
        &self,
        token: &str,
        client: &Client,
    ) -> Result<(), UndoEmailChangeError> {
        let outcome = self.undo(token, client).await;
        match &outcome {
            Ok(user_id) => {
                let user_id = *user_id;
                Event::EmailChangeUndone { user_id }.log(&client.network());
            }
            Err(UndoEmailChangeError::InvalidToken) => {
                self.throttle.token_was_wrong(client).await?;
            }
            Err(_) => {}
        }
        outcome.map(drop)
    }

    async fn undo(&self, token: &str, client: &Client) -> Result<i64, UndoEmailChangeError> {
        let token = Token::parse(TokenKind::EmailChangeUndo, token)
            .ok_or(UndoEmailChangeError::InvalidToken)?;
        let digest = token.digest();
        let found = self
            .db
            .find_one_time_token(UNDO_PURPOSE, digest.as_str())
            .await?;
        let user_id = found.user_id.ok_or(UndoEmailChangeError::InvalidToken)?;
        let address = &*found.data;
        let others = match self.db.find_user_by([("email", address)]).await {
            Ok(other) => Some(other.id),
            Err(DbError::NoResultFound) => None,
            Err(err) => return Err(err.into()),
        };
        let tx = self.db.begin().await?;
        let locked = tx.lock_users(others.into_iter().chain([user_id])).await?;
        let (user, mut others): (Vec<_>, Vec<_>) =
            locked.into_iter().partition(|user| user.id == user_id);
        // It may have another address since.
        others.retain(|other| other.email == address);
        let user = user
            .into_iter()
            .next()
            .ok_or(UndoEmailChangeError::InvalidToken)?;
        for other in &others {
            if other.email_verified_at.is_some() {
                return Err(UndoEmailChangeError::AlreadyExists(found.data));
            }
            // Opened by somebody who never showed that the address is theirs: perhaps to stop this.
            Self::erase(&tx, other).await?;
        }
        tx.spend_one_time_token(UNDO_PURPOSE, digest.as_str())
            .await?;
        // Those of older changes stay: else whoever made the newer one could take the owner's right away.
        tx.delete_one_time_tokens(user.id, UNDO_PURPOSE, found.created_at)
            .await?;
        tx.delete_sessions(user.id, None).await?;
        tx.delete_email_verifications(user.id).await?;
        tx.delete_known_clients(user.id).await?;
        let nothing = Value::from(None::<String>);
        let changes = [
            ("email", Value::from(&*found.data)),
            ("email_verified_at", self.db.clock().now().into()),
            ("session_id", nothing.clone()),
            ("reset_token", nothing.clone()),
            ("reset_token_expires_at", nothing),
        ];
        match tx.update_user(user.id, changes).await {
            Err(DbError::Conflict(_)) => {
                return Err(UndoEmailChangeError::AlreadyExists(found.data));
            }
            outcome => outcome?,
        }
        self.throttle.forget_resets(&tx, &found.data).await?;
        tx.commit().await?;
        for other in others {
            let (user_id, reason) = (other.id, "refused by the owner of the address");
            Event::UserDeleted { user_id, reason }.log(&client.network());
        }
        Ok(user.id)
    }
}
