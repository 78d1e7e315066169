//! Records when sessions were last used, and from which network. A background task writes this in batches, beside the
//! requests.

use std::{
    collections::BTreeMap,
    error::Error,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;
use uuid::Uuid;

use super::{
    client::{MOST_NETWORKS, NETWORK_KNOWN},
    throttle::Throttle,
};
use crate::db::DbError;

/// How many sessions may wait to be recorded. A session that finds the queue full is recorded at its next request.
const MOST_WAITING: usize = 10_000;

/// How many sessions are recorded in one statement.
const BATCH: usize = 200;

/// The accuracy of the time at which a network was last used. A network counts as known for 30 days.
const NETWORK_STEP: TimeDelta = TimeDelta::hours(1);

/// The sessions whose use is to be recorded. All clones share one state.
#[derive(Clone, Debug, Default)]
pub(super) struct LastSeen(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Each session with the network that it was used from.
    waiting: BTreeMap<Uuid, String>,
    /// Whether a writer is running.
    is_written: bool,
}

impl LastSeen {
    /// Records that a session is in use, unless that was recorded within the last `step`. Returns at once.
    pub(super) fn note(&self, id: Uuid, network: String, throttle: &Throttle, step: TimeDelta) {
        let mut state = self.state();
        if state.waiting.len() < MOST_WAITING {
            state.waiting.insert(id, network);
        }
        if mem::replace(&mut state.is_written, true) {
            return;
        }
        let writer = Writer(self.clone());
        let throttle = throttle.clone();
        tokio::spawn(async move {
            while let Some(uses) = writer.next() {
                for uses in uses.chunks(BATCH) {
                    if let Err(err) = write(&throttle, uses, step).await {
                        let error = &err as &dyn Error;
                        tracing::debug!(
                            error,
                            "the use of {} sessions was not recorded",
                            uses.len()
                        );
                    }
                }
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records the use of sessions, each with its network.
async fn write(
    throttle: &Throttle,
    uses: &[(Uuid, String)],
    step: TimeDelta,
) -> Result<(), DbError> {
    let db = &throttle.db;
    let ids: Vec<_> = uses.iter().map(|(id, _)| *id).collect();
    db.touch_sessions(&ids, step).await?;
    let owners = db.find_session_owners(&ids).await?;
    let since = db.clock().now() - NETWORK_STEP;
    let noted = db.find_networks(owners.values().copied(), since).await?;
    for (id, network) in uses {
        let Some(user_id) = owners.get(id).copied() else {
            continue;
        };
        let is_noted = noted
            .iter()
            .any(|client| client.user_id == user_id && client.network == *network);
        if !is_noted && !network.is_empty() {
            note_network(throttle, user_id, *id, network).await?;
        }
    }
    Ok(())
}

/// Records that a network is in use, unless the session that used it has ended. It may have ended because the network
/// was not the owner's.
async fn note_network(
    throttle: &Throttle,
    user_id: i64,
    id: Uuid,
    network: &str,
) -> Result<(), DbError> {
    let tx = throttle.db.begin().await?;
    tx.lock_users([user_id]).await?;
    if tx.find_session_owners(&[id]).await?.is_empty() {
        return Ok(());
    }
    let now = tx.clock().now();
    // A stolen session must not make any number of networks known: each known network has attempts of its own.
    let is_new = tx
        .find_networks([user_id], now - NETWORK_KNOWN)
        .await?
        .iter()
        .all(|client| client.network != network);
    if is_new && !throttle.allows_network(&tx, user_id).await? {
        return Ok(());
    }
    tx.note_use_from(user_id, network.to_owned()).await?;
    tx.forget_oldest_clients(user_id, MOST_NETWORKS).await?;
    tx.commit().await
}

/// The running writer. It ends when nothing waits, or when its runtime ends.
struct Writer(LastSeen);

impl Writer {
    /// Takes everything that waits. `None` if nothing does: then the next call of [`LastSeen::note`] starts another
    /// writer.
    fn next(&self) -> Option<Vec<(Uuid, String)>> {
        let mut state = self.0.state();
        state.is_written = !state.waiting.is_empty();
        state
            .is_written
            .then(|| mem::take(&mut state.waiting).into_iter().collect())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.state().is_written = false;
    }
}
