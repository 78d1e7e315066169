//! A queue that is fair by network: a network that sends many tasks delays its own tasks, not those of others.
//!
//! The algorithm is start-time fair queueing. Each task has a tag: how much work its network was given before, on a
//! scale that all networks share. The task with the lowest tag is next. The virtual time is the tag that the queue has
//! reached. A network that sends again after a pause starts a little before the virtual time. So its task goes ahead of
//! those of networks that never paused.
//!
//! Source: P. Goyal, H. Vin, H. Cheng, "Start-time Fair Queueing", SIGCOMM 1996; for the head start, K. Duda, D.
//! Cheriton, "Borrowed-Virtual-Time Scheduling", SOSP 1999.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// How many networks are remembered before the first clean-up of networks without work.
const FEW_NETWORKS: usize = 64;

/// The waiting tasks, and the outstanding work of each network. The caller chooses the unit of work.
pub(super) struct FairQueue<T> {
    waiting: BTreeMap<Tag, Waiting<T>>,
    networks: HashMap<Arc<str>, Network>,
    virtual_time: u64,
    head_start: u64,
    /// The outstanding work of all networks.
    outstanding: u64,
    /// How many networks have outstanding work.
    busy: u64,
    pushed: u64,
    /// The number of networks that triggers the next clean-up.
    forget_at: usize,
}

/// The place of a task in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag {
    start: u64,
    /// Among tasks with the same start, the first one is next.
    number: u64,
}

struct Waiting<T> {
    task: T,
    network: Arc<str>,
    work: u64,
}

#[derive(Default)]
struct Network {
    /// The work that is admitted and not yet released.
    outstanding: u64,
    /// The start of the tag of its next task.
    finish: u64,
}

impl<T> FairQueue<T> {
    /// An empty queue, with this head start for networks that were quiet, in units of work.
    pub(super) fn new(head_start: u64) -> Self {
        Self {
            waiting: BTreeMap::new(),
            networks: HashMap::new(),
            virtual_time: head_start,
            head_start,
            outstanding: 0,
            busy: 0,
            pushed: 0,
            forget_at: FEW_NETWORKS,
        }
    }

    /// The number of waiting tasks.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The outstanding work of all networks.
    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// How much work is done before a further task of this network, if all networks continue as now.
    pub(super) fn ahead_of(&self, network: &str) -> u64 {
        let known = self.networks.get(network);
        let own = known.map_or(0, |network| network.outstanding);
        own.saturating_mul(self.busy).min(self.outstanding)
    }

    /// Counts work as outstanding, until [`FairQueue::release`].
    pub(super) fn admit(&mut self, network: &Arc<str>, work: u64) {
        let known = self.networks.entry(Arc::clone(network)).or_default();
        self.busy += u64::from(known.outstanding == 0);
        known.outstanding += work;
        self.outstanding += work;
    }

    /// Releases work that [`FairQueue::admit`] counted.
    pub(super) fn release(&mut self, network: &str, work: u64) {
        let Some(known) = self.networks.get_mut(network) else {
            return;
        };
        known.outstanding -= work;
        self.outstanding -= work;
        self.busy -= u64::from(known.outstanding == 0);
        if self.outstanding == 0 {
            self.networks.clear();
        } else if self.networks.len() >= self.forget_at {
            let quiet = self.quiet();
            self.networks
                .retain(|_, network| network.outstanding > 0 || network.finish > quiet);
            self.forget_at = FEW_NETWORKS.max(2 * self.networks.len());
        }
    }

    /// Adds a task of a network that has outstanding work.
    pub(super) fn push(&mut self, network: &Arc<str>, work: u64, task: T) -> Tag {
        let quiet = self.quiet();
        let known = self.networks.entry(Arc::clone(network)).or_default();
        let start = known.finish.max(quiet);
        known.finish = start + work;
        self.pushed += 1;
        let tag = Tag {
            start,
            number: self.pushed,
        };
        let network = Arc::clone(network);
        let waiting = Waiting {
            task,
            network,
            work,
        };
        self.waiting.insert(tag, waiting);
        tag
    }

    /// Removes a task that is no longer needed, if it still waits. Its work no longer counts for its network.
    pub(super) fn cancel(&mut self, tag: Tag) -> Option<T> {
        let waiting = self.waiting.remove(&tag)?;
        if let Some(known) = self.networks.get_mut(&waiting.network) {
            known.finish = known.finish.saturating_sub(waiting.work);
        }
        Some(waiting.task)
    }

    /// Takes the next task.
    pub(super) fn take(&mut self) -> Option<T> {
        let (tag, Waiting { task, work, .. }) = self.waiting.pop_first()?;
        // Tasks with a head start also advance the virtual time, at half the rate of a fair share. So a network that
        // continues uses up its head start, and networks that send a single task each are forgotten in the end.
        let step = work / (2 * self.busy.max(1));
        self.virtual_time = tag.start.max(self.virtual_time + step.max(1));
        Some(task)
    }

    /// Takes the next task, if its network was quiet.
    pub(super) fn take_quiet(&mut self) -> Option<T> {
        let (tag, _) = self.waiting.first_key_value()?;
        (tag.start <= self.quiet()).then(|| self.take())?
    }

    /// The start of the tag of a task whose network was quiet.
    fn quiet(&self) -> u64 {
        self.virtual_time - self.head_start
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, FEW_NETWORKS, FairQueue};

