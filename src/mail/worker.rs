//! Drains the outbox: takes letters that are due, sends them, and says how it went.

use std::{error::Error, time::Duration};

use futures_util::future::join_all;

use super::{Mailer, SendError};
use crate::auth::{Auth, DbError, DueLetter};

/// How many letters are sent at once.
const AT_ONCE: u64 = 8;

/// How long the worker rests when nothing is due: another replica may have written something down, or a pause is over.
const REST: Duration = Duration::from_secs(2);

/// Sends letters for ever, those of other replicas too.
pub(crate) async fn deliver(auth: &Auth, mailer: &Mailer) {
    loop {
        match deliver_due(auth, mailer).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(err) => {
                let error = &err as &dyn Error;
                tracing::warn!(error, "letters wait for the database");
            }
        }
        // Either is a reason to look again.
        let _: Result<(), _> = tokio::time::timeout(REST, auth.letter_posted()).await;
    }
}

/// Sends what is due, and returns how much that was.
async fn deliver_due(auth: &Auth, mailer: &Mailer) -> Result<usize, DbError> {
    let due = auth.due_letters(AT_ONCE).await?;
    let mut deliveries = Vec::new();
    for letter in &due {
        deliveries.push(deliver_one(auth, mailer, letter));
    }
    let outcomes = join_all(deliveries).await;
    outcomes.into_iter().collect::<Result<(), _>>()?;
    Ok(due.len())
}

async fn deliver_one(auth: &Auth, mailer: &Mailer, due: &DueLetter) -> Result<(), DbError> {
    let Some(letter) = auth.write_letter(due).await? else {
        return auth.letter_done(due).await;
    };
    match mailer.send(&letter).await {
        Ok(()) => auth.letter_done(due).await,
        Err(err) => {
            let is_for_good = matches!(&err, SendError::Transport(err) if err.is_for_good());
            auth.letter_failed(due, &chain(&err), is_for_good).await
        }
    }
}

/// An error and what caused it, in one line.
fn chain(err: &SendError) -> String {
    match err.source() {
        Some(cause) => format!("{err}: {cause}"),
        None => err.to_string(),
    }
}
