//! Accounts, and what their owners may do with them.

use entity::user;

use super::{
    Auth, Client, CurrentSession, DbError, HashingError, LetterKind, PasswordError, PasswordHash,
    Session, SignedIn, ThrottleError, Token, TokenKind, WeakPassword,
    credentials::stored_hash,
    hashing::Place,
    mails::NewLetter,
    password::{self, Password},
};
use crate::db::Value;

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The session has ended meanwhile.
    #[error("not signed in")]
    NotSignedIn,
    /// What was given as the current password is not.
    #[error("wrong password")]
    WrongPassword,
    /// There were too many guesses.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The new password can be nobody's.
    #[error(transparent)]
    InvalidPassword(#[from] PasswordError),
    /// The new password is not good enough.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// The password could not be hashed: too much to do, most likely.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for ChangePasswordError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::NotSignedIn,
            err => Self::Db(err),
        }
    }
}

/// Why an account was not closed.
#[derive(Debug, thiserror::Error)]
pub enum DeleteUserError {
    /// The account is gone, and its sessions with it.
    #[error("not signed in")]
    NotSignedIn,
    /// It is too long since the password was given.
    #[error("the password was not given in the last 10 minutes")]
    SignInAgain,
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for DeleteUserError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::NotSignedIn,
            err => Self::Db(err),
        }
    }
}

impl Auth {
    /// Changes the password of the caller, who gives the current one. All other sessions end; this one goes on with a new
    /// token, and the old one opens nothing. A sign-in with the old password that is under way fails.
    ///
    /// # Errors
    /// [`ChangePasswordError`]; nothing was changed then, except that after [`ChangePasswordError::Db`] with an error that
    /// is temporary everything may be.
    pub async fn change_password(
        &self,
        current: &CurrentSession,
        current_password: &str,
        new_password: &str,
        client: &Client,
    ) -> Result<SignedIn, ChangePasswordError> {
        Password::parse(new_password)?.check_length(self.policy)?;
        // Two hashes: as much as one of the next cost.
        let place = self.hashing.place(self.policy.bcrypt_cost + 1)?;
        let guess = self.count_guess(&current.user.email, client).await?;
        let hash = self
            .hash_instead(&place, &current.user, current_password, new_password)
            .await;
        let hash = match hash {
            Ok(hash) => hash,
            Err(ChangePasswordError::WrongPassword) => {
                self.guess_was_wrong(guess).await?;
                return Err(ChangePasswordError::WrongPassword);
            }
            // The password was right, or nobody knows.
            Err(err) => {
                self.guess_was_not_judged(guess).await;
                return Err(err);
            }
        };
        let (id, user_id) = (current.session.id, current.user.id);
        let token = Token::generate(TokenKind::Session);
        let token_digest = token.digest();
        let tx = self.db.begin().await?;
        let user = tx.lock_user(user_id).await?;
        self.guess_was_right(&tx, guess).await?;
        // Had the password been changed meanwhile, this session would have ended, or have another token already.
        tx.renew_session(id, current.token_digest.as_str(), token_digest.as_str())
            .await?;
        tx.delete_sessions(user_id, Some(id)).await?;
        tx.delete_email_verifications(user_id).await?;
        let nothing = Value::from(None::<String>);
        let changes = [
            ("hashed_password", Value::from(hash.as_str())),
            ("session_id", id.to_string().into()),
            ("reset_token", nothing.clone()),
            ("reset_token_expires_at", nothing),
        ];
        tx.update_user(user_id, changes).await?;
        let kind = LetterKind::PasswordChanged;
        let letter = NewLetter::about(&user, kind, client.language);
        self.tell(&tx, &user, letter).await?;
        let (session, user) = tx.find_session(token_digest.as_str()).await?;
        tx.commit().await?;
        self.posted.notify_one();
        let current = CurrentSession {
            session: Session::of(session, self.policy),
            user,
            token_digest,
        };
        Ok(SignedIn { current, token })
    }

    /// Hashes a new password for somebody who knows the current one.
    async fn hash_instead(
        &self,
        place: &Place,
        user: &user::Model,
        current_password: &str,
        new_password: &str,
    ) -> Result<PasswordHash, ChangePasswordError> {
        let new = Password::parse(new_password)?;
        let stored = stored_hash(user);
        let matched = self.matches(place, current_password, stored.as_ref());
        if matched.await?.is_none() {
            return Err(ChangePasswordError::WrongPassword);
        }
        let new = self.judge(place, new, &user.email).await??;
        Ok(password::hash(place, &new, self.policy.bcrypt_cost).await?)
    }

    /// Closes the account of the caller, who has given the password in the last 10 minutes. All that hangs on it is gone.
    ///
    /// # Errors
    /// [`DeleteUserError`].
    pub async fn delete_user(&self, current: &CurrentSession) -> Result<(), DeleteUserError> {
        if !current.session.is_fresh(self.db.clock().now()) {
            return Err(DeleteUserError::SignInAgain);
        }
        let tx = self.db.begin().await?;
        let user = tx.lock_user(current.user.id).await?;
        tx.delete_user(user.id).await?;
        let kind = LetterKind::PasswordReset.as_str();
        tx.delete_mails_to(kind, &user.email).await?;
        Ok(tx.commit().await?)
    }
}