    /// A queue with a head start of two tasks, for hashes of 1000 units of work each.
    fn queue() -> FairQueue<&'static str> {
        FairQueue::new(2000)
    }

    fn push(queue: &mut FairQueue<&'static str>, network: &'static str) {
        let key = Arc::from(network);
        queue.admit(&key, 1000);
        queue.push(&key, 1000, network);
    }

    fn take(queue: &mut FairQueue<&'static str>, count: usize) -> String {
        let taken: Vec<_> = (0..count).filter_map(|_| queue.take()).collect();
        taken.concat()
    }

    #[test]
    fn tasks_of_one_network_are_taken_in_their_order() {
        let mut queue = FairQueue::new(2);
        let network = Arc::from("a");
        for number in 0..10 {
            queue.push(&network, 1 + number % 3, number);
        }
        for number in 0..10 {
            assert_eq!(queue.take(), Some(number));
        }
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn networks_that_have_many_tasks_are_served_in_turn() {
        let mut queue = queue();
        for network in ["a", "b", "c"] {
            for _ in 0..4 {
                push(&mut queue, network);
            }
        }
        assert_eq!(take(&mut queue, 12), "abcabcabcabc");
    }

    #[test]
    fn a_network_with_longer_tasks_gets_no_more_work_done() {
        let mut queue = queue();
        let (long, short) = (Arc::from("a"), Arc::from("b"));
        for (network, work) in [(&long, 4000), (&short, 1000)] {
            queue.admit(network, 12 * work);
            for _ in 0..12 {
                queue.push(network, work, if work > 1000 { "a" } else { "b" });
            }
        }
        let taken = take(&mut queue, 10);
        assert_eq!(taken.matches('a').count(), 2, "{taken}");
    }

    #[test]
    fn the_task_of_a_quiet_network_goes_ahead_of_a_flood_of_one_and_of_fifty() {
        const NAMES: [&str; 2] = ["f", "q"];
        for flooding in [1, 50] {
            let mut queue = queue();
            let networks: Vec<Arc<str>> = (0..flooding)
                .map(|number| Arc::from(format!("f{number}")))
                .collect();
            for network in networks.iter().cycle().take(400) {
                queue.admit(network, 1000);
                queue.push(network, 1000, NAMES[0]);
            }
            take(&mut queue, 200);
            assert_eq!(queue.take_quiet(), None);
            push(&mut queue, NAMES[1]);
            assert_eq!(queue.take_quiet(), Some(NAMES[1]));
            // A second task at once uses the rest of the head start. After that, the network gets only its fair share.
            for _ in 0..50 {
                push(&mut queue, NAMES[1]);
            }
            let taken = take(&mut queue, 2 * flooding + 2);
            assert!(taken.starts_with('q'), "{taken}");
            assert!(taken.matches('q').count() <= 4, "{taken}");
        }
    }

    #[test]
    fn a_network_that_pauses_gets_its_head_start_again() {
        let mut queue = queue();
        for _ in 0..20 {
            push(&mut queue, "f");
        }
        push(&mut queue, "q");
        push(&mut queue, "q");
        take(&mut queue, 10);
        assert!(queue.take_quiet().is_none());
        push(&mut queue, "q");
        assert_eq!(queue.take_quiet(), Some("q"));
    }

    #[test]
    fn a_task_that_is_taken_back_is_not_served_and_not_counted() {
        let mut queue = queue();
        for _ in 0..3 {
            push(&mut queue, "f");
        }
        let network = Arc::from("q");
        queue.admit(&network, 1000);
        for _ in 0..100 {
            let tag = queue.push(&network, 1000, "q");
            assert_eq!(queue.cancel(tag), Some("q"));
            assert_eq!(queue.cancel(tag), None);
        }
        assert_eq!(queue.len(), 3);
        queue.push(&network, 1000, "q");
        assert_eq!(take(&mut queue, 4), "fqff");
    }

    #[test]
    fn the_work_ahead_is_that_of_all_or_as_much_of_each_as_of_ones_own() {
        let mut queue = queue();
        assert_eq!(queue.ahead_of("a"), 0);
        for _ in 0..10 {
            push(&mut queue, "a");
        }
        assert_eq!((queue.ahead_of("a"), queue.ahead_of("b")), (10_000, 0));
        push(&mut queue, "b");
        assert_eq!((queue.ahead_of("a"), queue.ahead_of("b")), (11_000, 2000));
        queue.release("b", 1000);
        assert_eq!((queue.ahead_of("a"), queue.ahead_of("b")), (10_000, 0));
        queue.release("a", 10_000);
        assert_eq!((queue.ahead_of("a"), queue.outstanding()), (0, 0));
    }

    #[test]
    fn networks_are_forgotten_when_nothing_is_outstanding_and_under_a_flood_that_never_ends() {
        let mut queue = queue();
        // At any time ten networks have one task each, and none sends a second one.
        for number in 0..10_000_u32 {
            let network = Arc::from(number.to_string());
            queue.admit(&network, 1000);
            queue.push(&network, 1000, "");
            if let Some(done) = number.checked_sub(10) {
                queue.take();
                queue.release(&done.to_string(), 1000);
            }
            assert!(queue.networks.len() <= 2 * FEW_NETWORKS);
        }
        for number in 9990..10_000 {
            queue.release(&number.to_string(), 1000);
        }
        assert_eq!(queue.networks.len(), 0);
    }
}
