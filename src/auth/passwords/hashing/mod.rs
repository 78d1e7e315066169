//! The threads that hash passwords, so that nothing else waits for bcrypt.
//!
//! There are as many threads as cores, and they run at the lowest priority. Each thread computes several hashes
//! interleaved, in lanes. That gives a multiple of the throughput of one hash after another. A separate thread checks
//! how easily passwords are guessed, so that nothing but hashing happens between two steps of the lanes. Each kind of
//! work has its own queue. A queue is fair by network, and only as long as its threads can serve in time.

mod chain;
mod fair_queue;
mod queue;
mod threads;
mod worker;

pub use threads::HashingCounters;

pub(super) use chain::{Chain, Digest, Hash};
pub(super) use threads::{HashingThreads, Place};
