//! The audit log: what happened to accounts, and the evidence for it.
//!
//! Each event is a row with a MAC. Checkpoints chain the rows and are signed. The keys are not in the database, so a
//! change of the rows by anybody who can only write to the database shows.

mod encoding;
mod erase;
mod keys;
mod kind;
mod list;
mod log;
mod seal;
mod verify;

pub use kind::EventKind;
pub use list::{AuditCheckpoint, AuditEvent, AuditFilter, AuditPage};
pub use log::AuditLog;
pub use verify::{Verified, VerifyAuditError};

pub(super) use erase::{erase_events, former_addresses};
pub(super) use log::{Actor, Entry, Line};
