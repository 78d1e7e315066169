//! Registration: how accounts are opened.

use entity::{registration, user};
use uuid::Uuid;

use super::{
    account::Account,
    client::Client,
    email::{Email, EmailError},
    email_verification::VerifyEmailError,
    event::{Event, NOT_CONFIRMED},
    kernel::Auth,
    passwords::{Password, PasswordError, PasswordHash, StoredHash, WeakPassword},
    policy::RegistrationMode,
    throttle::{Action, Allowance},
    tokens::Token,
    unavailable::{Unavailable, db_error_is_unavailable},
};
use crate::db::{DbError, Transaction};

/// The result of a registration.
#[derive(Clone, Debug)]
pub enum Registered {
    /// The account is open.
    Opened(Account),
    /// The registration is pending until the link in the email is used. The email has no such link if the address
    /// already has an account. Only the owner of the address learns which it is.
    Waits,
}

/// The reason why no account was opened.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Registration is closed: the operator of the service opens accounts.
    #[error("registration is closed")]
    Closed,
    /// The text can't be the address of an account.
    #[error(transparent)]
    InvalidEmail(#[from] EmailError),
    /// The text can't be the password of an account.
    #[error(transparent)]
    InvalidPassword(#[from] PasswordError),
    /// The password is too weak.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// There is an account with this address.
    #[error("User {0} already exists")]
    AlreadyExists(Email),
    /// The operation could not be carried out. After a temporary error of the database, the account may exist.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

db_error_is_unavailable!(RegisterError);

impl Auth {
    /// Opens an account for an address that has none, with a password that the policy accepts. Ignores the mode of
    /// registration: it is for programs that are allowed to open accounts.
    ///
    /// The address is stored in canonical form. Of any number of concurrent calls for one address, one succeeds. When
    /// this returns, the account is durable, and so is the request for the email, in English, that verifies the
    /// address.
    ///
    /// # Errors
    /// [`RegisterError`]. Nothing was changed then, except as [`RegisterError::Unavailable`] says.
    pub async fn register_user(
        &self,
        email: &str,
        password: &str,
    ) -> Result<user::Model, RegisterError> {
        let (email, password) = self.parse(email, password)?;
        self.open_account(email, password, &Client::default()).await
    }

    /// Registers a stranger. The result depends on the policy's mode of registration:
    ///
    /// - open: as [`Auth::register_user`];
    /// - private: every address gets the same answer, in the same time. An email goes to the address. The registration,
    ///   with its own password, is pending while the token in the email is valid. If the address has an account, its
    ///   owner is notified instead;
    /// - closed: refused.
    ///
    /// # Errors
    /// [`RegisterError`], as for [`Auth::register_user`].
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
        // Overflow is refused at once, before the database counts anything.
        self.passwords.has_room(client)?;
        self.throttle.count_action(Action::Register, client).await?;
        let (email, password) = self.parse(email, password)?;
        if mode == RegistrationMode::Private {
            self.request_registration(email, password, client).await?;
            return Ok(Registered::Waits);
        }
        let user = self.open_account(email, password, client).await?;
        Ok(Registered::Opened(user.into()))
    }

    async fn open_account(
        &self,
        email: Email,
        password: Password,
        client: &Client,
    ) -> Result<user::Model, RegisterError> {
        // Saves the cost of a hash if the address is taken or the database is down. Concurrent registrations are
        // decided below, by the unique constraint.
        if self.db.find_user_by_email(email.as_str()).await?.is_some() {
            return Err(RegisterError::AlreadyExists(email));
        }
        let hash = self.passwords.hash_new(password, email.as_str(), client);
        let hash = hash.await??;
        let mut tx = self.begin(client).await?;
        let user = match tx.add_user(email.as_str(), hash.as_str()).await {
            Ok(user) => user,
            Err(DbError::Conflict(_)) => return Err(RegisterError::AlreadyExists(email)),
            Err(err) => return Err(err.into()),
        };
        let whose = Allowance::Strangers;
        let is_mailed = self
            .throttle
            .allows_mail(&tx, &user.email, whose, client)
            .await?;
        let verification = if is_mailed {
            Some(Self::add_verification(&tx, &user).await?)
        } else {
            None
        };
        tx.record(Event::Registered {
            user: &user,
            verification,
        })
        .await?;
        tx.commit().await?;
        Ok(user)
    }

    async fn request_registration(
        &self,
        email: Email,
        password: Password,
        client: &Client,
    ) -> Result<(), RegisterError> {
        let email = email.as_str();
        let hash = self.passwords.hash_new(password, email, client);
        let hash = hash.await??;
        let mut tx = self.begin(client).await?;
        let whose = Allowance::Strangers;
        let is_mailed = self.throttle.allows_mail(&tx, email, whose, client).await?;
        let registration = is_mailed.then(Uuid::new_v4);
        if let Some(id) = registration {
            tx.add_registration(registration::Model {
                id,
                email: email.to_owned(),
                hashed_password: hash.as_str().to_owned(),
                token_digest: None,
                token_expires_at: None,
                created_at: tx.clock().now(),
            })
            .await?;
        }
        tx.record(Event::RegistrationRequested {
            email,
            registration,
        })
        .await?;
        Ok(tx.commit().await?)
    }

    fn parse(&self, email: &str, password: &str) -> Result<(Email, Password), RegisterError> {
        let email = Email::parse(email)?;
        let password = Password::parse(password)?;
        password.check_length(self.policy)?;
        Ok((email, password))
    }

    /// Completes a registration: its account is opened, for a request with both the token from the email and the
    /// password of the registration.
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
        let found = self.db.find_registration(digest.as_str()).await?;
        let waiting = found.ok_or(VerifyEmailError::InvalidToken)?;
        let password = password.ok_or(VerifyEmailError::NotSignedIn)?;
        let stored = StoredHash::parse(&waiting.hashed_password);
        let verdict = self
            .confirm_hash(&waiting.email, password, stored, client)
            .await?;
        let Some(verdict) = verdict else {
            let refused = Event::SessionRefused {
                user_id: None,
                reason: NOT_CONFIRMED,
            };
            self.record(refused, None, client).await?;
            return Err(VerifyEmailError::WrongPassword);
        };
        let rehashed = verdict.rehashed.as_ref().map(PasswordHash::as_str);
        let hash = rehashed.unwrap_or(&waiting.hashed_password);
        let mut tx = self.begin(client).await?;
        if !tx.spend_registration(digest.as_str()).await? {
            return Err(VerifyEmailError::InvalidToken);
        }
        match Self::add_verified(&tx, &waiting.email, hash).await {
            Err(DbError::Conflict(_)) => Err(VerifyEmailError::AlreadyExists(waiting.email)),
            added => {
                let user_id = added?;
                tx.record(Event::RegistrationCompleted { user_id }).await?;
                Ok(tx.commit().await?)
            }
        }
    }

    async fn add_verified(tx: &Transaction, email: &str, hash: &str) -> Result<i64, DbError> {
        let user = tx.add_user(email, hash).await?;
        tx.set_email_verified(user.id).await?;
        Ok(user.id)
    }
}
