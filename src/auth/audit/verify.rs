//! The verification: recomputes every digest, and finds the first change.

use std::collections::{BTreeSet, VecDeque};

use chrono::DateTime;
use entity::{audit_checkpoint, audit_event};
use serde_json::Value;
use uuid::Uuid;

use super::{
    encoding::{Root, client_commitment, detail_commitment, previous},
    kind::EventKind,
    list::AuditCheckpoint,
    log::AuditLog,
};
use crate::db::{DbError, Found, Transaction};

/// How many rows are read at once.
const PAGE: u64 = 1000;

/// What holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many checkpoints there are.
    pub checkpoints: u64,
    /// How many events there are.
    pub events: u64,
    /// How many of the events are in no checkpoint yet.
    pub unsealed: u64,
}

/// The reason why the audit log does not hold.
#[derive(Debug, thiserror::Error)]
pub enum VerifyAuditError {
    /// Something was changed. Says what.
    #[error("{0}")]
    Changed(String),
    /// The exported checkpoints can't be read.
    #[error("{0}")]
    Exported(String),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

use VerifyAuditError::Changed;

impl AuditLog {
    /// Verifies the whole audit log, in bounded memory and as it is at one moment: that no event and no checkpoint was
    /// changed, added or deleted without the keys. Each of the `exported` checkpoints, in the form of
    /// [`AuditCheckpoint::to_json`], must still be there, unless it is older than what is kept.
    ///
    /// # Errors
    /// [`VerifyAuditError`], with the first change that was found.
    pub async fn verify(
        &self,
        exported: impl IntoIterator<Item = Result<Value, String>>,
    ) -> Result<Verified, VerifyAuditError> {
        let tx = self.db.begin_snapshot().await?;
        let mut verified = Verified::default();
        let last = self.verify_chain(&tx, &mut verified).await?;
        self.verify_unsealed(&tx, &mut verified).await?;
        verify_exported(&tx, last.as_ref(), exported).await?;
        Ok(verified)
    }

    /// Verifies the checkpoints and their events. Returns the last checkpoint.
    async fn verify_chain(
        &self,
        tx: &Transaction,
        verified: &mut Verified,
    ) -> Result<Option<audit_checkpoint::Model>, VerifyAuditError> {
        let mut events = SealedEvents::new(tx, self);
        let mut first = None;
        let mut last: Option<audit_checkpoint::Model> = None;
        loop {
            let after = last.as_ref().map_or(i64::MIN, |last| last.number);
            let page = tx.find_audit_checkpoints(after, PAGE).await?;
            let is_end = (page.len() as u64) < PAGE;
            for found in page {
                let checkpoint = readable(found, last.as_ref())?;
                self.verify_checkpoint(&checkpoint, last.as_ref())?;
                verify_events(&mut events, &checkpoint, verified).await?;
                first.get_or_insert(checkpoint.number);
                verified.checkpoints += 1;
                last = Some(checkpoint);
            }
            if is_end {
                break;
            }
        }
        if let Some(event) = events.peek().await? {
            return Err(orphan(event));
        }
        if let (Some(first), Some(last)) = (first, &last)
            && first != last.oldest
        {
            let oldest = last.oldest;
            return Err(Changed(format!(
                "the checkpoints begin with number {first}, and the last one says that they begin with {oldest}"
            )));
        }
        Ok(last)
    }

    /// Verifies a checkpoint itself, and that it follows the one before.
    fn verify_checkpoint(
        &self,
        checkpoint: &audit_checkpoint::Model,
        before: Option<&audit_checkpoint::Model>,
    ) -> Result<(), VerifyAuditError> {
        let number = checkpoint.number;
        if let Some(before) = before {
            let expected = before.number + 1;
            if number != expected {
                return Err(Changed(format!("the checkpoint {expected} is missing")));
            }
        }
        if !self.keys.signed(checkpoint) {
            return Err(Changed(format!(
                "the checkpoint {number} was changed: its signature is of none of the given keys"
            )));
        }
        if (before.is_some() || number == 1) && checkpoint.previous != previous(before) {
            return Err(Changed(format!(
                "the checkpoint {number} does not follow the one before it"
            )));
        }
        Ok(())
    }

