//! The threads that hash passwords, so that nothing else waits behind bcrypt.
//!
//! As many as there are cores, which run when nobody else has anything to do, fed from a queue that is as long as whoever joins
//! it can expect to be served in time. Each runs several hashes interleaved, in lanes, which does a multiple of what it
//! would do of one after the other.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, LazyLock, Mutex, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use bcrypt_lanes::{LaneId, Lanes};
use subtle::ConstantTimeEq as _;
#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::password;

/// Who would wait longer than this for a lane is turned away at once.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// What a round of bcrypt is taken to cost, alone on a core, until it was timed: 0.3 s at cost 12.
const ASSUMED_NANOS_A_ROUND: u64 = 75_000;

/// How many times as much a core is taken to do in all of its lanes, until it was timed.
const ASSUMED_GAIN: u64 = 3;

/// How many rounds a lane is advanced by at a time.
const ROUNDS: u64 = 8;

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

enum Task {
    Hash {
        chain: Chain,
        reply: oneshot::Sender<Digest>,
        since: Instant,
    },
    /// Something else that takes its time.
    Work(Box<dyn FnOnce() + Send>),
}

/// A pool of threads that does nothing but hash.
#[derive(Debug)]
pub(crate) struct HashingThreads {
    tasks: mpsc::Sender<Task>,
    load: Arc<Load>,
    threads: u64,
}

/// How much is to be done, and how fast it goes.
#[derive(Debug)]
struct Load {
    /// Rounds of bcrypt that are queued or under way.
    rounds: AtomicU64,
    /// What a round costs one thread with all lanes busy, as last seen.
    nanos_a_round: AtomicU64,
    queued: AtomicU64,
    running: AtomicU64,
    done: AtomicU64,
    waited_nanos: AtomicU64,
}

/// A place in the queue: what a caller has hashed is counted until the caller is gone.
pub(crate) struct Place {
    tasks: mpsc::Sender<Task>,
    load: Arc<Load>,
    rounds: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.rounds.fetch_sub(self.rounds, Ordering::Relaxed);
    }
}

impl Place {
    /// Has a chain of hashes computed, and returns the first. Who gives up waiting gives up the lane.
    pub(crate) async fn hash(&self, chain: Chain) -> Result<Digest, HashingError> {
        let (reply, digest) = oneshot::channel();
        let since = Instant::now();
        self.load.queued.fetch_add(1, Ordering::Relaxed);
        self.send(Task::Hash {
            chain,
            reply,
            since,
        })?;
        digest.await.map_err(|_| HashingError::Failed)
    }

    /// Has something else done that takes its time, unless the caller is gone by then.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let (reply, outcome) = oneshot::channel();
        self.send(Task::Work(Box::new(move || {
            if !reply.is_closed() {
                // Whoever asked may have gone meanwhile, and then nobody wants it.
                let _ = reply.send(work());
            }
        })))?;
        outcome.await.map_err(|_| HashingError::Failed)
    }

    fn send(&self, task: Task) -> Result<(), HashingError> {
        self.tasks.send(task).map_err(|_| HashingError::Failed)
    }
}

impl HashingThreads {
    /// Starts a thread a core, with so many lanes each.
    pub(crate) fn start(lanes: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let gain = ASSUMED_GAIN.min(lanes as u64).max(1);
        let load = Arc::new(Load {
            rounds: AtomicU64::new(0),
            nanos_a_round: AtomicU64::new(ASSUMED_NANOS_A_ROUND / gain),
            queued: AtomicU64::new(0),
            running: AtomicU64::new(0),
            done: AtomicU64::new(0),
            waited_nanos: AtomicU64::new(0),
        });
        let (tasks, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads {
            let (queue, load) = (Arc::clone(&queue), Arc::clone(&load));
            thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || {
                    lower_priority();
                    // A panic has been reported where it happened, and the callers see their replies dropped.
                    while catch_unwind(AssertUnwindSafe(|| {
                        Worker::new(&queue, &load, lanes).work();
                    }))
                    .is_err()
                    {}
                })
                .expect("the system has threads to give when the service starts");
        }
        Self {
            tasks,
            load,
            threads,
        }
    }

