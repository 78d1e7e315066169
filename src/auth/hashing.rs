//! The threads that hash passwords, so that nothing else waits behind bcrypt.
//!
//! As many as there are cores, at the lowest priority, fed from a queue that is as long as whoever joins
//! it can expect to be served in time.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// Who would wait longer than this for a thread is turned away at once.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// What a round of bcrypt is taken to cost until the first hash was timed: 0.3 s at cost 12.
const ASSUMED_NANOS_A_ROUND: u64 = 75_000;

/// Why a password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Too many wait already; it would be this long until a thread is free.
    #[error("too many passwords wait to be hashed: about {0:?}")]
    Overloaded(Duration),
    /// The hash function panicked, which it never does.
    #[error("the hash function failed")]
    Failed,
}

type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads that does nothing but hash.
#[derive(Debug)]
pub(crate) struct HashingThreads {
    jobs: mpsc::Sender<Job>,
    load: Arc<Load>,
    threads: u64,
}

/// How much is to be done, and how fast it goes.
#[derive(Debug)]
struct Load {
    /// Rounds of bcrypt that are queued or under way.
    rounds: AtomicU64,
    /// What a round costs one thread, as last seen.
    nanos_a_round: AtomicU64,
}

/// Rounds that are to be done, until they are done or given up.
struct Queued {
    load: Arc<Load>,
    rounds: u64,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.load.rounds.fetch_sub(self.rounds, Ordering::Relaxed);
    }
}

impl HashingThreads {
    pub(crate) fn start() -> Self {
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || work(&queue))
                .expect("the system has threads to give when the service starts");
        }
        let load = Load {
            rounds: AtomicU64::new(0),
            nanos_a_round: AtomicU64::new(ASSUMED_NANOS_A_ROUND),
        };
        Self {
            jobs,
            load: Arc::new(load),
            threads,
        }
    }

    /// Has a thread do `job`, which is bcrypt at this cost, or a refusal before it came to that. When
    /// the caller gives up before its turn has come, it is not done.
    pub(crate) async fn run<T, E>(
        &self,
        cost: u32,
        job: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, HashingError>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        // A cost that is none gets a place too: the job will say what is wrong with it.
        let queued = self.queue(1 << cost.min(31))?;
        let (reply, result) = oneshot::channel();
        self.jobs
            .send(Box::new(move || {
                if reply.is_closed() {
                    return;
                }
                let begun = Instant::now();
                let outcome = job();
                queued
                    .load
                    .learn(begun.elapsed(), queued.rounds, outcome.is_ok());
                drop(queued);
                // Whoever asked may have gone meanwhile, and then nobody wants it.
                let _ = reply.send(outcome);
            }))
            .map_err(|_| HashingError::Failed)?;
        result.await.map_err(|_| HashingError::Failed)
    }

    /// Takes a place in the queue, if it is worth having.
    fn queue(&self, rounds: u64) -> Result<Queued, HashingError> {
        let before = self.load.rounds.fetch_add(rounds, Ordering::Relaxed);
        let queued = Queued {
            load: Arc::clone(&self.load),
            rounds,
        };
        let nanos_a_round = self.load.nanos_a_round.load(Ordering::Relaxed);
        let wait = Duration::from_nanos(before.saturating_mul(nanos_a_round) / self.threads);
        if wait > LONGEST_WAIT {
            return Err(HashingError::Overloaded(wait));
        }
        Ok(queued)
    }
}

impl Load {
    /// Follows the speed of the machine: each job moves the estimate by an eighth of the difference, and
    /// counts as twice the estimate at most, so that one that was held up is not taken for the rule. A
    /// refusal came before the hash, and tells nothing unless it took even longer.
    fn learn(&self, took: Duration, rounds: u64, is_whole: bool) {
        let known = self.nanos_a_round.load(Ordering::Relaxed);
        let seen = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / rounds;
        if is_whole || seen > known {
            let next = known - known / 8 + seen.min(2 * known) / 8;
            self.nanos_a_round.store(next.max(8), Ordering::Relaxed);
        }
    }
}

/// What one thread does, until the last sender is gone.
fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    lower_priority();
    loop {
        // One thread waits in the channel, the others for the lock: it's the same queue.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // The panic has been reported where it happened, and the caller sees the reply dropped.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

/// Lets every other thread of the machine go first. On Linux niceness belongs to the thread, elsewhere
/// to the process, whose other threads are not to suffer.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(err) = rustix::process::nice(19) {
        tracing::warn!(%err, "hashing threads run at normal priority");
    }
}
