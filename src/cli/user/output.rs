//! How accounts are printed.

use std::{
    error::Error,
    io::{Write as _, stderr, stdout},
};

use chrono::{DateTime, Utc};
use clap::Args;

use crate::{api, auth::ManagedUser};

#[derive(Args)]
pub(super) struct Output {
    /// Prints JSON for programs: a user as the API shows it, and one in each line of a list
    #[arg(long, global = true)]
    json: bool,
}

impl Output {
    /// Prints one account.
    pub(super) fn show(&self, user: ManagedUser) -> Result<(), Box<dyn Error>> {
        if self.json {
            writeln!(stdout(), "{}", api::user_as_json(user))?;
            return Ok(());
        }
        let seen = user.last_seen_at.map_or("never".to_owned(), moment);
        let groups = if user.groups.is_empty() {
            "none".to_owned()
        } else {
            user.groups.join(", ")
        };
        let account = &user.account;
        let lines = [
            ("id", account.id.to_string()),
            ("email", account.email.clone()),
            ("verified", yes_or_no(account.is_email_verified)),
            (
                "name",
                account.name.clone().unwrap_or_else(|| "none".to_owned()),
            ),
            ("role", user.role.as_str().to_owned()),
            ("groups", groups),
            ("disabled", yes_or_no(user.is_disabled)),
            ("password", yes_or_no(user.has_password)),
            ("created", moment(account.created_at)),
            ("last seen", seen),
            ("sessions", user.sessions.to_string()),
        ];
        for (name, value) in lines {
            writeln!(stdout(), "{name:10} {value}")?;
        }
        Ok(())
    }

    /// Prints accounts, one a line.
    pub(super) fn list(&self, users: Vec<ManagedUser>) -> Result<(), Box<dyn Error>> {
        let mut out = stdout().lock();
        for user in users {
            if self.json {
                writeln!(out, "{}", api::user_as_json(user))?;
                continue;
            }
            let state = match (user.is_disabled, user.account.is_email_verified) {
                (true, _) => "disabled",
                (false, true) => "verified",
                (false, false) => "unverified",
            };
            let (id, role) = (user.account.id, user.role.as_str());
            let groups = user.groups.join(",");
            let line = format!(
                "{id:8}  {role:5}  {state:10}  {}  {groups}",
                user.account.email
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Says what was done to an account, which is printed for programs.
    pub(super) fn done(&self, user: ManagedUser, sentence: &str) -> Result<(), Box<dyn Error>> {
        writeln!(stderr(), "{sentence}")?;
        if self.json { self.show(user) } else { Ok(()) }
    }
}

fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}
