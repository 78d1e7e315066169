//! The types of rows, one file for each table.
//!
//! There are no queries, no rules, and no `serde`: a row that can't be serialised can't leak a hash.

pub mod audit_checkpoint;
pub mod audit_event;
pub mod email_verification;
pub mod known_client;
pub mod one_time_token;
pub mod outgoing_mail;
pub mod registration;
pub mod sealing_key;
pub mod session;
pub mod throttle;
pub mod user;
pub mod user_group;
