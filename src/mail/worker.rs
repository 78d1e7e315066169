//! Drains the outbox: takes letters that are due, sends them, and says how it went.

use std::{error::Error, time::Duration};

use super::{Mailer, SendError};
use crate::auth::{Auth, DbError, DueLetter};

/// How long the worker rests when nothing is due: another replica may have written something down, or a pause is over.
const REST: Duration = Duration::from_secs(2);

/// How long one pauses before something is written down again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is written down that a letter was sent, should the database not answer: else it would be sent again.
const MARKS: u32 = 10;

/// How long the letter that is being sent has to get out when the service is told to stop.
const LAST_LETTER: Duration = Duration::from_secs(9);

/// Sends letters, those of other replicas too, until `stop` is ready.
///
/// One after the other: then no more than one is sent and not yet marked so, should the process be killed, and no more than
/// one comes twice.
pub(crate) async fn deliver(auth: &Auth, mailer: &Mailer, stop: impl Future<Output = ()> + Clone) {
    let last_letter = async {
        stop.clone().await;
        tokio::time::sleep(LAST_LETTER).await;
    };
    let deliver = async {
        loop {
            let is_stopped = tokio::time::timeout(Duration::ZERO, stop.clone()).await;
            if is_stopped.is_ok() {
                return;
            }
            match deliver_one(auth, mailer).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(err) => {
                    let error = &err as &dyn Error;
                    tracing::warn!(error, "letters wait for the database");
                }
            }
            // Each is a reason to look again.
            tokio::select! {
                () = stop.clone() => return,
                () = auth.letter_posted() => {}
                () = tokio::time::sleep(REST) => {}
            }
        }
    };
    tokio::select! {
        () = deliver => {}
        () = last_letter => tracing::warn!("a letter was cut off, and may be sent again"),
    }
}

/// Sends a letter that is due, and says whether there was one.
async fn deliver_one(auth: &Auth, mailer: &Mailer) -> Result<bool, DbError> {
    let Some(due) = auth.due_letter().await? else {
        return Ok(false);
    };
    let Some(letter) = auth.write_letter(&due).await? else {
        mark(auth, &due).await?;
        return Ok(true);
    };
    match mailer.send(&letter).await {
        Ok(()) => mark(auth, &due).await?,
        Err(err) => {
            let is_refusal = matches!(&err, SendError::Transport(err) if err.is_refusal());
            auth.letter_failed(&due, &chain(&err), is_refusal).await?;
        }
    }
    Ok(true)
}

/// Notes that nothing is left to do for a letter.
async fn mark(auth: &Auth, due: &DueLetter) -> Result<(), DbError> {
    for _ in 1..MARKS {
        match auth.letter_done(due).await {
            Err(err) if err.is_temporary() => tokio::time::sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
    auth.letter_done(due).await
}

/// An error and what caused it, in one line.
fn chain(err: &SendError) -> String {
    match err.source() {
        Some(cause) => format!("{err}: {cause}"),
        None => err.to_string(),
    }
}
