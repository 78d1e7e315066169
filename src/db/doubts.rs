//! Reasons to distrust the connections of the pool. To test each connection before every use would cost a round trip
//! for each query.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long after a query was cut off connections are tested when they return to the pool: its own connection, and
/// those that went silent with it.
const CAUTIOUS: Duration = Duration::from_secs(10);

/// What recent queries have shown about the database. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubts(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    cut_off: Option<Instant>,
    read_only: Option<Instant>,
    is_read_only: bool,
}

/// A running query. If it is dropped before [`Asked::was_answered`], it was cut off.
pub(super) struct Asked<'a> {
    doubts: &'a Doubts,
    is_answered: bool,
}

impl Doubts {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ask(&self) -> Asked<'_> {
        Asked {
            doubts: self,
            is_answered: false,
        }
    }

    pub(super) fn found_read_only(&self) {
        let mut heard = self.heard();
        heard.read_only = Some(Instant::now());
        heard.is_read_only = true;
    }

    /// When writes work again for the first time, connections that were opened before that moment become doubtful too.
    pub(super) fn found_writable(&self) {
        let mut heard = self.heard();
        if std::mem::take(&mut heard.is_read_only) {
            heard.read_only = Some(Instant::now());
        }
    }

    /// Whether a connection may never answer again.
    pub(super) fn may_be_silent(&self) -> bool {
        self.heard()
            .cut_off
            .is_some_and(|cut_off| cut_off.elapsed() < CAUTIOUS)
    }

    /// Whether a connection of this age was opened before the database was found to be read-only. It may lead to a
    /// server that stays read-only, while a new connection leads to the server that accepts writes.
    pub(super) fn is_of_read_only(&self, age: Duration) -> bool {
        self.heard()
            .read_only
            .is_some_and(|found| found.elapsed() <= age)
    }
}

impl Asked<'_> {
    pub(super) fn was_answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.doubts.heard().cut_off = Some(Instant::now());
        }
    }
}
