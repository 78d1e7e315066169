//! Decisions: who may, for how long, and why not.
//!
//! The command line, the HTTP API and a program that embeds this library all go through [`Auth`]. It
//! speaks to [`crate::db`] and knows neither HTTP nor SQL.

mod email;
mod hashing;
mod password;
mod users;

use std::sync::Arc;

pub use email::{Email, EmailError};
pub use hashing::HashingError;
pub use password::{PasswordError, PasswordHash, WeakPassword, hash_password};
pub use users::RegisterError;

use hashing::HashingThreads;

pub use crate::db::DbError;
use crate::{
    config::PasswordSettings,
    db::{DB, MigrationState},
};

/// What is asked of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The cost of a password hash: 2 to the power of it rounds of bcrypt.
    pub bcrypt_cost: u32,
    /// The fewest characters of a password.
    pub password_min_length: usize,
    /// How hard a password must be to guess: zxcvbn's scale from 0 (asks for nothing) to 4.
    pub password_min_score: u8,
}

impl Default for Policy {
    /// Cost 12, 8 characters, score 3: what NIST SP 800-63B and OWASP ask for at least.
    fn default() -> Self {
        Self {
            bcrypt_cost: 12,
            password_min_length: 8,
            password_min_score: 3,
        }
    }
}

impl From<&PasswordSettings> for Policy {
    fn from(settings: &PasswordSettings) -> Self {
        Self {
            bcrypt_cost: settings.bcrypt_cost,
            password_min_length: settings.min_length,
            password_min_score: settings.min_score,
        }
    }
}

/// The service without its doors. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Auth {
    db: DB,
    policy: Policy,
    hashing: Arc<HashingThreads>,
}

impl Auth {
    /// Joins a database and a policy, and starts the threads that hash passwords. They end with the
    /// last clone.
    ///
    /// # Panics
    /// When the system gives the process no threads.
    #[must_use]
    pub fn new(db: DB, policy: Policy) -> Auth {
        Auth {
            db,
            policy,
            hashing: Arc::new(HashingThreads::start()),
        }
    }

    /// Whether the service can do its work: the database answers, and every migration that this binary
    /// knows is applied.
    ///
    /// # Errors
    /// [`DbError`] when the database does not answer.
    pub async fn is_ready(&self) -> Result<bool, DbError> {
        let migrations = self.db.migration_states().await?;
        let is_pending = |migration: &_| matches!(migration, MigrationState::Pending(_));
        Ok(!migrations.iter().any(is_pending))
    }
}