    /// Verifies the events that are in no checkpoint yet.
    async fn verify_unsealed(
        &self,
        tx: &Transaction,
        verified: &mut Verified,
    ) -> Result<(), VerifyAuditError> {
        let mut after = None;
        loop {
            let page = tx.find_unsealed_audit_events(after, PAGE, false).await?;
            let is_end = (page.len() as u64) < PAGE;
            let page = self.verify_page(tx, page, after).await?;
            verified.unsealed += page.len() as u64;
            verified.events += page.len() as u64;
            after = page.last().map(|event| event.id);
            if is_end {
                return Ok(());
            }
        }
    }

    /// Verifies each of some events by itself.
    async fn verify_page(
        &self,
        tx: &Transaction,
        page: Vec<Found<audit_event::Model>>,
        after: Option<Uuid>,
    ) -> Result<Vec<audit_event::Model>, VerifyAuditError> {
        let mut events = Vec::with_capacity(page.len());
        let mut before = after;
        for found in page {
            let event: audit_event::Model = found.ok_or_else(|| {
                Changed(match before {
                    Some(before) => {
                        format!(
                            "an event was changed so that it can't be read: the one after {before}"
                        )
                    }
                    None => {
                        "an event was changed so that it can't be read: the first one".to_owned()
                    }
                })
            })?;
            before = Some(event.id);
            events.push(event);
        }
        let mut erased = Vec::new();
        for event in &events {
            self.verify_event(event)?;
            if event.salt.is_none() || event.client_salt.is_none() {
                erased.push(event);
            }
        }
        verify_erased(tx, &erased).await?;
        Ok(events)
    }

    fn verify_event(&self, event: &audit_event::Model) -> Result<(), VerifyAuditError> {
        if !self.keys.made(event) {
            return Err(Changed(format!(
                "the event {} was changed, or was not made with one of the given keys",
                named(event)
            )));
        }
        let is_client_right = match &event.client_salt {
            Some(salt) => client_commitment(event, salt) == event.client_commitment,
            None => event.ip.is_none() && event.user_agent.is_none(),
        };
        let is_detail_right = match &event.salt {
            Some(salt) => detail_commitment(event, salt) == event.commitment,
            None => event.detail.is_none(),
        };
        if !is_client_right || !is_detail_right {
            return Err(Changed(format!(
                "the event {} was changed: its address, user agent, detail or salt",
                named(event)
            )));
        }
        Ok(())
    }
}

/// Verifies that each of some events without personal fields has lost them rightly: the detail with the account that it is
/// about, and the client with the account that acted, or if none did, with the account that it is about.
async fn verify_erased(
    tx: &Transaction,
    erased: &[&audit_event::Model],
) -> Result<(), VerifyAuditError> {
    let accounts = erased
        .iter()
        .flat_map(|event| [event.user_id, event.actor_id]);
    let accounts: BTreeSet<i64> = accounts.flatten().collect();
    let kind = EventKind::UserDeleted.as_str();
    let deletions = tx.find_deletions(kind, accounts.into_iter().collect());
    let deletions = deletions.await?;
    for event in erased {
        let is_deleted = |account: Option<i64>| {
            let mut deletions = deletions.iter();
            deletions.any(|(id, user_id)| *id != event.id && account == Some(*user_id))
        };
        let is_explained = (event.salt.is_some() || is_deleted(event.user_id))
            && (event.client_salt.is_some() || is_deleted(event.actor_id.or(event.user_id)));
        if !is_explained {
            return Err(Changed(format!(
                "the event {} has lost its address and user agent, or its detail, and no account was deleted that explains it",
                named(event)
            )));
        }
    }
    Ok(())
}

fn named(event: &audit_event::Model) -> String {
    let at = DateTime::from_timestamp_micros(event.at).unwrap_or_default();
    format!("{} ({} at {at:?})", event.id, event.kind)
}

fn orphan(event: &audit_event::Model) -> VerifyAuditError {
    let number = event.checkpoint.unwrap_or_default();
    Changed(format!(
        "the event {} is of the checkpoint {number}, which is missing",
        named(event)
    ))
}

fn readable(
    found: Found<audit_checkpoint::Model>,
    before: Option<&audit_checkpoint::Model>,
) -> Result<audit_checkpoint::Model, VerifyAuditError> {
    found.ok_or_else(|| {
        let before = before.map_or(0, |before| before.number);
        Changed(format!(
            "a checkpoint was changed so that it can't be read: the one after number {before}"
        ))
    })
}

/// Verifies that a checkpoint has exactly its events.
async fn verify_events(
    events: &mut SealedEvents<'_>,
    checkpoint: &audit_checkpoint::Model,
    verified: &mut Verified,
) -> Result<(), VerifyAuditError> {
    let number = checkpoint.number;
    let mut root = Root::default();
    let (mut first, mut last, mut count) = (None, None, 0);
    while let Some(event) = events.next_of(number).await? {
        root.add(&event);
        first.get_or_insert(event.id);
        last = Some(event.id);
        count += 1;
    }
    verified.events += u64::try_from(count).unwrap_or_default();
    let expected = checkpoint.events;
    if count != expected {
        return Err(Changed(format!(
            "the checkpoint {number} had {expected} events and has {count} now"
        )));
    }
    let is_same = (first, last) == (checkpoint.first_event, checkpoint.last_event)
        && root.finish() == checkpoint.root;
    if !is_same {
        return Err(Changed(format!(
            "the checkpoint {number} has other events than it had when it was made"
        )));
    }
    Ok(())
}

/// The events that are in checkpoints, in the order of these, a page at a time. Each page is verified when it is read.
struct SealedEvents<'a> {
    tx: &'a Transaction,
    log: &'a AuditLog,
    page: VecDeque<audit_event::Model>,
    after: Option<(i64, Uuid)>,
    is_end: bool,
}

