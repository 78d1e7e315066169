//! Registration: who gets an account, and when.

use entity::{registration, user};
use uuid::Uuid;

use super::{
    Auth, Client, DbError, Email, EmailError, HashingError, LetterKind, PasswordError,
    PasswordHash, ThrottleError, Token, VerifyEmailError, WeakPassword,
    event::Event,
    mails::NewLetter,
    password::{self, Password, StoredHash},
    throttle::{Action, Allowance},
};
use crate::{config::RegistrationMode, db::Transaction};

/// What came of a registration.
#[derive(Clone, Debug)]
pub enum Registered {
    /// The account is open.
    Opened(user::Model),
    /// It waits until the letter to its address is answered, if the address has no account yet. Which it is, only the owner
    /// of the address learns.
    Waits,
}

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Nobody registers here: accounts are made by whoever runs the service.
    #[error("registration is closed")]
    Closed,
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
    /// There were too many registrations from this client.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The password could not be hashed: too much to do, most likely.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Auth {
    /// Opens an account for whoever gives an address that has none, and a password that the policy accepts: the door for
    /// whoever may open accounts, whatever the mode of registration.
    ///
    /// The address is kept in its canonical form. Of any number of calls for one address at once,
    /// one succeeds. The account is durable when this returns, and so is the request for the letter that verifies the
    /// address, which is in English.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing was changed then, except that after [`RegisterError::Db`] with an error
    /// that is temporary the account may be there.
    pub async fn register_user(
        &self,
        email: &str,
        password: &str,
    ) -> Result<user::Model, RegisterError> {
        let (email, password) = self.parse(email, password)?;
        self.open_account(email, password, &Client::default()).await
    }

    /// The door for strangers. What comes of it depends on the mode of registration, the policy's:
    ///
    /// - open: as [`Auth::register_user`];
    /// - private: the same for every address, in the same time. A letter goes to it, and the registration waits, with its own
    ///   password, for as long as the token in it is good. Where the address has an account, its owner is told so instead;
    /// - closed: refused.
    ///
    /// # Errors
    /// [`RegisterError`], as [`Auth::register_user`] has them.
    pub async fn register(
        &self,
        email: &str,
        password: &str,
        client: &Client,
    ) -> Result<Registered, RegisterError> {
        let mode = self.policy.registration;
        if mode == RegistrationMode::Closed {
            return Err(RegisterError::Closed);
        }
        self.throttle.count_action(Action::Register, client).await?;
        let (email, password) = self.parse(email, password)?;
        if mode == RegistrationMode::Private {
            self.await_registration(email, password, client).await?;
            Event::Registered { user_id: None }.log(&client.network());
            return Ok(Registered::Waits);
        }
        let user = self.open_account(email, password, client).await?;
        Ok(Registered::Opened(user))
    }

    async fn open_account(
        &self,
        email: Email,
        password: Password,
        client: &Client,
    ) -> Result<user::Model, RegisterError> {
        // Spares the hash where the address is taken or the database is down. Who is first is decided
        // below, by the unique constraint.
        match self.db.find_user_by([("email", email.as_str())]).await {
            Ok(_) => return Err(RegisterError::AlreadyExists(email)),
            Err(DbError::NoResultFound) => {}
            Err(err) => return Err(err.into()),
        }
        let hash = self.hash_of_new(&email, password, client).await?;
        let tx = self.db.begin().await?;
        let user = match tx.add_user(email.as_str(), hash.as_str()).await {
            Ok(user) => user,
            Err(DbError::Conflict(_)) => return Err(RegisterError::AlreadyExists(email)),
            Err(err) => return Err(err.into()),
        };
        let whose = Allowance::Strangers;
        let throttle = &self.throttle;
        if throttle
            .allows_letter(&tx, &user.email, whose, client)
            .await?
        {
            Self::await_verification(&tx, &user, client.language).await?;
        }
        tx.commit().await?;
        self.posted.notify_one();
        let user_id = Some(user.id);
        Event::Registered { user_id }.log(&client.network());
        Ok(user)
    }

    async fn await_registration(
        &self,
        email: Email,
        password: Password,
        client: &Client,
    ) -> Result<(), RegisterError> {
        let hash = self.hash_of_new(&email, password, client).await?;
        let id = Uuid::new_v4();
        let tx = self.db.begin().await?;
        let whose = Allowance::Strangers;
        let throttle = &self.throttle;
        if !throttle
            .allows_letter(&tx, email.as_str(), whose, client)
            .await?
        {
            return Ok(());
        }
        tx.add_registration(registration::Model {
            id,
            email: email.as_str().to_owned(),
            hashed_password: hash.as_str().to_owned(),
            token_digest: None,
            token_expires_at: None,
            created_at: tx.clock().now(),
        })
        .await?;
        let letter = NewLetter {
            subject_id: Some(id),
            ..NewLetter::to(email.as_str(), LetterKind::Registration, client.language)
        };
        Self::post(&tx, letter).await?;
        tx.commit().await?;
        self.posted.notify_one();
        Ok(())
    }

    fn parse(&self, email: &str, password: &str) -> Result<(Email, Password), RegisterError> {
        let email = Email::parse(email)?;
        let password = Password::parse(password)?;
        password.check_length(self.policy)?;
        Ok((email, password))
    }

    /// Hashes the password of a new account, if it is good enough.
    async fn hash_of_new(
        &self,
        email: &Email,
        password: Password,
        client: &Client,
    ) -> Result<PasswordHash, RegisterError> {
        let cost = self.policy.bcrypt_cost;
        let place = self.hashing.place(cost, &client.block())?;
        let password = self.judge(&place, password, email.as_str()).await??;
        Ok(password::hash(&place, &password, cost).await?)
    }

    /// Makes a registration an account, for whoever has both the letter and the password that was given with it.
    pub(super) async fn complete_registration(
        &self,
        token: &Token,
        password: Option<&str>,
        client: &Client,
    ) -> Result<(), VerifyEmailError> {
        if self.policy.registration == RegistrationMode::Closed {
            return Err(VerifyEmailError::InvalidToken);
        }
        let digest = token.digest();
        let waiting = self.db.find_registration(digest.as_str()).await?;
        let password = password.ok_or(VerifyEmailError::NotSignedIn)?;
        let stored = StoredHash::parse(&waiting.hashed_password);
        let verdict = self
            .guess_hash(&waiting.email, password, stored, client)
            .await?;
        if !verdict.is_right {
            Event::PasswordRefused { user_id: None }.log(&client.network());
            return Err(VerifyEmailError::WrongPassword);
        }
        let rehashed = verdict.rehashed.as_ref().map(PasswordHash::as_str);
        let hash = rehashed.unwrap_or(&waiting.hashed_password);
        let tx = self.db.begin().await?;
        tx.spend_registration(digest.as_str()).await?;
        let user = Self::add_verified(&tx, &waiting.email, hash).await;
        match user {
            Err(DbError::Conflict(_)) => Err(VerifyEmailError::AlreadyExists(waiting.email)),
            outcome => {
                let user_id = outcome?;
                tx.commit().await?;
                let registered = Event::Registered {
                    user_id: Some(user_id),
                };
                registered.log(&client.network());
                Ok(())
            }
        }
    }

    async fn add_verified(tx: &Transaction, email: &str, hash: &str) -> Result<i64, DbError> {
        let user = tx.add_user(email, hash).await?;
        tx.update_user(user.id, [("email_verified_at", user.created_at)])
            .await?;
        Ok(user.id)
    }
}
