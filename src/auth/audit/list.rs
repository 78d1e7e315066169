//! Reading the audit log: events by what they are about, and checkpoints.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use entity::{audit_checkpoint, audit_event};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    kind::EventKind,
    log::{AuditLog, first_id},
};
use crate::{
    auth::{kernel::Auth, sessions::CurrentSession},
    db::{AuditSearch, DB, DbError},
};

/// Which events to list. What is `None` is not asked.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// The account that they are about.
    pub user_id: Option<i64>,
    /// The account that did it.
    pub actor_id: Option<i64>,
    /// What happened.
    pub kind: Option<EventKind>,
    /// The address of the client.
    pub ip: Option<String>,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
    /// Until when. An event of that time is not included.
    pub until: Option<DateTime<Utc>>,
}

/// An event, as an administrator may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    /// The id. Events sort by it in the order in which they happened.
    pub id: Uuid,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened: the name of an [`EventKind`], perhaps of a newer version.
    pub kind: String,
    /// The account that it is about.
    pub user_id: Option<i64>,
    /// The account that did it.
    pub actor_id: Option<i64>,
    /// The session that was opened or has ended, or else the one by which it was done.
    pub session_id: Option<Uuid>,
    /// The application by which it was done.
    pub client_id: Option<String>,
    /// The address of the client.
    pub ip: Option<String>,
    /// The `User-Agent` of the client.
    pub user_agent: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// Further fields. The kind decides which. All are null once the account is deleted.
    pub detail: Map<String, Value>,
}

/// Some events, newest first.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The events.
    pub events: Vec<AuditEvent>,
    /// The id after which the list continues. `None` at its end.
    pub next: Option<Uuid>,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheckpoint(pub(super) audit_checkpoint::Model);

/// A time as it is written in checkpoints and events: RFC 3339 in UTC, with all that is stored.
fn rfc3339(micros: i64) -> String {
    time(micros).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

impl From<audit_event::Model> for AuditEvent {
    fn from(row: audit_event::Model) -> Self {
        let audit_event::Model {
            id,
            at,
            kind,
            user_id,
            actor_id,
            session_id,
            client_id,
            request_id,
            ip,
            user_agent,
            detail,
            client_salt: _,
            client_commitment: _,
            salt: _,
            commitment: _,
            mac: _,
            checkpoint: _,
        } = row;
        let detail = detail.and_then(|detail| serde_json::from_str(&detail).ok());
        let erased = || {
            let keys = EventKind::parse(&kind).map_or(&[][..], EventKind::keys);
            let nulls = keys.iter().map(|key| ((*key).to_owned(), Value::Null));
            nulls.collect()
        };
        Self {
            id,
            at: time(at),
            detail: detail.unwrap_or_else(erased),
            kind,
            user_id,
            actor_id,
            session_id,
            client_id,
            ip,
            user_agent,
            request_id,
        }
    }
}

impl AuditEvent {
    /// The event as the person that it is about may see it: where somebody else acted, without that person's client.
    fn for_owner(self) -> Self {
        let is_own = self.actor_id.is_none() || self.actor_id == self.user_id;
        // The session of such an event is that of the account itself.
        let is_of_session = self.kind.starts_with("session.");
        Self {
            session_id: self.session_id.filter(|_| is_own || is_of_session),
            ip: self.ip.filter(|_| is_own),
            user_agent: self.user_agent.filter(|_| is_own),
            ..self
        }
    }

    /// The event as JSON, in the form of the API.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "at": self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            "kind": self.kind,
            "user_id": self.user_id,
            "actor_id": self.actor_id,
            "session_id": self.session_id.map(|id| id.to_string()),
            "client_id": self.client_id,
            "ip": self.ip,
            "user_agent": self.user_agent,
            "request_id": self.request_id,
            "detail": self.detail,
        })
    }
}

impl From<audit_checkpoint::Model> for AuditCheckpoint {
    fn from(row: audit_checkpoint::Model) -> Self {
        Self(row)
    }
}

