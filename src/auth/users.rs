//! Accounts, and what their owners may do with them.

use entity::user;

use super::{
    Auth, Client, CurrentSession, DbError, HashingError, LetterKind, PasswordError, PasswordHash,
    Session, SignedIn, ThrottleError, Token, TokenKind, WeakPassword,
    credentials::stored_hash,
    event::Event,
    mails::NewLetter,
    name::{Name, NameError},
    password::{self, Password},
};
use crate::db::{Transaction, Value};

/// How many accounts are removed at once.
const SWEEP: u64 = 100;

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

/// Why a name was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetNameError {
    /// The session has ended meanwhile.
    #[error("not signed in")]
    NotSignedIn,
    /// The text is no name that an account can have.
    #[error(transparent)]
    InvalidName(#[from] NameError),
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for SetNameError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::NotSignedIn,
            err => Self::Db(err),
        }
    }
}

/// Why something was not done that needs a fresh session.
#[derive(Debug, thiserror::Error)]
pub enum FreshSessionError {
    /// The session has ended meanwhile.
    #[error("not signed in")]
    NotSignedIn,
    /// It is too long since the password was given.
    #[error("the password was not given in the last 10 minutes")]
    SignInAgain,
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for FreshSessionError {
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
        let block = client.block();
        self.hashing.has_room(&block)?;
        let (id, user_id) = (current.session.id, current.user.id);
        let address = Some(&*current.user.email);
        let attempt = self.throttle.begin_attempt(address, client).await?;
        let choice = match self.throttle.begin_choice(&id.to_string(), client).await {
            Ok(choice) => choice,
            Err(err) => {
                attempt.was_not_judged().await;
                return Err(err.into());
            }
        };
        let hash = self
            .hash_instead(&block, &current.user, current_password, new_password)
            .await;
        if !matches!(hash, Err(ChangePasswordError::WeakPassword(_))) {
            choice.was_not_refused().await;
        }
        let hash = match hash {
            Ok(hash) => hash,
            Err(ChangePasswordError::WrongPassword) => {
                let user_id = Some(user_id);
                Event::PasswordRefused { user_id }.log(&client.network());
                attempt.was_wrong().await?;
                return Err(ChangePasswordError::WrongPassword);
            }
            // The password was right, or was not judged.
            Err(err) => {
                attempt.was_not_judged().await;
                return Err(err);
            }
        };
        let token = Token::generate(TokenKind::Session);
        let token_digest = token.digest();
        let tx = self.db.begin().await?;
        let user = tx.lock_user(user_id).await?;
        attempt.was_right(&tx).await?;
        // Had the password been changed meanwhile, this session would have ended, or have another token already.
        tx.renew_session(id, current.token_digest.as_str(), token_digest.as_str())
            .await?;
        tx.delete_sessions(user_id, Some(id)).await?;
        tx.delete_email_verifications(user_id).await?;
        // Somebody else who knew the password may have signed in from the others. After the sessions: one that is in use
        // makes its network known.
        tx.delete_known_clients(user_id).await?;
        self.remember_client(&tx, &user, client).await?;
        let nothing = Value::from(None::<String>);
        let changes = [
            ("hashed_password", Value::from(hash.as_str())),
            ("session_id", id.to_string().into()),
            ("reset_token", nothing.clone()),
            ("reset_token_expires_at", nothing),
        ];
        tx.update_user(user_id, changes).await?;
        self.throttle.forget_resets(&tx, &user.email).await?;
        let kind = LetterKind::PasswordChanged;
        let letter = NewLetter::about(&user, kind, client.language);
        self.tell(&tx, &user, letter, client).await?;
        let (session, user) = tx.find_session(token_digest.as_str()).await?;
        tx.commit().await?;
        self.posted.notify_one();
        let session_id = id;
        let event = Event::PasswordChanged {
            user_id,
            session_id,
        };
        event.log(&client.network());
        let current = CurrentSession {
            session: Session::of(session, self.policy),
            user,
            ip: client.ip,
            token_digest,
        };
        Ok(SignedIn { current, token })
    }

