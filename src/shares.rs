//! Shares of what there is so much of and no more: connections, requests being answered, bytes of bodies.
//!
//! A network may take another unit only while it holds less than what is free. Alone it gets half of all units, beside another
//! that takes all it can get a third, and so on: something is always free for a network that has nothing yet. Source: Choudhury and
//! Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A number of units that networks share.
#[derive(Debug)]
pub(crate) struct Shares(Mutex<Units>);

#[derive(Debug)]
struct Units {
    free: usize,
    /// What each network holds; those that hold nothing are not there.
    held: HashMap<Arc<str>, usize>,
}

/// What one holder has of the units: nothing at first. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<Shares>,
    /// The network that it counts for; none for a holder that may take whatever is free.
    network: Option<Arc<str>>,
    amount: usize,
}

/// Why there is no unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The network holds its share already.
    PastShare,
    /// The network holds less than its share, but too few units are free.
    NoneFree,
}

impl Shares {
    pub(crate) fn new(amount: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Units {
            free: amount,
            held: HashMap::new(),
        })))
    }

    /// A share of a network, or of a holder that is not limited, which has nothing yet.
    pub(crate) fn share_of(self: &Arc<Self>, network: Option<Arc<str>>) -> Share {
        Share {
            of: Arc::clone(self),
            network,
            amount: 0,
        }
    }

    fn units(&self) -> MutexGuard<'_, Units> {
        // Nothing panics while it is held; and counts are as right after a panic as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes so many more units: all of them or none.
    pub(crate) fn take(&mut self, amount: usize) -> Result<(), Refusal> {
        self.take_beside(amount, 0)
    }

    /// The same where others hold so many units that they would give up: those count as free when the share is judged.
    pub(crate) fn take_beside(&mut self, amount: usize, spare: usize) -> Result<(), Refusal> {
        let mut units = self.of.units();
        if let Some(network) = &self.network {
            let held = units.held.get(network).copied().unwrap_or_default();
            // As if taken one by one: before the last of them the network holds so many more, and so many fewer are free.
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

    /// Takes units one by one until there are no more.
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
        // Who holds more than what is free waits until others have given back.
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
        // It has a share where others would give up theirs, once they have.
        assert_eq!(newcomer.take_beside(1, 3), Err(Refusal::NoneFree));
        drop(unlimited);
        assert_eq!(newcomer.take_beside(1, 3), Ok(()));
        drop((limited, late, newcomer));
        let units = shares.units();
        assert_eq!((units.free, units.held.len()), (10, 0));
    }
}
