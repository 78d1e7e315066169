//! That sessions are in use, and from where: noted beside the requests that use them, and many at once where there are many.

use std::{
    collections::BTreeMap,
    error::Error,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;
use uuid::Uuid;

use super::{
    DbError,
    known_clients::{KNOWN, MOST_CLIENTS},
    throttle::Throttle,
};

/// How many sessions wait to be noted at most: one that comes when there are so many is noted at its next request.
const MOST_WAITING: usize = 10_000;

/// How many are noted in one statement.
const BATCH: usize = 200;

/// How exactly is known when a network was last used: it is known for 30 days.
const NETWORK_STEP: TimeDelta = TimeDelta::hours(1);

/// The sessions whose use is to be noted. All clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct LastSeen(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Each with the network that it was used from.
    waiting: BTreeMap<Uuid, String>,
    /// Whether somebody is at it.
    is_written: bool,
}

impl LastSeen {
    /// Has it noted that a session is in use, unless that was within the last `step`, and does not wait for it.
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
                        tracing::debug!(error, "the use of {} sessions was not noted", uses.len());
                    }
                }
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the use of sessions, each from a network.
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

/// Notes that a network is in use, unless the session that it was used by has ended: perhaps because of that.
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
    // A stolen session is not to make any number of networks known, each with attempts of its own.
    let is_new = tx
        .find_networks([user_id], now - KNOWN)
        .await?
        .iter()
        .all(|client| client.network != network);
    if is_new && !throttle.allows_network(&tx, user_id).await? {
        return Ok(());
    }
    tx.note_use_from(user_id, network.to_owned()).await?;
    tx.forget_oldest_clients(user_id, MOST_CLIENTS).await?;
    tx.commit().await
}

/// Whoever is at it, until nothing waits or its runtime ends.
struct Writer(LastSeen);

impl Writer {
    /// All that wait; nothing, and then the next note needs another writer.
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