    /// Hashes a new password for somebody who knows the current one.
    async fn hash_instead(
        &self,
        block: &str,
        user: &user::Model,
        current_password: &str,
        new_password: &str,
    ) -> Result<PasswordHash, ChangePasswordError> {
        let new = Password::parse(new_password)?;
        let stored = stored_hash(user);
        // Two hashes are as much as one of the next cost.
        let cost = self.policy.bcrypt_cost;
        let place = self.hashing.place(cost + 1, block)?;
        let matched = self.matches(&place, current_password, stored.as_ref());
        if matched.await?.is_none() {
            return Err(ChangePasswordError::WrongPassword);
        }
        let new = self.judge(&place, new, &user.email).await??;
        Ok(password::hash(&place, &new, cost).await?)
    }

    /// Sets the name of the caller, or removes it, and returns the account as it is then.
    ///
    /// # Errors
    /// [`SetNameError`].
    pub async fn set_name(
        &self,
        current: &CurrentSession,
        name: Option<&str>,
    ) -> Result<user::Model, SetNameError> {
        let name = name.map(Name::parse).transpose()?.map(Name::into_string);
        let (tx, mut user) = self.begin_as(current).await?;
        if user.name != name {
            tx.update_user(user.id, [("name", name.clone())]).await?;
            user.name = name;
        }
        tx.commit().await?;
        Ok(user)
    }

    /// Closes the account of the caller, who has given the password in the last 10 minutes. All that hangs on it is gone.
    ///
    /// # Errors
    /// [`FreshSessionError`].
    pub async fn delete_user(&self, current: &CurrentSession) -> Result<(), FreshSessionError> {
        let (tx, user) = self.begin_fresh(current).await?;
        Self::erase(&tx, &user).await?;
        tx.commit().await?;
        let (user_id, reason) = (user.id, "closed by its owner");
        Event::UserDeleted { user_id, reason }.log(&current.network());
        Ok(())
    }

    /// Begins a transaction for a caller whose session is fresh, and holds on to the user.
    pub(super) async fn begin_fresh(
        &self,
        current: &CurrentSession,
    ) -> Result<(Transaction, user::Model), FreshSessionError> {
        self.check_fresh(current)?;
        Ok(self.begin_as(current).await?)
    }

    /// Begins a transaction for a caller, and holds on to the user.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when the session has ended since the request began.
    async fn begin_as(
        &self,
        current: &CurrentSession,
    ) -> Result<(Transaction, user::Model), DbError> {
        let tx = self.db.begin().await?;
        let user = tx.lock_user(current.user.id).await?;
        tx.find_session(current.token_digest.as_str()).await?;
        Ok((tx, user))
    }

    /// Refuses a caller whose session is not fresh.
    pub(super) fn check_fresh(&self, current: &CurrentSession) -> Result<(), FreshSessionError> {
        if current.session.is_fresh(self.db.clock().now()) {
            Ok(())
        } else {
            Err(FreshSessionError::SignInAgain)
        }
    }

    /// Deletes, in a transaction, an account and all that names its address.
    pub(super) async fn erase(tx: &Transaction, user: &user::Model) -> Result<(), DbError> {
        tx.delete_user(user.id).await?;
        tx.delete_mails_to(&user.email).await?;
        tx.delete_registrations_of(&user.email).await
    }

    /// Removes some of the accounts whose address was never verified and that nobody signed in to for as long as the policy
    /// says, and says whether there may be more. Anybody can open such accounts, with any address.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep_unverified_users(&self) -> Result<bool, DbError> {
        let Some(lifetime) = self.policy.unverified_lifetime else {
            return Ok(false);
        };
        let before = self.db.clock().now() - super::time_delta(lifetime);
        // Most of the time there is none, and then no lock is taken to find that out.
        if self.db.find_unused_users(before, 1).await?.is_empty() {
            return Ok(false);
        }
        let tx = self.db.begin().await?;
        let users = tx.lock_unused_users(before, SWEEP).await?;
        for user in &users {
            Self::erase(&tx, user).await?;
        }
        tx.commit().await?;
        let count = users.len();
        tracing::info!(count, "accounts that were never verified were removed");
        Ok(count as u64 == SWEEP)
    }
}
