//! How events and checkpoints are turned into bytes, and the digests of those.

use entity::{audit_checkpoint, audit_event};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// What the first checkpoint has as the digest of the one before it.
const BEGINNING: &[u8] = b"bienvenue audit log, version 1";

/// Bytes of several fields, one after the other. Each field begins with its length, or says that it is null. So
/// different fields never give the same bytes.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn add(mut self, field: Option<&[u8]>) -> Self {
        match field {
            Some(bytes) => {
                self.0.push(1);
                self.0.extend((bytes.len() as u64).to_be_bytes());
                self.0.extend(bytes);
            }
            None => self.0.push(0),
        }
        self
    }

    fn text(self, text: Option<&str>) -> Self {
        self.add(text.map(str::as_bytes))
    }

    fn number(self, number: Option<i64>) -> Self {
        self.add(
            number
                .map(i64::to_be_bytes)
                .as_ref()
                .map(|bytes| &bytes[..]),
        )
    }
}

/// The bytes of everything in an event that is never erased. Its MAC is over these.
pub(super) fn event_bytes(event: &audit_event::Model) -> Vec<u8> {
    // Taken apart field by field, so that a new column does not compile until it is decided whether it is protected.
    let audit_event::Model {
        id,
        at,
        kind,
        user_id,
        actor_id,
        session_id,
        client_id,
        request_id,
        ip: _,
        user_agent: _,
        client_salt: _,
        client_commitment,
        detail: _,
        salt: _,
        commitment,
        mac: _,
        // The root of a checkpoint protects it.
        checkpoint: _,
    } = event;
    Fields::default()
        .add(Some(id.as_bytes()))
        .number(Some(*at))
        .text(Some(kind))
        .number(*user_id)
        .number(*actor_id)
        .add(session_id.as_ref().map(|id| &id.as_bytes()[..]))
        .text(client_id.as_deref())
        .text(request_id.as_deref())
        .text(Some(client_commitment))
        .text(Some(commitment))
        .0
}

/// The commitment to the address and the user agent of an event. Without the salt, it says nothing about them. Once they
/// are erased, nothing says what they were.
pub(super) fn client_commitment(event: &audit_event::Model, salt: &str) -> String {
    let fields = Fields::default()
        .text(event.ip.as_deref())
        .text(event.user_agent.as_deref());
    keyed_digest(salt, &fields)
}

/// The commitment to the detail of an event, like that to the client.
pub(super) fn detail_commitment(event: &audit_event::Model, salt: &str) -> String {
    keyed_digest(salt, &Fields::default().text(event.detail.as_deref()))
}

fn keyed_digest(key: &str, fields: &Fields) -> String {
    let mut digest =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    digest.update(&fields.0);
    hex::encode(digest.finalize().into_bytes())
}

/// The digest of the events of a checkpoint, which are added in the order of their ids.
#[derive(Clone, Default)]
pub(super) struct Root(Sha256);

impl Root {
    pub(super) fn add(&mut self, event: &audit_event::Model) {
        let mut leaf = Sha256::new();
        leaf.update(event_bytes(event));
        leaf.update(&event.mac);
        self.0.update(leaf.finalize());
    }

    pub(super) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

/// What is signed of a checkpoint: a text of one line for each field.
pub(super) fn checkpoint_text(checkpoint: &audit_checkpoint::Model) -> String {
    let audit_checkpoint::Model {
        number,
        sealed_at,
        first_event,
        last_event,
        events,
        root,
        previous,
        oldest,
        key,
        signature: _,
    } = checkpoint;
    let id = |id: &Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let (first, last) = (id(first_event), id(last_event));
    format!(
        "bienvenue audit checkpoint\nnumber={number}\nsealed_at={sealed_at}\nfirst={first}\nlast={last}\nevents={events}\n\
         root={root}\nprevious={previous}\noldest={oldest}\nkey={key}\n"
    )
}

/// The digest by which a checkpoint refers to the one before it.
pub(super) fn previous(checkpoint: Option<&audit_checkpoint::Model>) -> String {
    hex::encode(match checkpoint {
        Some(before) => Sha256::digest(checkpoint_text(before) + &before.signature),
        None => Sha256::digest(BEGINNING),
    })
}