    /// Takes a place in the queue for the work of one hash at this cost, if it is worth having.
    pub(crate) fn place(&self, cost: u32) -> Result<Place, HashingError> {
        // A cost that is none gets a place too: whoever hashes will say what is wrong with it.
        let rounds = 1 << cost.min(31);
        let before = self.load.rounds.fetch_add(rounds, Ordering::Relaxed);
        let place = Place {
            tasks: self.tasks.clone(),
            load: Arc::clone(&self.load),
            rounds,
        };
        let nanos_a_round = self.load.nanos_a_round.load(Ordering::Relaxed);
        let wait = Duration::from_nanos(before.saturating_mul(nanos_a_round) / self.threads);
        if wait > LONGEST_WAIT {
            return Err(HashingError::Overloaded(wait));
        }
        Ok(place)
    }

    pub(crate) fn counters(&self) -> HashingCounters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HashingCounters {
            queued: load(&self.load.queued),
            running: load(&self.load.running),
            done: load(&self.load.done),
            waited: Duration::from_nanos(load(&self.load.waited_nanos)),
        }
    }
}

impl Load {
    /// Follows the speed of the machine: each step of all lanes moves the estimate by a 64th of the difference, and counts as
    /// twice the estimate at most, so that one that was held up is not taken for the rule.
    fn learn(&self, took: Duration, rounds: u64) {
        let known = self.nanos_a_round.load(Ordering::Relaxed);
        let seen = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / rounds.max(1);
        let next = known - known / 64 + seen.min(2 * known) / 64;
        self.nanos_a_round.store(next.max(64), Ordering::Relaxed);
    }
}

/// A hash that has a lane.
struct Running {
    id: LaneId,
    chain: Chain,
    /// The first of the chain, once it is done.
    digest: Option<Digest>,
    reply: oneshot::Sender<Digest>,
}

/// What one thread has at hand.
struct Worker<'a> {
    queue: &'a Mutex<mpsc::Receiver<Task>>,
    load: &'a Load,
    lanes: Lanes,
    running: Vec<Running>,
}

impl<'a> Worker<'a> {
    fn new(queue: &'a Mutex<mpsc::Receiver<Task>>, load: &'a Load, lanes: usize) -> Self {
        let lanes = Lanes::new(lanes);
        let running = Vec::with_capacity(lanes.width());
        Self {
            queue,
            load,
            lanes,
            running,
        }
    }

    /// Works until the last sender is gone.
    fn work(&mut self) {
        loop {
            while self.lanes.has_free() {
                match self.next() {
                    Ok(task) => self.begin(task),
                    Err(TryRecvError::Disconnected) if self.running.is_empty() => return,
                    Err(_) => break,
                }
            }
            let busy = self.lanes.busy();
            let begun = Instant::now();
            self.lanes.advance();
            if busy == self.lanes.width() {
                self.load.learn(begun.elapsed(), busy as u64 * ROUNDS);
            }
            self.give_up_lanes();
            while let Some((id, digest)) = self.lanes.take_done() {
                self.end(id, digest);
            }
        }
    }

    /// The next task. Who has nothing to do waits for it; who has takes one that nobody waits for.
    fn next(&self) -> Result<Task, TryRecvError> {
        if self.running.is_empty() {
            // One thread waits in the channel, the others for the lock: it's the same queue.
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            return queue.recv().map_err(|_| TryRecvError::Disconnected);
        }
        match self.queue.try_lock() {
            Ok(queue) => queue.try_recv(),
            Err(TryLockError::Poisoned(queue)) => queue.into_inner().try_recv(),
            // Another waits there, and has more time.
            Err(TryLockError::WouldBlock) => Err(TryRecvError::Empty),
        }
    }

