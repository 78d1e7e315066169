//! The queue between those who ask for work and the threads that do it.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    HashingError,
    fair_queue::{FairQueue, Tag},
};

/// Work that would wait longer than this is refused at once.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// No network adds to more work than this, however many networks share it.
const LONGEST_QUEUE: Duration = Duration::from_secs(8);

/// The same for networks that have no work outstanding: those that have can't fill this part.
const LONGEST_QUEUE_OF_FIRSTS: Duration = Duration::from_secs(16);

/// A queue that is fair by network, and as long as its threads can serve in time.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    threads: u64,
    /// What a unit of work costs one thread, as last seen.
    nanos_a_unit: AtomicU64,
}

struct State<T> {
    tasks: FairQueue<T>,
    /// How many threads wait for a task.
    idle: usize,
    is_over: bool,
}

/// The right to have so much work done, counted for a network until it is dropped.
pub(super) struct Permit<'a, T> {
    queue: &'a Queue<T>,
    network: Arc<str>,
    work: u64,
}

impl<T> Queue<T> {
    /// A queue for so many threads, in which a network that was quiet goes ahead by so much work. A unit of work is taken to cost so
    /// much until it was timed.
    pub(super) fn new(threads: u64, head_start: u64, nanos_a_unit: u64) -> Self {
        Self {
            state: Mutex::new(State {
                tasks: FairQueue::new(head_start),
                idle: 0,
                is_over: false,
            }),
            arrived: Condvar::new(),
            threads,
            nanos_a_unit: AtomicU64::new(nanos_a_unit),
        }
    }

    /// Whether work of this network would be served in time. Reserves nothing.
    pub(super) fn has_room(&self, network: &str) -> Result<(), HashingError> {
        self.check(&self.lock().tasks, network)
    }

    /// Admits so much work of a network, if it would be served in time.
    pub(super) fn permit(&self, network: &str, work: u64) -> Result<Permit<'_, T>, HashingError> {
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

    fn check(&self, tasks: &FairQueue<T>, network: &str) -> Result<(), HashingError> {
        let nanos = self.nanos_a_unit.load(Ordering::Relaxed);
        let time = |work: u64| Duration::from_nanos(work.saturating_mul(nanos) / self.threads);
        let (wait, all) = (time(tasks.ahead_of(network)), time(tasks.outstanding()));
        let longest = if wait.is_zero() {
            LONGEST_QUEUE_OF_FIRSTS
        } else {
            LONGEST_QUEUE
        };
        if wait > LONGEST_WAIT {
            Err(HashingError::Overloaded(wait))
        } else if all > longest {
            Err(HashingError::Overloaded(all))
        } else {
            Ok(())
        }
    }

    /// How many tasks wait.
    pub(super) fn len(&self) -> usize {
        self.lock().tasks.len()
    }

    /// The next task, for a thread that has nothing else to do: waits for it. Nothing once the queue is over.
    pub(super) fn wait(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.tasks.take() {
                return Some(task);
            }
            if state.is_over {
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

    /// The next task that no idle thread will take, for a thread that is at work.
    pub(super) fn take(&self) -> Option<T> {
        self.lock().busy_tasks()?.take()
    }

    /// The same, of a network that was quiet.
    pub(super) fn take_quiet(&self) -> Option<T> {
        self.lock().busy_tasks()?.take_quiet()
    }

    /// Follows the speed of the threads: each piece of work moves the estimate by a 64th of the difference, and counts as twice
    /// the estimate at most, so that one that was held up is not taken for the rule.
    pub(super) fn learn(&self, took: Duration, work: u64) {
        let known = self.nanos_a_unit.load(Ordering::Relaxed);
        let seen = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / work.max(1);
        let next = known - known / 64 + seen.min(2 * known) / 64;
        self.nanos_a_unit.store(next.max(64), Ordering::Relaxed);
    }

    /// Sends the threads home once the last task is done.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
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

    /// Has a task done, and waits for its reply. A caller that gives up waiting takes the task out of the queue.
    pub(super) async fn run<R>(
        &self,
        work: u64,
        task: impl FnOnce(oneshot::Sender<R>) -> T,
    ) -> Result<R, HashingError> {
        let (reply, outcome) = oneshot::channel();
        let task = task(reply);
        let tag = self.queue.lock().tasks.push(&self.network, work, task);
        let _waiting = Waiting {
            queue: self.queue,
            tag,
        };
        self.queue.arrived.notify_one();
        outcome.await.map_err(|_| HashingError::Failed)
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.queue.lock().tasks.release(&self.network, self.work);
    }
}

/// A task that waits as long as its caller does.
struct Waiting<'a, T> {
    queue: &'a Queue<T>,
    tag: Tag,
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        let task = self.queue.lock().tasks.cancel(self.tag);
        // Dropped when the lock is free again.
        drop(task);
    }
}
