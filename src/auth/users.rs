//! Accounts: who gets one, and what its owner may do with it.

use chrono::{DateTime, Utc};
use entity::{session, user};

use super::{
    Auth, CurrentSession, DbError, Email, EmailError, HashingError, Language, PasswordError,
    PasswordHash, Session, SignedIn, Token, TokenKind, WeakPassword,
    password::{self, Password},
    sessions::stored_hash,
};
use crate::db::Value;

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The address is none that an account can have.
    #[error(transparent)]
    InvalidEmail(#[from] EmailError),
    /// The password can be nobody's.
    #[error(transparent)]
    InvalidPassword(#[from] PasswordError),
    /// The password is not good enough.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// There is an account with this address.
    #[error("User {0} already exists")]
    AlreadyExists(Email),
    /// The password could not be hashed: too much to do, most likely.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The session has ended meanwhile.
    #[error("not signed in")]
    NotSignedIn,
    /// What was given as the current password is not.
    #[error("wrong password")]
    WrongPassword,
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

/// Everything that is kept about somebody. Whoever shows it leaves out hashes and digests.
#[derive(Clone, Debug)]
pub struct Export {
    /// When it was put together.
    pub exported_at: DateTime<Utc>,
    /// The account.
    pub user: user::Model,
    /// Its sessions, those included that are over and not swept yet; the newest first.
    pub sessions: Vec<session::Model>,
}

impl Auth {
    /// Opens an account for whoever gives an address that has none, and a password that the policy
    /// accepts.
    ///
    /// The address is kept in its canonical form. Of any number of calls for one address at once,
    /// one succeeds. The account is durable when this returns, and so is the request for the letter that verifies the address.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing was changed then, except that after [`RegisterError::Db`] with an error
    /// that is temporary the account may be there.
    pub async fn register_user(
        &self,
        email: &str,
        password: &str,
    ) -> Result<user::Model, RegisterError> {
        let language = Language::default();
        self.register_user_in(email, password, language).await
    }

    /// The same for somebody who is written to in another language than English.
    ///
    /// # Errors
    /// Those of [`Auth::register_user`].
    pub async fn register_user_in(
        &self,
        email: &str,
        password: &str,
        language: Language,
    ) -> Result<user::Model, RegisterError> {
        let email = Email::parse(email)?;
        let password = Password::parse(password)?;
        password.check_length(self.policy)?;
        // Spares the hash where the address is taken or the database is down. Who is first is decided
        // below, by the unique constraint.
        match self.db.find_user_by([("email", email.as_str())]).await {
            Ok(_) => return Err(RegisterError::AlreadyExists(email)),
            Err(DbError::NoResultFound) => {}
            Err(err) => return Err(RegisterError::Db(err)),
        }
        let hash = {
            let (policy, email) = (self.policy, email.clone());
            let hash = move || -> Result<_, RegisterError> {
                password.check_guessability(policy, email.as_str())?;
                Ok(password::hash(&password, policy.bcrypt_cost)?)
            };
            self.hashing.run(self.policy.bcrypt_cost, hash).await??
        };
        let tx = self.db.begin().await.map_err(RegisterError::Db)?;
        let user = match tx.add_user(email.as_str(), hash.as_str()).await {
            Ok(user) => user,
            Err(DbError::Conflict(_)) => return Err(RegisterError::AlreadyExists(email)),
            Err(err) => return Err(RegisterError::Db(err)),
        };
        self.await_verification(&tx, &user, language)
            .await
            .map_err(RegisterError::Db)?;
        tx.commit().await.map_err(RegisterError::Db)?;
        self.posted.notify_one();
        Ok(user)
    }

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
        language: Language,
    ) -> Result<SignedIn, ChangePasswordError> {
        Password::parse(new_password)?.check_length(self.policy)?;
        let hash = self
            .hash_instead(&current.user, current_password, new_password)
            .await?;
        let (id, user_id) = (current.session.id, current.user.id);
        let token = Token::generate(TokenKind::Session);
        let token_digest = token.digest();
        let tx = self.db.begin().await?;
        let user = tx.lock_user(user_id).await?;
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
        Self::post_password_changed(&tx, &user, language).await?;
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
        user: &user::Model,
        current_password: &str,
        new_password: &str,
    ) -> Result<PasswordHash, ChangePasswordError> {
        let current = Password::parse(current_password).ok();
        let new = Password::parse(new_password)?;
        let stored = stored_hash(user);
        let (policy, address) = (self.policy, user.email.clone());
        let cost = policy.bcrypt_cost;
        let job = move || {
            if !password::verify(current.as_ref(), stored.as_ref(), cost) {
                return Err(ChangePasswordError::WrongPassword);
            }
            new.check_guessability(policy, &address)?;
            Ok(password::hash(&new, cost)?)
        };
        // Two hashes: as much as one of the next cost.
        self.hashing.run(cost + 1, job).await?
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
        tx.delete_user(current.user.id).await?;
        tx.delete_mails_to(&current.user.email).await?;
        Ok(tx.commit().await?)
    }

    /// Everything that is kept about the caller.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn export(&self, current: &CurrentSession) -> Result<Export, DbError> {
        Ok(Export {
            exported_at: self.db.clock().now(),
            user: current.user.clone(),
            sessions: self.db.find_sessions(current.user.id).await?,
        })
    }
}
