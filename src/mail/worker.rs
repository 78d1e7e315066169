//! Drains the outbox: takes letters that are due, sends them, and says how it went.

use std::{error::Error, time::Duration};

use super::{Mailer, SendError};
use crate::auth::{Auth, DbError};

/// How long the worker rests when nothing is due: another replica may have written something down, or a pause is over.
const REST: Duration = Duration::from_secs(2);

/// Sends letters for ever, those of other replicas too.
///
/// One after the other: then no more than one is sent and not yet marked so, should the process be killed, and no more than
/// one comes twice.
pub(crate) async fn deliver(auth: &Auth, mailer: &Mailer) {
    loop {
        match deliver_one(auth, mailer).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(err) => {
                let error = &err as &dyn Error;
                tracing::warn!(error, "letters wait for the database");
            }
        }
        // Either is a reason to look again.
        let _: Result<(), _> = tokio::time::timeout(REST, auth.letter_posted()).await;
    }
}

/// Sends a letter that is due, and says whether there was one.
async fn deliver_one(auth: &Auth, mailer: &Mailer) -> Result<bool, DbError> {
    let Some(due) = auth.due_letter().await? else {
        return Ok(false);
    };
    let Some(letter) = auth.write_letter(&due).await? else {
        auth.letter_done(&due).await?;
        return Ok(true);
    };
    match mailer.send(&letter).await {
        Ok(()) => auth.letter_done(&due).await?,
        Err(err) => {
            let is_refusal = matches!(&err, SendError::Transport(err) if err.is_refusal());
            auth.letter_failed(&due, &chain(&err), is_refusal).await?;
        }
    }
    Ok(true)
}

/// An error and what caused it, in one line.
fn chain(err: &SendError) -> String {
    match err.source() {
        Some(cause) => format!("{err}: {cause}"),
        None => err.to_string(),
    }
}
