//! What bienvenue promises, as its users see it: every behaviour on SQLite and on PostgreSQL, from one
//! text.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod support;

mod admin;
mod audit;
mod client;
mod compose;
mod conventions;
mod db;
mod email;
mod email_change;
mod email_verification;
mod events;
mod faults;
mod frontend;
mod known_clients;
mod mail_texts;
mod mails;
mod new_passwords;
mod openapi;
mod origins;
mod outage;
mod overload;
mod pages;
mod password;
mod password_forms;
mod password_reset;
mod prehijacking;
mod properties;
mod registrations;
mod running;
mod schema;
mod sealing_keys;
mod secrets;
mod service;
mod sessions;
mod settings;
mod shares;
mod stored_hashes;
mod structure;
mod swagger_ui;
mod tables;
mod throttle;
mod users;
mod users_me;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::run()
}
