//! The pool of threads, and the work that callers give it.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::oneshot;

use super::{
    chain::{Chain, Digest, rounds},
    queue::{Permit, Queue},
    worker::{self, Counters, Task},
};
use crate::auth::unavailable::Unavailable;

/// The assumed time of a bcrypt round alone on a core, until it is measured: 0.3 s for a hash at cost 12.
const ASSUMED_NANOS_A_ROUND: u64 = 75_000;

/// The assumed gain in throughput of a core that uses all its lanes, until it is measured.
const ASSUMED_GAIN: u64 = 3;

/// The assumed time of the check of a password, until it is measured.
const ASSUMED_NANOS_A_CHECK: u64 = 1_000_000;

/// The units of work of one check. The queue calculates with fractions of a check.
const CHECK: u64 = 1000;

/// The head start of a network that was quiet, in hashes or checks: as many as a change of a password takes.
const HEAD_START: u64 = 2;

/// Counters of the hashing threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashingCounters {
    /// How many hashes wait for a lane.
    pub queued: u64,
    /// How many hashes are running.
    pub running: u64,
    /// How many hashes were completed since the start.
    pub done: u64,
    /// The total time that started hashes waited for a lane.
    pub waited: Duration,
}

/// A check to run. It sends its own reply.
type Check = Box<dyn FnOnce() + Send>;

/// A pool of threads that only hash, and one thread that checks passwords.
pub(in crate::auth::passwords) struct HashingThreads {
    /// The queue of hashes. The unit of work is a bcrypt round.
    hashes: Arc<Queue<Task>>,
    /// The queue of checks. The unit of work is a thousandth of a check.
    checks: Arc<Queue<Check>>,
    counters: Arc<Counters>,
}

/// A place in the queue. Its work counts for the network of the caller until the place is dropped.
pub(in crate::auth::passwords) struct Place<'a> {
    hashes: Permit<'a, Task>,
    checks: &'a Queue<Check>,
}

impl Place<'_> {
    /// Computes a chain of hashes and returns the result of the first. If the caller stops waiting, the lane is freed.
    pub(in crate::auth::passwords) async fn hash(
        &self,
        chain: Chain,
    ) -> Result<Digest, Unavailable> {
        let (since, rounds) = (Instant::now(), chain.rounds());
        let task = |reply| Task {
            chain,
            reply,
            since,
        };
        self.hashes.run(rounds, task).await
    }

    /// Runs a check of a password on the checking thread.
    pub(in crate::auth::passwords) async fn check<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let permit = self.checks.permit(self.hashes.network(), CHECK)?;
        let task = |reply: oneshot::Sender<T>| -> Check {
            Box::new(move || {
                // The caller may have stopped waiting.
                let _ = reply.send(check());
            })
        };
        permit.run(CHECK, task).await
    }
}

impl HashingThreads {
    /// Starts one thread for each core. Each has `lanes` lanes and one more that is reserved. `cost` is the usual cost
    /// of the hashes.
    pub(in crate::auth::passwords) fn start(lanes: usize, cost: u32) -> Self {
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let gain = ASSUMED_GAIN.min(lanes as u64).max(1);
        let head_start = HEAD_START * rounds(cost);
        let assumed = ASSUMED_NANOS_A_ROUND / gain;
        let hashes = Arc::new(Queue::new(threads, head_start, assumed));
        let checks = Arc::new(Queue::new(
            1,
            HEAD_START * CHECK,
            ASSUMED_NANOS_A_CHECK / CHECK,
        ));
        let counters = Arc::new(Counters::default());
        for number in 0..threads {
            let (hashes, counters) = (Arc::clone(&hashes), Arc::clone(&counters));
            spawn(format!("hashing-{number}"), move || {
                worker::hash(&hashes, &counters, lanes);
            });
        }
        let queue = Arc::clone(&checks);
        spawn("checking".to_owned(), move || check(&queue));
        Self {
            hashes,
            checks,
            counters,
        }
    }

    /// Returns an error if there is no place for this network now. Reserves nothing. Lets a caller skip the work before
    /// [`HashingThreads::place`].
    pub(in crate::auth::passwords) fn has_room(&self, network: &str) -> Result<(), Unavailable> {
        self.hashes.has_room(network)
    }

    /// Takes a place in the queue for one hash at this cost, if it would be done in time. Callers without a known
    /// network share the empty one.
    pub(in crate::auth::passwords) fn place(
        &self,
        cost: u32,
        network: &str,
    ) -> Result<Place<'_>, Unavailable> {
        Ok(Place {
            hashes: self.hashes.permit(network, rounds(cost))?,
            checks: &self.checks,
        })
    }

    pub(in crate::auth::passwords) fn counters(&self) -> HashingCounters {
        let counters = &self.counters;
        HashingCounters {
            queued: self.hashes.len() as u64,
            running: counters.running.load(Ordering::Relaxed),
            done: counters.done.load(Ordering::Relaxed),
            waited: Duration::from_nanos(counters.waited_nanos.load(Ordering::Relaxed)),
        }
    }
}

impl Drop for HashingThreads {
    fn drop(&mut self) {
        self.hashes.close();
        self.checks.close();
    }
}

impl fmt::Debug for HashingThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashingThreads")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// Starts a thread at the lowest priority.
fn spawn(name: String, work: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .name(name)
        .spawn(move || {
            lower_priority();
            work();
        })
        .expect("the system has threads to give when the service starts");
}

/// Runs the checks of a queue until it is closed.
fn check(queue: &Queue<Check>) {
    while let Some(check) = queue.wait() {
        let begun = Instant::now();
        // The panic hook has reported the panic, and the caller's reply channel is closed.
        let _ = catch_unwind(AssertUnwindSafe(check));
        queue.learn(begun.elapsed(), CHECK);
    }
}

/// Sets the lowest priority: every other thread of the machine runs first. Under the idle policy, another thread that
/// becomes ready takes the core at once. With niceness alone, it would wait for the end of this thread's time slice.
///
/// On Linux, both settings belong to the thread. Elsewhere niceness belongs to the process, whose other threads must
/// not be slowed down.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let thread = thread_native_id();
        if set_thread_priority_and_policy(thread, ThreadPriority::Min, idle).is_err()
            && let Err(err) = rustix::process::nice(19)
        {
            tracing::warn!(%err, "hashing threads run at normal priority");
        }
    }
}
