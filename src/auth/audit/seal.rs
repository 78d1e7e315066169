//! The sealer: puts events into signed checkpoints, and deletes the oldest checkpoints with their events.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{audit_checkpoint, audit_event};
use uuid::Uuid;

use super::{
    encoding::{Root, previous},
    erase::MOST_ERASED,
    kind::EventKind,
    list::AuditCheckpoint,
    log::{AuditLog, first_id},
};
use crate::{
    auth::{kernel::Auth, policy::time_delta},
    db::{DbError, Found, Transaction},
};

/// How many events a checkpoint has at most.
const MOST_EVENTS: u64 = 1000;

/// How many checkpoints are deleted at once.
const MOST_EXPIRED: u64 = 10;

/// How many forged events one process names.
const MOST_COMPLAINTS: usize = 1000;

/// For how long after a deletion it is checked that all personal fields are erased: those of events that were recorded at
/// the same moment, and of an account with very many. The service may be down for some of that time.
const ERASURE_WINDOW: TimeDelta = TimeDelta::days(7);

impl Auth {
    /// Puts events into the next checkpoint, and deletes the oldest checkpoints once all of their events are older than
    /// the policy says. Returns whether there may be more to do. The service calls it every 10 seconds and when it
    /// stops. [`Auth::sweep`] calls it too.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn seal_audit_events(&self) -> Result<bool, DbError> {
        let before = self.db.clock().now() - time_delta(self.policy.audit_retention);
        let has_unerased = self.audit.erase_leftovers().await?;
        Ok(self.audit.seal(before).await? || has_unerased)
    }
}

impl AuditLog {
    /// How many of the oldest checkpoints were made before a time. All of their events are older. A checkpoint without
    /// the signature of one of the keys does not count, nor do those after it: its time may be forged, so that the service
    /// deletes what it should keep.
    fn count_expired(
        &self,
        last: Option<&audit_checkpoint::Model>,
        oldest: &[Found<audit_checkpoint::Model>],
        before: DateTime<Utc>,
    ) -> u64 {
        let numbers = last.map_or(1, |last| last.oldest)..;
        let expired = numbers.zip(oldest).take_while(|(number, found)| {
            found.as_ref().is_some_and(|found| {
                found.number == *number
                    && found.sealed_at < before.timestamp_micros()
                    && self.is_genuine(found)
            })
        });
        expired.count() as u64
    }

    /// Whether a checkpoint has the signature of one of the keys. If not, the log says so.
    fn is_genuine(&self, checkpoint: &audit_checkpoint::Model) -> bool {
        let is_genuine = self.keys.signed(checkpoint);
        if !is_genuine {
            tracing::error!(
                target: "audit",
                number = checkpoint.number,
                "a checkpoint of the audit log was changed, or made with a key that is not given: nothing is built upon it, and \
                 it is not deleted. Run bienvenue audit verify"
            );
        }
        is_genuine
    }

    /// Erases what was recorded about an account at the moment of its deletion, and what is left of an account with very
    /// many events. Returns whether there may be more.
    async fn erase_leftovers(&self) -> Result<bool, DbError> {
        let since = first_id(self.db.clock().now() - ERASURE_WINDOW);
        let deletion = EventKind::UserDeleted.as_str();
        let mut has_more = false;
        for user_id in self.db.find_unerased_users(deletion, since).await? {
            let erased = self.db.erase_audit_events(user_id, deletion, MOST_ERASED);
            has_more |= erased.await?;
        }
        Ok(has_more)
    }

