//! The keys of the audit log. They are derived from those of the service, and so are not in the database.

use entity::{audit_checkpoint, audit_event};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::Sha256;

use super::encoding::{checkpoint_text, event_bytes};
use crate::auth::sealing_keys::SealingKeys;

/// What each of the service's keys gives. The first is the one in use. The others still verify.
pub(super) struct AuditKeys(Vec<Pair>);

struct Pair {
    mac: Hmac<Sha256>,
    signing: Ed25519KeyPair,
    /// The public key, in hexadecimal.
    public: String,
}

impl AuditKeys {
    pub(super) fn new(keys: &SealingKeys) -> Self {
        let macs = keys.derive_all("bienvenue audit event");
        let seeds = keys.derive_all("bienvenue audit checkpoint");
        let pairs = macs.zip(seeds).map(|(mac, seed)| {
            let signing = Ed25519KeyPair::from_seed_unchecked(&*seed)
                .expect("every 32 bytes are the seed of a key");
            Pair {
                mac: Hmac::new_from_slice(&*mac).expect("HMAC takes keys of any length"),
                public: hex::encode(signing.public_key()),
                signing,
            }
        });
        Self(pairs.collect())
    }

    fn first(&self) -> &Pair {
        self.0.first().expect("the service has a key")
    }

    /// Sets the MAC of an event.
    pub(super) fn protect(&self, event: &mut audit_event::Model) {
        event.mac = self.first().mac_of(event);
    }

    /// Whether an event has the MAC of one of the keys.
    pub(super) fn made(&self, event: &audit_event::Model) -> bool {
        self.0.iter().any(|pair| pair.mac_of(event) == event.mac)
    }

    /// Sets the key and the signature of a checkpoint.
    pub(super) fn sign(&self, checkpoint: &mut audit_checkpoint::Model) {
        let pair = self.first();
        checkpoint.key.clone_from(&pair.public);
        checkpoint.signature = pair.signature_of(checkpoint);
    }

    /// Whether a checkpoint has the signature of one of the keys. A signature of Ed25519 is determined by the key and
    /// the text, so comparing it finds changes that a verification would allow, such as another spelling.
    pub(super) fn signed(&self, checkpoint: &audit_checkpoint::Model) -> bool {
        self.0.iter().any(|pair| {
            pair.public == checkpoint.key && pair.signature_of(checkpoint) == checkpoint.signature
        })
    }
}

impl Pair {
    fn mac_of(&self, event: &audit_event::Model) -> String {
        let mut mac = self.mac.clone();
        mac.update(&event_bytes(event));
        hex::encode(mac.finalize().into_bytes())
    }

    fn signature_of(&self, checkpoint: &audit_checkpoint::Model) -> String {
        let text = checkpoint_text(checkpoint);
        hex::encode(self.signing.sign(text.as_bytes()))
    }
}
