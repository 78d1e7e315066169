//! The work of a hashing thread.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use bcrypt_lanes::{LaneId, Lanes};
use tokio::sync::oneshot;

use super::{
    chain::{Chain, Digest, Hash},
    queue::Queue,
};

/// How many rounds each lane advances in one step.
const ROUNDS: u64 = 8;

/// A chain of hashes, and the reply channel to the caller that waits for the first result.
pub(super) struct Task {
    pub(super) chain: Chain,
    pub(super) reply: oneshot::Sender<Digest>,
    pub(super) since: Instant,
}

/// Counters shared by all hashing threads.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) running: AtomicU64,
    pub(super) done: AtomicU64,
    pub(super) waited_nanos: AtomicU64,
}

/// A chain whose hash is running in a lane.
struct Running {
    id: LaneId,
    chain: Chain,
    /// The result of the first hash, once it is computed.
    digest: Option<Digest>,
    reply: oneshot::Sender<Digest>,
}

/// The state of one thread. The last free lane is reserved for networks that were quiet, so that they never wait for a
/// lane of a network that floods.
struct Worker<'a> {
    queue: &'a Queue<Task>,
    counters: &'a Counters,
    lanes: Lanes,
    running: Vec<Running>,
}

/// Hashes until the queue is closed, in this number of lanes and one more that is reserved.
pub(super) fn hash(queue: &Queue<Task>, counters: &Counters, lanes: usize) {
    // Wrong hashes would lock every user out, and the cause would be hard to find.
    if !are_lanes_right() {
        tracing::error!(
            "bcrypt gives wrong results on this machine: its memory or processor is faulty"
        );
        std::process::abort();
    }
    // The panic hook has reported the panic, and the callers' reply channels are closed.
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

    /// Takes another task, if there is a lane for it.
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
        // If bcrypt does not support the cost, the reply channel is dropped, and the caller gets an error.
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

    /// Handles a completed hash: starts the next of its chain, or sends the result to the caller.
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
        // The caller may have stopped waiting.
        let _ = ended.reply.send(first);
    }

    /// Frees the lanes of callers that have stopped waiting.
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
    /// Removes the hashes of a worker that panicked from the counter of running hashes.
    fn drop(&mut self) {
        let left = self.running.len() as u64;
        self.counters.running.fetch_sub(left, Ordering::Relaxed);
    }
}

/// A test vector. Source: made by the Python package bcrypt 5.0.0,
/// `$2b$04$a0j2bETjZg/gcVPjaw/tYujpN.Rbt9EJ19cDAfDSipnW0z0aLC9AG`.
const KNOWN_COST: u32 = 4;
const KNOWN_SALT: [u8; 16] = *b"sixteen bytes ok";
const KNOWN_PASSWORD: &[u8] = b"correct horse battery";
const KNOWN_DIGEST: Digest = [
    0x96, 0xb3, 0xc0, 0x4d, 0xdb, 0xff, 0x18, 0xbd, 0xff, 0x78, 0x50, 0xa1, 0x15, 0x49, 0x2b, 0xa5,
    0x8d, 0xb5, 0xd9, 0xc3, 0x44, 0xfc, 0x22,
];

/// Whether the lanes compute the test vector correctly on this machine.
fn are_lanes_right() -> bool {
    let mut lanes = Lanes::new(1);
    if lanes.start(KNOWN_COST, KNOWN_SALT, KNOWN_PASSWORD).is_err() {
        return false;
    }
    while lanes.advance() == 0 {}
    lanes
        .take_done()
        .is_some_and(|(_, digest)| digest == KNOWN_DIGEST)
}
