//! Fair shares of limited resources: connections, running requests, bytes of bodies.
//!
//! A network may take another unit only while it holds fewer than are free. A network alone gets half of all units.
//! Beside another network that takes all it can, it gets a third, and so on. So something is always free for a network
//! that holds nothing yet. Source: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet
//! switches", 1998.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A number of units that networks share.
#[derive(Debug)]
pub(super) struct Shares(Mutex<Units>);

#[derive(Debug)]
struct Units {
    free: usize,
    /// The units of each network. A network without units has no entry.
    held: HashMap<Arc<str>, usize>,
}

/// The units of one holder, at first none. They are returned when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<Shares>,
    /// The network that it counts for. A holder with `None` may take every free unit.
    network: Option<Arc<str>>,
    amount: usize,
}

/// The reason why units are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The network already holds its share.
    PastShare,
    /// The network holds less than its share, but too few units are free.
    NoneFree,
}

impl Shares {
    pub(super) fn new(amount: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Units {
            free: amount,
            held: HashMap::new(),
        })))
    }

    /// An empty share of a network, or of a holder without a limit (`None`).
    pub(super) fn share_of(self: &Arc<Self>, network: Option<Arc<str>>) -> Share {
        Share {
            of: Arc::clone(self),
            network,
            amount: 0,
        }
    }

    fn units(&self) -> MutexGuard<'_, Units> {
        // No code panics while it holds the lock, and the counts would still be correct after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes more units: all of them or none.
    pub(super) fn take(&mut self, amount: usize) -> Result<(), Refusal> {
        self.take_beside(amount, 0)
    }

    /// Like [`Share::take`], but `spare` units that other holders would give up count as free when the share is
    /// checked.
    pub(super) fn take_beside(&mut self, amount: usize, spare: usize) -> Result<(), Refusal> {
        let mut units = self.of.units();
        if let Some(network) = &self.network {
            let held = units.held.get(network).copied().unwrap_or_default();
            // As if the units were taken one by one. Before the last of them, the network holds that many more, and
            // that many fewer are free.
            let before_last = amount.saturating_sub(1);
            if held + 2 * before_last >= units.free + spare {
                return Err(Refusal::PastShare);
            }
        }
        let Some(free) = units.free.checked_sub(amount) else {
            return Err(Refusal::NoneFree);
        };
        units.free = free;
        if let Some(network) = &self.network {
            *units.held.entry(Arc::clone(network)).or_default() += amount;
        }
        self.amount += amount;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.amount == 0 {
            return;
        }
        let mut units = self.of.units();
        units.free += self.amount;
        if let Some(network) = &self.network
            && let Some(held) = units.held.get_mut(network)
        {
            *held -= self.amount;
            if *held == 0 {
                units.held.remove(network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes units one by one until none is left.
    fn take_all(shares: &Arc<Shares>, network: Option<&str>) -> Vec<Share> {
        let network = network.map(Arc::from);
        let take = || {
            let mut share = shares.share_of(network.clone());
            share.take(1).is_ok().then_some(share)
        };
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn one_network_gets_half_the_next_a_third_of_the_rest_and_some_is_always_free() {
        let shares = Shares::new(1200);
        let first = take_all(&shares, Some("first"));
        let second = take_all(&shares, Some("second"));
        let third = take_all(&shares, Some("third"));
        assert_eq!((first.len(), second.len(), third.len()), (600, 300, 150));
        assert_eq!(shares.units().free, 150);
        // A network that holds more than what is free waits until others have returned units.
        drop(first);
        assert_eq!(take_all(&shares, Some("second")).len(), 225);
    }

    #[test]
    fn networks_that_take_in_turn_get_the_same() {
        let shares = Shares::new(1200);
        let mut held = Vec::new();
        let mut counts = [0; 3];
        loop {
            let before = held.len();
            for (network, count) in ["a", "b", "c"].into_iter().zip(&mut counts) {
                let mut share = shares.share_of(Some(network.into()));
                if share.take(1).is_ok() {
                    held.push(share);
                    *count += 1;
                }
            }
            if held.len() == before {
                break;
            }
        }
        assert_eq!(counts, [300; 3]);
    }

    #[test]
    fn many_units_at_once_are_as_many_one_by_one() {
        for total in [0, 1, 2, 7, 100] {
            for amount in 1..=total {
                let one_by_one = Shares::new(total);
                let possible = take_all(&one_by_one, Some("a")).len();
                let at_once = Shares::new(total).share_of(Some("a".into())).take(amount);
                assert_eq!(at_once.is_ok(), amount <= possible, "{amount} of {total}");
            }
        }
    }

    #[test]
    fn whoever_is_not_limited_takes_all_that_is_free_and_a_refusal_takes_nothing() {
        let shares = Shares::new(10);
        let mut limited = shares.share_of(Some("a".into()));
        assert_eq!(limited.take(6), Err(Refusal::PastShare));
        assert_eq!(limited.take(5), Ok(()));
        assert_eq!(limited.take(1), Err(Refusal::PastShare));
        assert_eq!(take_all(&shares, None).len(), 5);
        let unlimited = take_all(&shares, None);
        assert_eq!(unlimited.len(), 5);
        let mut late = shares.share_of(None);
        assert_eq!(late.take(1), Err(Refusal::NoneFree));
        let mut newcomer = shares.share_of(Some("b".into()));
        assert_eq!(newcomer.take(1), Err(Refusal::PastShare));
        // It is within its share if other holders would give up theirs, and gets a unit once they have.
        assert_eq!(newcomer.take_beside(1, 3), Err(Refusal::NoneFree));
        drop(unlimited);
        assert_eq!(newcomer.take_beside(1, 3), Ok(()));
        drop((limited, late, newcomer));
        let units = shares.units();
        assert_eq!((units.free, units.held.len()), (10, 0));
    }
}