    /// Makes the next checkpoint: one that says that the checkpoints from before a time are gone, if there are such, or
    /// else one of events that are in none yet. Without either, nothing is written. Returns whether there may be more to do.
    async fn seal(&self, before: DateTime<Utc>) -> Result<bool, DbError> {
        // Usually there is nothing. This finds that out without a lock.
        let last = self.db.find_last_audit_checkpoint().await?;
        // A forged one could say that the events before it are no longer kept.
        if last.as_ref().is_some_and(|last| !self.is_genuine(last)) {
            return Ok(false);
        }
        let oldest = last.as_ref().map_or(1, |last| last.oldest);
        let oldest = self.db.find_audit_checkpoints(oldest - 1, MOST_EXPIRED);
        let expired = self.count_expired(last.as_ref(), &oldest.await?, before);
        if expired == 0 && !self.db.has_unsealed_audit_events().await? {
            return Ok(false);
        }
        let tx = self.db.begin().await?;
        let last = tx.find_last_audit_checkpoint().await?;
        if last.as_ref().is_some_and(|last| !self.is_genuine(last)) {
            return Ok(false);
        }
        let oldest = last.as_ref().map_or(1, |last| last.oldest);
        let oldest = tx.find_audit_checkpoints(oldest - 1, MOST_EXPIRED).await?;
        let expired = self.count_expired(last.as_ref(), &oldest, before);
        // Not both at once. A transaction that erases events of an account locks them in the order of their ids. One that
        // locked the newest events and then deleted the oldest could wait for it and be waited for.
        let events = if expired == 0 {
            self.unsealed(&tx).await?
        } else {
            Vec::new()
        };
        if events.is_empty() && expired == 0 {
            return Ok(false);
        }
        let checkpoint = self.checkpoint(last.as_ref(), &events, expired);
        let (number, oldest) = (checkpoint.number, checkpoint.oldest);
        match tx.add_audit_checkpoint(checkpoint.clone()).await {
            // Another replica has just made it. What is left comes into the next one.
            Err(DbError::Conflict(_)) => return Ok(false),
            outcome => outcome?,
        }
        let ids = events.iter().map(|event| event.id);
        let marked = tx.set_audit_checkpoint(ids, number).await?;
        if usize::try_from(marked) != Ok(events.len()) {
            // Not reached while all writers lock the rows.
            tracing::warn!("audit events changed while they were sealed");
            return Ok(false);
        }
        if expired > 0 {
            tx.delete_audit_events_before(oldest).await?;
            tx.delete_audit_checkpoints_before(oldest).await?;
        }
        tx.commit().await?;
        AuditCheckpoint::from(checkpoint).log();
        Ok(events.len() as u64 == MOST_EVENTS || expired > 0)
    }

    /// Events that are in no checkpoint yet, in the order of their ids, locked. Forged ones are left out.
    async fn unsealed(&self, tx: &Transaction) -> Result<Vec<audit_event::Model>, DbError> {
        let mut sealed: Vec<audit_event::Model> = Vec::new();
        let mut after = None;
        loop {
            let left = MOST_EVENTS - sealed.len() as u64;
            let found = tx.find_unsealed_audit_events(after, left, true).await?;
            let is_last = (found.len() as u64) < left;
            // Of a row that can't be read, not even the id is known.
            let newest = found.iter().rev().find_map(Option::as_ref);
            let newest = newest.map(|event| event.id);
            let (good, forged): (Vec<_>, Vec<_>) = found
                .into_iter()
                .flatten()
                .partition(|event| self.keys.made(event));
            self.complain(forged.iter().map(|event| event.id));
            sealed.extend(good);
            after = newest;
            if is_last || newest.is_none() || sealed.len() as u64 >= MOST_EVENTS {
                return Ok(sealed);
            }
        }
    }

    /// Logs each forged event once.
    fn complain(&self, forged: impl Iterator<Item = Uuid>) {
        let mut known = self.forged.lock().unwrap_or_else(PoisonError::into_inner);
        for id in forged {
            if known.len() < MOST_COMPLAINTS && known.insert(id) {
                tracing::error!(
                    target: "audit",
                    %id,
                    "an audit event was not made with a key of this service, and is left out of the checkpoints"
                );
            }
        }
    }

    fn checkpoint(
        &self,
        last: Option<&audit_checkpoint::Model>,
        events: &[audit_event::Model],
        expired: u64,
    ) -> audit_checkpoint::Model {
        let mut root = Root::default();
        for event in events {
            root.add(event);
        }
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut checkpoint = audit_checkpoint::Model {
            number: last.map_or(1, |last| last.number.saturating_add(1)),
            sealed_at: self.db.clock().now().timestamp_micros(),
            first_event: events.first().map(|event| event.id),
            last_event: events.last().map(|event| event.id),
            events: number(events.len() as u64),
            root: root.finish(),
            previous: previous(last),
            oldest: last.map_or(1, |last| last.oldest.saturating_add(number(expired))),
            key: String::new(),
            signature: String::new(),
        };
        self.keys.sign(&mut checkpoint);
        checkpoint
    }
}