impl<'a> SealedEvents<'a> {
    fn new(tx: &'a Transaction, log: &'a AuditLog) -> Self {
        Self {
            tx,
            log,
            page: VecDeque::new(),
            after: None,
            is_end: false,
        }
    }

    async fn peek(&mut self) -> Result<Option<&audit_event::Model>, VerifyAuditError> {
        if self.page.is_empty() && !self.is_end {
            let page = self.tx.find_sealed_audit_events(self.after, PAGE).await?;
            self.is_end = (page.len() as u64) < PAGE;
            let after = self.after.map(|(_, id)| id);
            self.page = self.log.verify_page(self.tx, page, after).await?.into();
            if let Some(last) = self.page.back() {
                self.after = Some((last.checkpoint.unwrap_or_default(), last.id));
            }
        }
        Ok(self.page.front())
    }

    /// The next event, if it is of this checkpoint.
    async fn next_of(
        &mut self,
        checkpoint: i64,
    ) -> Result<Option<audit_event::Model>, VerifyAuditError> {
        match self.peek().await? {
            Some(event) if event.checkpoint < Some(checkpoint) => Err(orphan(event)),
            Some(event) if event.checkpoint == Some(checkpoint) => Ok(self.page.pop_front()),
            _ => Ok(None),
        }
    }
}

/// Verifies that exported checkpoints are still there, unchanged.
async fn verify_exported(
    tx: &Transaction,
    last: Option<&audit_checkpoint::Model>,
    exported: impl IntoIterator<Item = Result<Value, String>>,
) -> Result<(), VerifyAuditError> {
    let oldest = last.map_or(1, |last| last.oldest);
    let mut exported = exported.into_iter();
    loop {
        let page: Result<Vec<_>, _> = exported.by_ref().take(500).collect();
        let page = page.map_err(VerifyAuditError::Exported)?;
        if page.is_empty() {
            return Ok(());
        }
        let number = |checkpoint: &Value| checkpoint.get("number").and_then(Value::as_i64);
        let numbers = page.iter().filter_map(number);
        let found = tx.find_these_audit_checkpoints(numbers).await?;
        let found: Vec<_> = found.into_iter().map(AuditCheckpoint::from).collect();
        for exported in &page {
            let number = number(exported).ok_or_else(|| {
                VerifyAuditError::Exported("a line is no checkpoint: it has no number".to_owned())
            })?;
            let kept = found.iter().find(|found| found.number() == number);
            match kept {
                None if number < oldest => {}
                None => {
                    return Err(Changed(format!(
                        "the checkpoint {number} was exported, and is missing now"
                    )));
                }
                Some(kept) if kept.to_json() != *exported => {
                    return Err(Changed(format!(
                        "the checkpoint {number} is not what it was when it was exported"
                    )));
                }
                Some(_) => {}
            }
        }
    }
}
