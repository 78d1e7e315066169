//! Queries to the database. Each method is one query.
//!
//! This layer makes no decisions. [`crate::auth`] makes them.

mod audit_checkpoints;
mod audit_events;
mod connect;
mod database;
mod doubts;
mod email_verifications;
mod error;
mod known_clients;
mod mails;
mod migrations;
mod one_time_tokens;
mod postgres;
mod registrations;
mod sealing_keys;
mod sessions;
mod sqlite_file;
mod throttles;
mod url;
mod user_groups;
mod user_search;
mod users;

pub use database::{DB, Transaction};
pub use error::DbError;
pub use migrations::{Direction, MigrationState};
/// A value that an attribute of a user can be set to.
pub use sea_orm::Value;
pub use url::{DatabaseOptions, DatabaseUrl};
pub use user_search::UserState;

pub(crate) use audit_events::{AuditSearch, Found};
pub(crate) use database::limited;
pub(crate) use user_search::{SessionCount, UserFilter};
