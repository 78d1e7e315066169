//! The threads that hash passwords, so that nothing else waits behind bcrypt.
//!
//! There are as many as cores, and they run when nobody else has anything to do. Each runs several hashes interleaved, in lanes,
//! which does a multiple of what it would do of one after the other. Another thread checks how easily passwords are guessed, so that
//! nothing but hashing happens between two steps of the lanes. Each kind of work has its queue, which is fair by network
//! and as long as can be served in time.

mod fair_queue;
mod queue;
mod worker;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use queue::{Permit, Queue};
use subtle::ConstantTimeEq as _;
#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::oneshot;
use worker::{Counters, Task};
use zeroize::Zeroizing;

/// What a round of bcrypt is taken to cost, alone on a core, until it was timed: 0.3 s at cost 12.
const ASSUMED_NANOS_A_ROUND: u64 = 75_000;

/// How many times as much a core is taken to do in all of its lanes, until it was timed.
const ASSUMED_GAIN: u64 = 3;

/// How long the check of a password is taken to last, until it was timed.
const ASSUMED_NANOS_A_CHECK: u64 = 1_000_000;

/// What a check counts as in the queue of checks: the queue reckons with parts of one.
const CHECK: u64 = 1000;

/// By how many hashes or checks the work of a network that was quiet goes ahead: what a change of a password takes.
const HEAD_START: u64 = 2;

/// Why a password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Too many wait already; it would be this long until a lane is free.
    #[error("too many passwords wait to be hashed: about {0:?}")]
    Overloaded(Duration),
    /// The hash function panicked, which it never does.
    #[error("the hash function failed")]
    Failed,
}

/// What the threads have done so far, and are at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashingCounters {
    /// How many hashes wait for a lane.
    pub queued: u64,
    /// How many are under way.
    pub running: u64,
    /// How many were done since the start.
    pub done: u64,
    /// How long these waited for a lane, all together.
    pub waited: Duration,
}

/// A bcrypt hash that is to be computed.
pub(crate) struct Hash {
    /// 2 to the power of it are the rounds.
    pub(crate) cost: u32,
    pub(crate) salt: [u8; 16],
    pub(crate) password: Zeroizing<Vec<u8>>,
}

/// What bcrypt makes of them.
pub(crate) type Digest = [u8; 23];

/// A hash, and those that follow in the same lane unless it is as expected: the work of a refusal is done in one go, so that
/// how long it takes does not depend on the queue.
pub(crate) struct Chain {
    pub(crate) first: Hash,
    pub(crate) expected: Option<Digest>,
    pub(crate) then: Vec<Hash>,
}

/// A check that is to be done, with its reply.
type Check = Box<dyn FnOnce() + Send>;

/// A pool of threads that does nothing but hash, and one that checks passwords.
pub(crate) struct HashingThreads {
    /// Their work is counted in rounds of bcrypt.
    hashes: Arc<Queue<Task>>,
    /// Their work is counted in checks.
    checks: Arc<Queue<Check>>,
    counters: Arc<Counters>,
}

/// A place in the queue: what a caller has hashed is counted for its network until the caller is gone.
pub(crate) struct Place<'a> {
    hashes: Permit<'a, Task>,
    checks: &'a Queue<Check>,
}

impl Place<'_> {
    /// Has a chain of hashes computed, and returns the first. A caller that gives up waiting gives up the lane.
    pub(crate) async fn hash(&self, chain: Chain) -> Result<Digest, HashingError> {
        let (since, rounds) = (Instant::now(), chain.rounds());
        let task = |reply| Task {
            chain,
            reply,
            since,
        };
        self.hashes.run(rounds, task).await
    }

    /// Has a password checked, on the thread for that.
    pub(crate) async fn check<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let permit = self.checks.permit(self.hashes.network(), CHECK)?;
        let task = |reply: oneshot::Sender<T>| -> Check {
            Box::new(move || {
                // The caller may go meanwhile, and then nobody wants it.
                let _ = reply.send(check());
            })
        };
        permit.run(CHECK, task).await
    }
}

impl HashingThreads {
    /// Starts a thread a core, with so many lanes each and one to spare, for hashes of this cost mostly.
    pub(crate) fn start(lanes: usize, cost: u32) -> Self {
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

    /// Whether there is a place for this network now. Reserves nothing: it spares a caller what comes before
    /// [`HashingThreads::place`].
    pub(crate) fn has_room(&self, network: &str) -> Result<(), HashingError> {
        self.hashes.has_room(network)
    }

    /// Takes a place in the queue for the work of one hash at this cost, if it would be done in time. Callers that are of no known network
    /// share an empty one.
    pub(crate) fn place(&self, cost: u32, network: &str) -> Result<Place<'_>, HashingError> {
        Ok(Place {
            hashes: self.hashes.permit(network, rounds(cost))?,
            checks: &self.checks,
        })
    }

    pub(crate) fn counters(&self) -> HashingCounters {
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
        self.hashes.end();
        self.checks.end();
    }
}

impl fmt::Debug for HashingThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashingThreads")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// How many rounds a hash has. A cost that bcrypt does not know has some too: the thread that hashes says what is wrong with it.
fn rounds(cost: u32) -> u64 {
    1 << cost.min(31)
}

/// Starts a thread that lets all others go first.
fn spawn(name: String, work: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .name(name)
        .spawn(move || {
            lower_priority();
            work();
        })
        .expect("the system has threads to give when the service starts");
}

/// Does the checks of a queue until it is over.
fn check(queue: &Queue<Check>) {
    while let Some(check) = queue.wait() {
        let begun = Instant::now();
        // A panic has been reported where it happened, and the caller sees its reply dropped.
        let _ = catch_unwind(AssertUnwindSafe(check));
        queue.learn(begun.elapsed(), CHECK);
    }
}

impl Chain {
    /// One hash, and nothing after it.
    pub(crate) fn of(first: Hash) -> Self {
        Self {
            first,
            expected: None,
            then: Vec::new(),
        }
    }

    /// How many rounds it has if the first hash is not as expected.
    fn rounds(&self) -> u64 {
        let all = self.then.iter().chain([&self.first]);
        all.map(|hash| rounds(hash.cost)).sum()
    }

    fn is_as_expected(&self, digest: &Digest) -> bool {
        self.expected
            .is_some_and(|expected| expected.ct_eq(digest).into())
    }
}

/// Lets every other thread of the machine go first: a thread that has something to do takes the core from an idle one at
/// once, and waits for a nice one to end its slice. Both belong to the thread on Linux, elsewhere niceness belongs to the
/// process, whose other threads are not to suffer.
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