impl AuditCheckpoint {
    /// Its number: 1, 2, 3 and so on.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.0.number
    }

    /// The checkpoint as JSON, with everything that is signed, and the signature.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let checkpoint = &self.0;
        let id = |id: Option<Uuid>| id.map(|id| id.to_string());
        json!({
            "number": checkpoint.number,
            "sealed_at": rfc3339(checkpoint.sealed_at),
            "first_event": id(checkpoint.first_event),
            "last_event": id(checkpoint.last_event),
            "events": checkpoint.events,
            "root": checkpoint.root,
            "previous": checkpoint.previous,
            "oldest": checkpoint.oldest,
            "key": checkpoint.key,
            "signature": checkpoint.signature,
        })
    }

    /// Writes the checkpoint to the log, so that a copy of it is outside of the database.
    pub(super) fn log(&self) {
        let checkpoint = &self.0;
        tracing::info!(
            target: "audit",
            number = checkpoint.number,
            sealed_at = rfc3339(checkpoint.sealed_at),
            first_event = checkpoint.first_event.map(display),
            last_event = checkpoint.last_event.map(display),
            events = checkpoint.events,
            root = checkpoint.root,
            previous = checkpoint.previous,
            oldest = checkpoint.oldest,
            key = checkpoint.key,
            signature = checkpoint.signature,
            "checkpoint"
        );
    }
}

/// Lists events, newest first: at most `limit`, with smaller ids than `after`.
pub(super) async fn events(
    db: &DB,
    filter: &AuditFilter,
    limit: u64,
    after: Option<Uuid>,
) -> Result<AuditPage, DbError> {
    // The index is by id, and an id begins with its millisecond.
    let until_id = filter
        .until
        .map(|until| first_id(until + TimeDelta::milliseconds(1)));
    let search = AuditSearch {
        user_id: filter.user_id,
        actor_id: filter.actor_id,
        kind: filter.kind.map(EventKind::as_str),
        ip: filter.ip.as_deref(),
        since: filter.since,
        since_id: filter.since.map(first_id),
        until: filter.until,
        before: after.into_iter().chain(until_id).min(),
    };
    // One more tells whether there are more.
    let mut rows = db
        .find_audit_events(&search, limit.saturating_add(1))
        .await?;
    let is_end = rows.len() as u64 <= limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(AuditPage {
        next: rows.last().map(|row| row.id).filter(|_| !is_end),
        events: rows.into_iter().map(AuditEvent::from).collect(),
    })
}

impl AuditLog {
    /// Lists events, newest first: at most `limit`, with smaller ids than `after`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn events(
        &self,
        filter: &AuditFilter,
        limit: u64,
        after: Option<Uuid>,
    ) -> Result<AuditPage, DbError> {
        events(&self.db, filter, limit, after).await
    }

    /// Lists checkpoints in the order of their numbers, after a number and at most `limit`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn checkpoints(
        &self,
        after: i64,
        limit: u64,
    ) -> Result<Vec<AuditCheckpoint>, DbError> {
        let found = self.db.find_audit_checkpoints(after, limit).await?;
        // `audit verify` finds rows that can't be read.
        Ok(found.into_iter().flatten().map(Into::into).collect())
    }
}

impl Auth {
    /// Lists events for an administrator, newest first: at most `limit`, with smaller ids than `after`, which is the
    /// `next` of an earlier page. Events that are recorded meanwhile don't change what follows.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn audit_events(
        &self,
        filter: &AuditFilter,
        limit: u64,
        after: Option<Uuid>,
    ) -> Result<AuditPage, DbError> {
        events(&self.db, filter, limit, after).await
    }

    /// Lists the events about the caller, as [`Auth::audit_events`] does. Where an administrator acted, the
    /// administrator's address and user agent are left out.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn own_audit_events(
        &self,
        current: &CurrentSession,
        limit: u64,
        after: Option<Uuid>,
    ) -> Result<AuditPage, DbError> {
        let filter = AuditFilter {
            user_id: Some(current.user.id),
            ..AuditFilter::default()
        };
        let page = events(&self.db, &filter, limit, after).await?;
        Ok(AuditPage {
            events: page.events.into_iter().map(AuditEvent::for_owner).collect(),
            ..page
        })
    }
}
