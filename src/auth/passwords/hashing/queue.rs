//! The queue between requests and the threads that do their work.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::fair_queue::{FairQueue, Tag};
use crate::auth::unavailable::Unavailable;

/// The longest wait of a task. Work that would wait longer is refused at once.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// The longest queue of all networks together. A network with outstanding work can't add to a longer one.
const LONGEST_QUEUE: Duration = Duration::from_secs(8);

/// The same for a network without outstanding work. Networks with outstanding work can't fill this part of the queue.
const LONGEST_QUEUE_OF_FIRSTS: Duration = Duration::from_secs(16);

/// A queue that is fair by network, and only as long as its threads can serve in time.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    threads: u64,
    /// The time that a unit of work takes one thread, in nanoseconds, as measured so far.
    nanos_a_unit: AtomicU64,
}

struct State<T> {
    tasks: FairQueue<T>,
    /// How many threads wait for a task.
    idle: usize,
    is_closed: bool,
}

/// A permit for an amount of work. It counts as outstanding work of a network until it is dropped.
pub(super) struct Permit<'a, T> {
    queue: &'a Queue<T>,
    network: Arc<str>,
    work: u64,
}

impl<T> Queue<T> {
    /// Makes a queue for this number of threads. `head_start` is the work by which a network that was quiet goes ahead.
    /// `nanos_a_unit` is the assumed time for a unit of work until it is measured.
    pub(super) fn new(threads: u64, head_start: u64, nanos_a_unit: u64) -> Self {
        Self {
            state: Mutex::new(State {
                tasks: FairQueue::new(head_start),
                idle: 0,
                is_closed: false,
            }),
            arrived: Condvar::new(),
            threads,
            nanos_a_unit: AtomicU64::new(nanos_a_unit),
        }
    }

    /// Returns an error if work of this network would not be served in time. Reserves nothing.
    pub(super) fn has_room(&self, network: &str) -> Result<(), Unavailable> {
        self.check(&self.lock().tasks, network)
    }

    /// Admits this much work of a network, if it would be served in time.
    pub(super) fn permit(&self, network: &str, work: u64) -> Result<Permit<'_, T>, Unavailable> {
        let mut state = self.lock();
        self.check(&state.tasks, network)?;
        let network = Arc::from(network);
        state.tasks.admit(&network, work);
        Ok(Permit {
            queue: self,
            network,
            work,
        })
    }

    fn check(&self, tasks: &FairQueue<T>, network: &str) -> Result<(), Unavailable> {
        let nanos = self.nanos_a_unit.load(Ordering::Relaxed);
        let time = |work: u64| Duration::from_nanos(work.saturating_mul(nanos) / self.threads);
        let (wait, all) = (time(tasks.ahead_of(network)), time(tasks.outstanding()));
        let longest = if wait.is_zero() {
            LONGEST_QUEUE_OF_FIRSTS
        } else {
            LONGEST_QUEUE
        };
        if wait > LONGEST_WAIT {
            Err(Unavailable::Overloaded(wait))
        } else if all > longest {
            Err(Unavailable::Overloaded(all))
        } else {
            Ok(())
        }
    }

    /// How many tasks wait.
    pub(super) fn len(&self) -> usize {
        self.lock().tasks.len()
    }

    /// Waits for the next task, for a thread that has nothing else to do. `None` once the queue is closed.
    pub(super) fn wait(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.tasks.take() {
                return Some(task);
            }
            if state.is_closed {
                return None;
            }
            state.idle += 1;
            state = self
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Takes the next task that no idle thread will take, for a thread that is busy.
    pub(super) fn take(&self) -> Option<T> {
        self.lock().busy_tasks()?.take()
    }

    /// Like [`Queue::take`], for tasks of networks that were quiet.
    pub(super) fn take_quiet(&self) -> Option<T> {
        self.lock().busy_tasks()?.take_quiet()
    }

    /// Updates the estimated speed of the threads. Each measurement moves the estimate by a 64th of the difference. It
    /// counts as twice the estimate at most, so that one delayed thread does not distort it.
    pub(super) fn learn(&self, took: Duration, work: u64) {
        let known = self.nanos_a_unit.load(Ordering::Relaxed);
        let seen = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / work.max(1);
        let next = known - known / 64 + seen.min(2 * known) / 64;
        self.nanos_a_unit.store(next.max(64), Ordering::Relaxed);
    }

    /// Closes the queue. The threads end after the last task.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// The tasks, if there are more than idle threads.
    fn busy_tasks(&mut self) -> Option<&mut FairQueue<T>> {
        (self.tasks.len() > self.idle).then_some(&mut self.tasks)
    }
}

impl<T> Permit<'_, T> {
    pub(super) fn network(&self) -> &str {
        &self.network
    }

    /// Adds a task and waits for its reply. If the caller stops waiting, the task is removed from the queue.
    pub(super) async fn run<R>(
        &self,
        work: u64,
        task: impl FnOnce(oneshot::Sender<R>) -> T,
    ) -> Result<R, Unavailable> {
        let (reply, outcome) = oneshot::channel();
        let task = task(reply);
        let tag = self.queue.lock().tasks.push(&self.network, work, task);
        let _waiting = Waiting {
            queue: self.queue,
            tag,
        };
        self.queue.arrived.notify_one();
        outcome.await.map_err(|_| Unavailable::HashingFailed)
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.queue.lock().tasks.release(&self.network, self.work);
    }
}

/// A task whose caller is waiting for it.
struct Waiting<'a, T> {
    queue: &'a Queue<T>,
    tag: Tag,
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        let task = self.queue.lock().tasks.cancel(self.tag);
        // The task is dropped after the lock is released.
        drop(task);
    }
}
