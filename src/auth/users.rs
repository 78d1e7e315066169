//! Accounts: who gets one.

use std::time::Duration;

use entity::user;

use super::{
    Auth, DbError, Email, EmailError, HashingError, PasswordError, WeakPassword,
    password::{self, Password},
};

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
    /// Too much to do: worth another try after this long.
    #[error("too many passwords wait to be hashed: about {0:?}")]
    Overloaded(Duration),
    /// The hash function failed, which it never does.
    #[error(transparent)]
    Hashing(HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<HashingError> for RegisterError {
    fn from(err: HashingError) -> Self {
        match err {
            HashingError::Overloaded(wait) => Self::Overloaded(wait),
            HashingError::Failed => Self::Hashing(err),
        }
    }
}

impl Auth {
    /// Opens an account for whoever gives an address that has none, and a password that the policy
    /// accepts.
    ///
    /// The address is kept in its canonical form. Of any number of calls for one address at once,
    /// one succeeds. The account is durable when this returns.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing was changed then, except that after [`RegisterError::Db`] with an error
    /// that is temporary the account may be there.
    pub async fn register_user(
        &self,
        email: &str,
        password: &str,
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
                password.check_guessability(policy, &email)?;
                Ok(password::hash(&password, policy.bcrypt_cost)?)
            };
            self.hashing.run(self.policy.bcrypt_cost, hash).await??
        };
        match self.db.add_user(email.as_str(), hash.as_str()).await {
            Ok(user) => Ok(user),
            Err(DbError::Conflict(_)) => Err(RegisterError::AlreadyExists(email)),
            Err(err) => Err(RegisterError::Db(err)),
        }
    }
}
