//! The audit log: how events become rows.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use entity::audit_event;
use tracing::field::display;
use uuid::{Builder, ContextV7, Timestamp, Uuid};

use super::{
    encoding::{client_commitment, detail_commitment},
    keys::AuditKeys,
    kind::EventKind,
};
use crate::{
    auth::{client::Client, sealing_keys::SealingKeys},
    db::DB,
};

/// An event before it is a row.
pub(in crate::auth) struct Entry {
    pub(in crate::auth) kind: EventKind,
    /// The account that it is about.
    pub(in crate::auth) user_id: Option<i64>,
    /// The session that was opened or has ended.
    pub(in crate::auth) session_id: Option<Uuid>,
    /// The values of the detail, one for each key of the kind.
    pub(in crate::auth) detail: Vec<serde_json::Value>,
    /// The reason, which is in the log too.
    pub(in crate::auth) reason: Option<&'static str>,
}

/// Who does something: an account, and the session by which it does it.
#[derive(Clone, Copy, Debug)]
pub(in crate::auth) struct Actor {
    pub(in crate::auth) user_id: i64,
    pub(in crate::auth) session_id: Option<Uuid>,
}

/// A line of the log about an event.
pub(in crate::auth) struct Line {
    event: &'static str,
    /// The id of the row. `None` for an event that has none.
    id: Option<Uuid>,
    user_id: Option<i64>,
    actor_id: Option<i64>,
    session_id: Option<Uuid>,
    reason: Option<&'static str>,
}

/// The audit log of a database. Cheap to clone. All clones share one state.
#[derive(Clone)]
pub struct AuditLog {
    pub(super) db: DB,
    pub(super) keys: Arc<AuditKeys>,
    ids: Arc<Mutex<ContextV7>>,
    /// The forged events that this process has already complained about.
    pub(super) forged: Arc<Mutex<BTreeSet<Uuid>>>,
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditLog")
    }
}

impl AuditLog {
    /// The audit log of a database, with the keys of its service. Reading events needs no keys: any will do.
    #[must_use]
    pub fn new(db: DB, keys: &SealingKeys) -> Self {
        Self {
            db,
            keys: Arc::new(AuditKeys::new(keys)),
            ids: Arc::new(Mutex::new(ContextV7::new().with_additional_precision())),
            forged: Arc::default(),
        }
    }

    /// Makes the row of an event that happens now, and its line in the log.
    pub(in crate::auth) fn row(
        &self,
        entry: Entry,
        actor: Option<Actor>,
        client: &Client,
    ) -> (audit_event::Model, Line) {
        let now = self.db.clock().now();
        let line = Line {
            id: Some(self.id(now)),
            ..Line::new(&entry, actor)
        };
        // What a deletion leaves is not about the person. An administrator who deletes an account is another person.
        let is_by_other = actor.is_some_and(|actor| Some(actor.user_id) != entry.user_id);
        let keeps_client = entry.kind != EventKind::UserDeleted || is_by_other;
        let request_id = client.storable_request_id();
        let client = Some(client).filter(|_| keeps_client);
        let mut row = audit_event::Model {
            id: line.id.unwrap_or_default(),
            at: now.timestamp_micros(),
            kind: line.event.to_owned(),
            user_id: line.user_id,
            actor_id: line.actor_id,
            session_id: line.session_id,
            client_id: None,
            request_id,
            ip: client.and_then(|client| Some(client.ip?.to_string())),
            user_agent: client.and_then(Client::storable_user_agent),
            client_salt: None,
            client_commitment: String::new(),
            detail: Some(entry.kind.detail(entry.detail).to_string()),
            salt: None,
            commitment: String::new(),
            mac: String::new(),
            checkpoint: None,
        };
        let (client_salt, detail_salt) = (salt(), salt());
        row.client_commitment = client_commitment(&row, &client_salt);
        row.commitment = detail_commitment(&row, &detail_salt);
        row.client_salt = Some(client_salt);
        row.salt = Some(detail_salt);
        self.keys.protect(&mut row);
        (row, line)
    }

    /// A new id, later than all that this process made before.
    fn id(&self, now: DateTime<Utc>) -> Uuid {
        let context = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(Timestamp::from_unix(
            &*context,
            seconds,
            now.timestamp_subsec_nanos(),
        ))
    }
}

/// The first id that an event of this time or later can have.
pub(super) fn first_id(time: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

/// A new salt.
fn salt() -> String {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).expect("the system has random numbers");
    hex::encode(salt)
}

impl Line {
    /// The line of an event that has no row.
    pub(in crate::auth) fn new(entry: &Entry, actor: Option<Actor>) -> Self {
        let by_session = actor.and_then(|actor| actor.session_id);
        Self {
            event: entry.kind.as_str(),
            id: None,
            user_id: entry.user_id,
            actor_id: actor.map(|actor| actor.user_id),
            session_id: entry.session_id.or(by_session),
            reason: entry.reason,
        }
    }

    /// Writes the line to the log. It has ids and the network of the client, and never an address, a password or a
    /// token. It belongs to the span of the request and so carries its id.
    pub(in crate::auth) fn log(&self, network: &str) {
        let Self {
            event,
            id,
            user_id,
            actor_id,
            session_id,
            reason,
        } = self;
        let (id, session_id) = (id.map(display), session_id.map(display));
        tracing::info!(target: "audit", event, id, user_id, actor_id, session_id, reason, network);
    }
}
