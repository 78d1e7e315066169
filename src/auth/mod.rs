//! Decisions: who may, for how long, and why not.
//!
//! The command line, the HTTP API and a program that embeds this library all go through [`Auth`]. It
//! speaks to [`crate::db`] and knows neither HTTP nor SQL.

mod breached;
mod client;
mod credentials;
mod email;
mod email_change;
mod email_verification;
mod event;
mod export;
mod hashing;
mod known_clients;
mod last_seen;
mod mails;
mod name;
mod password;
mod password_reset;
mod registrations;
mod sealing_keys;
mod sessions;
mod throttle;
mod token;
mod users;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
pub use client::Client;
pub use email::{Email, EmailError};
pub use email_change::{ChangeEmailError, UndoEmailChangeError};
pub use email_verification::{RefuseError, RequestVerificationError, VerifyEmailError};
pub use export::Export;
pub use hashing::{HashingCounters, HashingError};

pub use mails::{DueLetter, Language, Letter, LetterKind};
pub use name::NameError;
#[cfg(fuzzing)]
pub use password::read_stored_hash;
pub use password::{PasswordError, PasswordHash, WeakPassword, hash_password};
pub use password_reset::{RequestResetError, ResetPasswordError};
pub use registrations::{RegisterError, Registered};
pub use sealing_keys::{KeySource, SealingKeyError, SealingKeys};
pub use sessions::{CurrentSession, EndSessionError, Session, SessionError, SignInError, SignedIn};
pub use throttle::ThrottleError;
pub use token::{Token, TokenKind};
use tokio::sync::Notify;
pub use users::{ChangePasswordError, FreshSessionError, SetNameError};

use breached::PasswordChecks;
use hashing::HashingThreads;
use last_seen::LastSeen;
use throttle::Throttle;

use crate::{
    config::{LONGEST_DURATION, Settings},
    db::{DB, MigrationState},
};
pub use crate::{
    config::{RegistrationMode, ThrottleSettings},
    db::DbError,
};

/// What is asked of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who may register.
    pub registration: RegistrationMode,
    /// The cost of a password hash: 2 to the power of it rounds of bcrypt.
    pub bcrypt_cost: u32,
    /// How many hashes a core runs interleaved, besides one for networks that were quiet: 1 to 7, and more is taken for that.
    pub hashing_lanes: usize,
    /// The fewest characters of a password.
    pub password_min_length: usize,
    /// How hard a password must be to guess: zxcvbn's scale from 0 (asks for nothing) to 4.
    pub password_min_score: u8,
    /// How long a session lasts that is not used: ten years at most, and more is taken for that.
    pub session_idle: Duration,
    /// How long a session lasts, however much it is used: ten years at most, and more is taken for that.
    pub session_lifetime: Duration,
    /// How long the link of a password reset is good.
    pub reset_token_lifetime: Duration,
    /// How long the link that verifies an address is good.
    pub verification_lifetime: Duration,
    /// How long an account is kept whose address was never verified and that nobody signs in to; nothing: for ever.
    pub unverified_lifetime: Option<Duration>,
    /// How often something may be tried.
    pub throttle: ThrottleSettings,
}

impl Policy {
    fn idle(self) -> TimeDelta {
        time_delta(self.session_idle)
    }

    fn lifetime(self) -> TimeDelta {
        time_delta(self.session_lifetime)
    }
}

fn time_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration.min(LONGEST_DURATION)).expect("ten years are no overflow")
}

impl Default for Policy {
    /// Cost 12, 8 characters, score 3: what NIST SP 800-63B and OWASP ask for at least. Sessions last 7 days unused, and 30
    /// days altogether.
    fn default() -> Self {
        Self {
            registration: RegistrationMode::Open,
            bcrypt_cost: 12,
            hashing_lanes: 5,
            password_min_length: 8,
            password_min_score: 3,
            session_idle: Duration::from_hours(7 * 24),
            session_lifetime: Duration::from_hours(30 * 24),
            reset_token_lifetime: Duration::from_mins(30),
            verification_lifetime: Duration::from_hours(24),
            unverified_lifetime: Some(Duration::from_hours(30 * 24)),
            throttle: ThrottleSettings::default(),
        }
    }
}

impl From<&Settings> for Policy {
    fn from(settings: &Settings) -> Self {
        Self {
            registration: settings.registration,
            bcrypt_cost: settings.password.bcrypt_cost,
            hashing_lanes: settings.password.hashing_lanes,
            password_min_length: settings.password.min_length,
            password_min_score: settings.password.min_score,
            session_idle: settings.session.idle,
            session_lifetime: settings.session.lifetime,
            reset_token_lifetime: settings.mail.reset_token_lifetime,
            verification_lifetime: settings.mail.verification_lifetime,
            unverified_lifetime: settings.unverified_lifetime.0,
            throttle: settings.throttle,
        }
    }
}

/// The service without its doors. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Auth {
    db: DB,
    policy: Policy,
    hashing: Arc<HashingThreads>,
    last_seen: LastSeen,
    posted: Arc<Notify>,
    throttle: Throttle,
    password_checks: PasswordChecks,
}

impl Auth {
    /// Joins a database and a policy, and starts the threads that hash passwords. They end with the
    /// last clone.
    ///
    /// # Panics
    /// When the system gives the process no threads.
    #[must_use]
    pub fn new(db: DB, policy: Policy) -> Auth {
        let throttle = Throttle::new(db.clone(), policy.throttle, &SealingKeys::generate());
        Auth {
            db,
            throttle,
            policy,
            hashing: Arc::new(HashingThreads::start(
                policy.hashing_lanes,
                policy.bcrypt_cost,
            )),
            last_seen: LastSeen::default(),
            posted: Arc::new(Notify::new()),
            password_checks: PasswordChecks::default(),
        }
    }

    /// Holds new passwords also against what the settings name: the words of the host of the public URL, and the service that
    /// knows passwords from breaches.
    ///
    /// # Panics
    /// When the system can't make a client for HTTP.
    #[must_use]
    pub fn with_password_checks(self, settings: &Settings) -> Auth {
        Auth {
            password_checks: settings.into(),
            ..self
        }
    }

    /// How the threads that hash passwords are doing.
    #[must_use]
    pub fn hashing_counters(&self) -> HashingCounters {
        self.hashing.counters()
    }

    /// Whether the service can do its work: the database answers and takes changes, and every migration that this binary
    /// knows is applied.
    ///
    /// # Errors
    /// [`DbError`] when the database does not answer, or takes no changes.
    pub async fn is_ready(&self) -> Result<bool, DbError> {
        self.db.check_writable().await?;
        let migrations = self.db.migration_states().await?;
        let is_pending = |migration: &_| matches!(migration, MigrationState::Pending(_));
        Ok(!migrations.iter().any(is_pending))
    }
}
