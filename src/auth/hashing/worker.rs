//! What a hashing thread does.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bcrypt_lanes::{LaneId, Lanes};
use tokio::sync::oneshot;

use super::{Chain, Digest, Hash, queue::Queue};
use crate::auth::password;

/// How many rounds a lane is advanced by at a time.
const ROUNDS: u64 = 8;

/// A chain of hashes, and the caller that waits for the first of them.
pub(super) struct Task {
    pub(super) chain: Chain,
    pub(super) reply: oneshot::Sender<Digest>,
    pub(super) since: Instant,
}

/// What the threads have done so far, and are at.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) running: AtomicU64,
    pub(super) done: AtomicU64,
    pub(super) waited_nanos: AtomicU64,
}

/// A hash that has a lane.
struct Running {
    id: LaneId,
    chain: Chain,
    /// The first of the chain, once it is done.
    digest: Option<Digest>,
    reply: oneshot::Sender<Digest>,
}

/// What one thread has at hand. Its last free lane is for networks that were quiet: they wait for no lane of a network that floods.
struct Worker<'a> {
    queue: &'a Queue<Task>,
    counters: &'a Counters,
    lanes: Lanes,
    running: Vec<Running>,
}

/// Hashes, in so many lanes and one to spare, until the queue is over.
pub(super) fn hash(queue: &Queue<Task>, counters: &Counters, lanes: usize) {
    // A panic has been reported where it happened, and the callers see their replies dropped.
    while catch_unwind(AssertUnwindSafe(|| {
        Worker::new(queue, counters, lanes).work();
    }))
    .is_err()
    {}
}

impl<'a> Worker<'a> {
    fn new(queue: &'a Queue<Task>, counters: &'a Counters, lanes: usize) -> Self {
        let lanes = Lanes::new(lanes.saturating_add(1));
        let running = Vec::with_capacity(lanes.width());
        Self {
            queue,
            counters,
            lanes,
            running,
        }
    }

    fn work(&mut self) {
        loop {
            if self.running.is_empty() {
                let Some(task) = self.queue.wait() else {
                    return;
                };
                self.begin(task);
            }
            while let Some(task) = self.next() {
                self.begin(task);
            }
            let busy = self.lanes.busy();
            let begun = Instant::now();
            self.lanes.advance();
            if busy + 1 >= self.lanes.width() {
                self.queue.learn(begun.elapsed(), busy as u64 * ROUNDS);
            }
            self.give_up_lanes();
            while let Some((id, digest)) = self.lanes.take_done() {
                self.end(id, digest);
            }
        }
    }

    /// A further task, if there is a lane for it.
    fn next(&self) -> Option<Task> {
        match self.lanes.width() - self.lanes.busy() {
            0 => None,
            1 => self.queue.take_quiet(),
            _ => self.queue.take(),
        }
    }

    fn begin(&mut self, task: Task) {
        let Task {
            chain,
            reply,
            since,
        } = task;
        if reply.is_closed() {
            return;
        }
        let waited = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.counters
            .waited_nanos
            .fetch_add(waited, Ordering::Relaxed);
        if !*LANES_ARE_RIGHT {
            let _ = reply.send(one_by_one(&chain));
            return;
        }
        // Dropped, where bcrypt knows no such cost: the caller sees that it failed.
        if let Ok(id) = self.start(&chain.first) {
            self.counters.running.fetch_add(1, Ordering::Relaxed);
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
        self.counters.running.fetch_sub(1, Ordering::Relaxed);
        self.counters.done.fetch_add(1, Ordering::Relaxed);
        // Whoever asked may have gone meanwhile, and then nobody wants it.
        let _ = ended.reply.send(first);
    }

    /// Frees the lanes of callers that have gone.
    fn give_up_lanes(&mut self) {
        let (lanes, counters) = (&mut self.lanes, self.counters);
        self.running.retain(|running| {
            let is_wanted = !running.reply.is_closed();
            if !is_wanted {
                lanes.give_up(running.id);
                counters.running.fetch_sub(1, Ordering::Relaxed);
            }
            is_wanted
        });
    }
}

impl Drop for Worker<'_> {
    /// A worker that panics leaves nothing behind that is counted.
    fn drop(&mut self) {
        let left = self.running.len() as u64;
        self.counters.running.fetch_sub(left, Ordering::Relaxed);
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
