//! Clean-up: deletes expired rows of every table that grows.

use std::collections::BTreeSet;

use super::{
    client::{Client, NETWORK_KNOWN},
    event::Event,
    kernel::Auth,
    outbox,
    policy::time_delta,
    throttle::LONGEST_PROLONGATION,
};
use crate::db::DbError;

/// How many sessions or accounts are deleted at once: a transaction of a few milliseconds.
const SWEEP: u64 = 100;

impl Auth {
    /// Deletes a batch of expired rows. Returns whether there may be more. The service calls it in the background. A
    /// program that embeds the library calls it from time to time.
    ///
    /// Accounts that were never verified are deleted by [`Auth::sweep_unverified_users`].
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep(&self) -> Result<bool, DbError> {
        let (db, now) = (&self.db, self.db.clock().now());
        // Rows without a token that are older than this: their email was given up before a token was made.
        let tokenless = now - outbox::PATIENCE - outbox::LEASE - outbox::LONGEST_PAUSE;
        // A failure in one table does not stop the clean-up of the others.
        let outcomes = [
            self.sweep_sessions().await,
            db.delete_mails_finished_before(now - outbox::KEPT).await,
            db.delete_expired_email_verifications(tokenless).await,
            db.delete_expired_registrations(tokenless).await,
            db.delete_reset_tokens_expired_before(now - LONGEST_PROLONGATION)
                .await,
            db.delete_expired_one_time_tokens().await,
            db.delete_clients_unused_since(now - NETWORK_KNOWN).await,
            db.delete_forgotten_throttles().await,
            self.seal_audit_events().await,
        ];
        outcomes
            .into_iter()
            .try_fold(false, |more, outcome| Ok(outcome? || more))
    }

    async fn sweep_sessions(&self) -> Result<bool, DbError> {
        let idle = self.policy.idle();
        let expired = self.db.find_expired_sessions(idle, SWEEP).await?;
        if expired.is_empty() {
            return Ok(false);
        }
        let (ids, owners): (Vec<_>, BTreeSet<_>) =
            expired.iter().map(|row| (row.id, row.user_id)).unzip();
        let tx = self.db.begin().await?;
        let users = tx.lock_users(owners).await?;
        tx.delete_expired_sessions(&ids, idle).await?;
        for user in &users {
            self.name_newest_session(&tx, user).await?;
        }
        tx.commit().await?;
        Ok(ids.len() as u64 == SWEEP)
    }

    /// Deletes a batch of accounts whose address was never verified and that had no sign-in for the time in the policy.
    /// Returns whether there may be more. Without this, anybody could fill the database with accounts for any address.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep_unverified_users(&self) -> Result<bool, DbError> {
        let Some(lifetime) = self.policy.unverified_lifetime else {
            return Ok(false);
        };
        let before = self.db.clock().now() - time_delta(lifetime);
        // Usually there is none. This query finds that out without a lock.
        if self.db.find_unused_users(before, 1).await?.is_empty() {
            return Ok(false);
        }
        let nobody = Client::default();
        let mut tx = self.begin(&nobody).await?;
        let users = tx.lock_unused_users(before, SWEEP).await?;
        for user in &users {
            Self::erase(&tx, user).await?;
            let (user_id, reason) = (user.id, "never verified");
            tx.record(Event::UserDeleted { user_id, reason }).await?;
        }
        tx.commit().await?;
        let count = users.len();
        tracing::info!(count, "deleted accounts that were never verified");
        Ok(count as u64 == SWEEP)
    }
}
