//! What bienvenue promises, as its users see it: every behaviour on SQLite and on PostgreSQL, from one
//! text.

mod support;

mod conventions;
mod db;
mod email;
mod openapi;
mod outage;
mod overload;
mod password;
mod running;
mod schema;
mod service;
mod structure;
mod users;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::run()
}
