//! The type [`Auth`], on which each capability defines its methods.

use super::{
    audit::{Actor, AuditLog},
    client::Client,
    event::Event,
    last_seen::LastSeen,
    outbox::Outbox,
    passwords::{HashingCounters, PasswordChecks, Passwords},
    policy::Policy,
    sealing_keys::{KeySource, SealingKeyError, SealingKeys, keys_of},
    throttle::Throttle,
    tokens::Tokens,
    unit_of_work::UnitOfWork,
};
use crate::db::{DB, DbError, MigrationState};

/// The service without its interfaces. Cheap to clone. All clones share one state.
///
/// Its methods are the operations on accounts. Each capability defines its own in its own file.
#[derive(Clone, Debug)]
pub struct Auth {
    pub(super) db: DB,
    pub(super) policy: Policy,
    pub(super) passwords: Passwords,
    pub(super) audit: AuditLog,
    pub(super) throttle: Throttle,
    pub(super) tokens: Tokens,
    pub(super) outbox: Outbox,
    pub(super) last_seen: LastSeen,
}

impl Auth {
    /// Joins a database and a policy, and starts the threads that hash passwords. The threads end when the last clone
    /// is dropped.
    ///
    /// # Panics
    /// When the system can't start threads.
    #[must_use]
    pub fn new(db: DB, policy: Policy) -> Auth {
        let keys = SealingKeys::generate();
        let tokens = Tokens::new(db.clone(), &policy);
        let audit = AuditLog::new(db.clone(), &keys);
        Auth {
            policy,
            passwords: Passwords::new(policy),
            throttle: Throttle::new(db.clone(), policy.rate_limits, &keys, audit.clone()),
            audit,
            outbox: Outbox::new(db.clone(), tokens.clone()),
            tokens,
            last_seen: LastSeen::default(),
            db,
        }
    }

    /// Adds checks for new passwords.
    #[must_use]
    pub fn with_password_checks(self, checks: PasswordChecks) -> Auth {
        Auth {
            passwords: self.passwords.with_checks(checks),
            ..self
        }
    }

    /// Uses these keys, if they belong to the database. The database stores the fingerprint of the first key that it
    /// was used with. If that key is among the given keys but not the first, the fingerprint is replaced by that of the
    /// first.
    ///
    /// Without this call, the service has a random key. When the process ends, its rate limit counts are lost with the
    /// key, and its audit log can't be verified any more.
    ///
    /// # Errors
    /// [`SealingKeyError`].
    pub async fn with_keys(self, source: &KeySource) -> Result<Auth, SealingKeyError> {
        let keys = keys_of(&self.db, source).await?;
        let (db, limits) = (self.db.clone(), self.policy.rate_limits);
        let audit = AuditLog::new(db.clone(), &keys);
        let throttle = Throttle::new(db, limits, &keys, audit.clone());
        Ok(Auth {
            audit,
            throttle,
            ..self
        })
    }

    /// The counters of the threads that hash passwords.
    #[must_use]
    pub fn hashing_counters(&self) -> HashingCounters {
        self.passwords.counters()
    }

    /// The emails that are to be sent.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Whether the service can work: the database answers and accepts writes, and every migration that this binary
    /// knows is applied.
    ///
    /// # Errors
    /// [`DbError`] when the database does not answer, or accepts no writes.
    pub async fn is_ready(&self) -> Result<bool, DbError> {
        self.db.check_writable().await?;
        let migrations = self.db.migration_states().await?;
        let is_pending = |migration: &_| matches!(migration, MigrationState::Pending(_));
        Ok(!migrations.iter().any(is_pending))
    }

    /// Begins a transaction for a client.
    pub(super) async fn begin<'a>(&'a self, client: &'a Client) -> Result<UnitOfWork<'a>, DbError> {
        UnitOfWork::begin(&self.db, &self.audit, &self.outbox, &self.throttle, client).await
    }

    /// Records an event that changes nothing else. It is durable when this returns.
    pub(super) async fn record(
        &self,
        event: Event<'_>,
        actor: Option<Actor>,
        client: &Client,
    ) -> Result<(), DbError> {
        if let Some(entry) = event.entry() {
            let (row, line) = self.audit.row(entry, actor, client);
            self.db.add_audit_events(vec![row]).await?;
            line.log(&client.network());
        }
        Ok(())
    }
}