    fn begin(&mut self, task: Task) {
        let (chain, reply, since) = match task {
            Task::Hash {
                chain,
                reply,
                since,
            } => (chain, reply, since),
            Task::Work(work) => {
                // The panic has been reported where it happened; it is not to take the lanes with it.
                let _ = catch_unwind(AssertUnwindSafe(work));
                return;
            }
        };
        self.load.queued.fetch_sub(1, Ordering::Relaxed);
        if reply.is_closed() {
            return;
        }
        let waited = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.load.waited_nanos.fetch_add(waited, Ordering::Relaxed);
        if !*LANES_ARE_RIGHT {
            let _ = reply.send(one_by_one(&chain));
            return;
        }
        // Dropped, where bcrypt knows no such cost: the caller sees that it failed.
        if let Ok(id) = self.start(&chain.first) {
            self.load.running.fetch_add(1, Ordering::Relaxed);
            self.running.push(Running {
                id,
                chain,
                digest: None,
                reply,
            });
        }
    }

    fn start(&mut self, hash: &Hash) -> Result<LaneId, bcrypt_lanes::StartError> {
        self.lanes.start(hash.cost, hash.salt, &hash.password)
    }

    /// A hash is done: on with its chain, or back to the caller with it.
    fn end(&mut self, id: LaneId, digest: Digest) {
        let Some(place) = self.running.iter().position(|running| running.id == id) else {
            return;
        };
        let mut ended = self.running.swap_remove(place);
        let first = *ended.digest.get_or_insert(digest);
        if !ended.chain.is_as_expected(&first)
            && let Some(next) = ended.chain.then.pop()
            && let Ok(id) = self.start(&next)
        {
            self.running.push(Running { id, ..ended });
            return;
        }
        self.load.running.fetch_sub(1, Ordering::Relaxed);
        self.load.done.fetch_add(1, Ordering::Relaxed);
        // Whoever asked may have gone meanwhile, and then nobody wants it.
        let _ = ended.reply.send(first);
    }

    /// Frees the lanes of callers that have gone.
    fn give_up_lanes(&mut self) {
        let (lanes, load) = (&mut self.lanes, self.load);
        self.running.retain(|running| {
            let is_wanted = !running.reply.is_closed();
            if !is_wanted {
                lanes.give_up(running.id);
                load.running.fetch_sub(1, Ordering::Relaxed);
            }
            is_wanted
        });
    }
}

impl Drop for Worker<'_> {
    /// A worker that panics leaves nothing behind that is counted.
    fn drop(&mut self) {
        let left = self.running.len() as u64;
        self.load.running.fetch_sub(left, Ordering::Relaxed);
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

    fn is_as_expected(&self, digest: &Digest) -> bool {
        self.expected
            .is_some_and(|expected| expected.ct_eq(digest).into())
    }
}

/// Whether the lanes and the bcrypt crate say the same, on this machine: tried once.
static LANES_ARE_RIGHT: LazyLock<bool> = LazyLock::new(|| {
    let (cost, salt, text) = (4, *b"sixteen bytes ok", b"correct horse battery");
    let mut lanes = Lanes::new(1);
    let started = lanes.start(cost, salt, text);
    let found = loop {
        if lanes.advance() > 0 || started.is_err() {
            break lanes.take_done();
        }
    };
    let wanted = password::bcrypt_alone(text, cost, salt);
    let is_right = found.is_some_and(|(_, found)| Some(found) == wanted);
    if !is_right {
        tracing::warn!("interleaved bcrypt is wrong on this machine: hashing goes on one by one");
    }
    is_right
});

/// The same by the bcrypt crate.
fn one_by_one(chain: &Chain) -> Digest {
    let hash = |hash: &Hash| {
        password::bcrypt_alone(&hash.password, hash.cost, hash.salt).unwrap_or_default()
    };
    let first = hash(&chain.first);
    if !chain.is_as_expected(&first) {
        for next in &chain.then {
            std::hint::black_box(hash(next));
        }
    }
    first
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
