//! `bienvenue audit`: lists the audit log, and verifies it. It works while the service runs.

use std::{
    error::Error,
    fs::File,
    io::{BufRead as _, BufReader, Write as _, stdout},
    path::{Path, PathBuf},
};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    auth::{AuditEvent, AuditFilter, AuditLog, EventKind, SealingKeys},
    config::{DatabaseSettings, KeySettings, LogSettings},
    db::DB,
};

/// How many rows are read at once.
const PAGE: u64 = 500;

#[derive(Args)]
pub(super) struct Audit {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    key: KeySettings,
    #[command(flatten)]
    log: LogSettings,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists events, the newest first
    List {
        /// The account that they are about: its address, or its id
        #[arg(long, value_name = "EMAIL|ID")]
        user: Option<String>,
        /// What happened, as session.opened
        #[arg(long, value_parser = kind)]
        kind: Option<EventKind>,
        /// Since when, as 2026-11-26 or 2026-11-26T08:00:00Z
        #[arg(long, value_parser = time)]
        since: Option<DateTime<Utc>>,
        /// Prints each as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Recomputes the whole log: fails at the first event or checkpoint that was changed, added or deleted
    Verify {
        /// What `bienvenue audit checkpoints --json` printed earlier: each of these must still be there
        #[arg(long, value_name = "FILE")]
        checkpoints: Option<PathBuf>,
        /// Prints the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists the checkpoints, the oldest first. Keep a copy outside of the database
    Checkpoints {
        /// Prints each as a line of JSON
        #[arg(long)]
        json: bool,
    },
}

fn kind(text: &str) -> Result<EventKind, String> {
    EventKind::parse(text).ok_or_else(|| {
        let names = EventKind::ALL.iter().map(|kind| kind.as_str());
        let names: Vec<_> = names.collect();
        format!("write one of {}", names.join(", "))
    })
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    let time = DateTime::parse_from_rfc3339(text);
    let time = time.map_err(|_| "write a date or a time, as 2026-11-26 or 2026-11-26T08:00:00Z")?;
    Ok(time.to_utc())
}

pub(super) fn run(audit: &Audit) -> Result<(), Box<dyn Error>> {
    super::log::start(&audit.log)?;
    super::runtime()?.block_on(async {
        let db = DB::open_existing(&audit.database).await?;
        match &audit.action {
            Action::List {
                user,
                kind,
                since,
                json,
            } => {
                let user_id = match user {
                    Some(user) => Some(id_of(&db, user).await?),
                    None => None,
                };
                let filter = AuditFilter {
                    user_id,
                    kind: *kind,
                    since: *since,
                    ..AuditFilter::default()
                };
                list(&reader(db), &filter, *json).await
            }
            Action::Verify { checkpoints, json } => {
                let keys = SealingKeys::of(&db, &audit.key.source()).await;
                let keys = keys.map_err(|err| format!("{} {err}", audit.key.variable()))?;
                verify(&AuditLog::new(db, &keys), checkpoints.as_deref(), *json).await
            }
            Action::Checkpoints { json } => list_checkpoints(&reader(db), *json).await,
        }
    })
}

/// The log without the keys of the service, which reading does not need.
fn reader(db: DB) -> AuditLog {
    AuditLog::new(db, &SealingKeys::generate())
}

/// The id of an account, by the id itself or by the address. The account of an id need not be there any more.
async fn id_of(db: &DB, user: &str) -> Result<i64, Box<dyn Error>> {
    if let Ok(id) = user.parse() {
        return Ok(id);
    }
    let email = crate::auth::Email::parse(user)?;
    match db.find_user_by([("email", email.as_str())]).await {
        Ok(user) => Ok(user.id),
        Err(crate::db::DbError::NoResultFound) => Err(format!(
            "there is no account with the address {email}: of a deleted account, give the id"
        )
        .into()),
        Err(err) => Err(err.into()),
    }
}

async fn list(log: &AuditLog, filter: &AuditFilter, json: bool) -> Result<(), Box<dyn Error>> {
    let mut after = None;
    loop {
        let page = log.events(filter, PAGE, after).await?;
        let mut out = stdout().lock();
        for event in &page.events {
            if json {
                writeln!(out, "{}", event.to_json())?;
            } else {
                writeln!(out, "{}", line(event))?;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// An event as a line for people. It has no character that could control a terminal: clients choose their user agent.
fn line(event: &AuditEvent) -> String {
    let id = |id: Option<i64>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let detail = Value::Object(event.detail.clone());
    let text = format!(
        "{}  {:<24}  user {}  actor {}  {}  {detail}",
        event.at.format("%F %T"),
        event.kind,
        id(event.user_id),
        id(event.actor_id),
        event.ip.as_deref().unwrap_or("-"),
    );
    text.chars().filter(|char| !char.is_control()).collect()
}

async fn list_checkpoints(log: &AuditLog, json: bool) -> Result<(), Box<dyn Error>> {
    let mut after = 0;
    loop {
        let page = log.checkpoints(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.number();
        let mut out = stdout().lock();
        for checkpoint in &page {
            let checkpoint = checkpoint.to_json();
            if json {
                writeln!(out, "{checkpoint}")?;
            } else {
                let field = |name| checkpoint.get(name).cloned().unwrap_or_default();
                let sealed_at = field("sealed_at");
                writeln!(
                    out,
                    "{}  {}  {} events",
                    field("number"),
                    sealed_at.as_str().unwrap_or_default(),
                    field("events")
                )?;
            }
        }
    }
}

async fn verify(
    log: &AuditLog,
    checkpoints: Option<&Path>,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let verified = match checkpoints {
        Some(path) => log.verify(exported(path)?).await?,
        None => log.verify([]).await?,
    };
    let mut out = stdout();
    let (events, checkpoints) = (verified.events, verified.checkpoints);
    let unsealed = verified.unsealed;
    if json {
        let holds =
            json!({"events": events, "checkpoints": checkpoints, "unsealed_events": unsealed});
        writeln!(out, "{holds}")?;
    } else {
        writeln!(
            out,
            "{events} events and {checkpoints} checkpoints hold; {unsealed} of the events are in no checkpoint yet"
        )?;
    }
    Ok(())
}

/// The checkpoints in a file, one a line.
fn exported(path: &Path) -> Result<impl Iterator<Item = Result<Value, String>>, String> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|err| format!("can't read {name}: {err}"))?;
    let lines = BufReader::new(file).lines().enumerate();
    Ok(lines.map(move |(number, line)| {
        let line = line.map_err(|err| format!("can't read {name}: {err}"))?;
        serde_json::from_str(&line).map_err(|_| {
            let number = number + 1;
            format!(
                "line {number} of {name} is no checkpoint: write the file by `bienvenue audit checkpoints --json`"
            )
        })
    }))
}
