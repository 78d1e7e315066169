//! That sessions are in use: noted beside the requests that use them, and many at once where there are many.

use std::{
    collections::HashSet,
    error::Error,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;
use uuid::Uuid;

use crate::db::DB;

/// How many sessions wait to be noted at most: who comes when there are so many is noted at the next request.
const MOST_WAITING: usize = 10_000;

/// How many are noted in one statement.
const BATCH: usize = 200;

/// The sessions whose use is to be noted. All clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct LastSeen(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waiting: HashSet<Uuid>,
    /// Whether somebody is at it.
    is_written: bool,
}

impl LastSeen {
    /// Has it noted that a session is in use, unless that was within the last `step`, and does not wait for it.
    pub(super) fn note(&self, id: Uuid, db: &DB, step: TimeDelta) {
        let mut state = self.state();
        if state.waiting.len() < MOST_WAITING {
            state.waiting.insert(id);
        }
        if mem::replace(&mut state.is_written, true) {
            return;
        }
        let writer = Writer(self.clone());
        let db = db.clone();
        tokio::spawn(async move {
            while let Some(ids) = writer.next() {
                for ids in ids.chunks(BATCH) {
                    if let Err(err) = db.touch_sessions(ids, step).await {
                        let error = &err as &dyn Error;
                        tracing::debug!(error, "the use of {} sessions was not noted", ids.len());
                    }
                }
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever is at it, until nothing waits or its runtime ends.
struct Writer(LastSeen);

impl Writer {
    /// All that wait; nothing, and then the next note needs another writer.
    fn next(&self) -> Option<Vec<Uuid>> {
        let mut state = self.0.state();
        state.is_written = !state.waiting.is_empty();
        state.is_written.then(|| state.waiting.drain().collect())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.state().is_written = false;
    }
}
