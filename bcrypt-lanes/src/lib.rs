//! The costly core of bcrypt, for several independent hashes interleaved in one thread.
//!
//! One bcrypt hash leaves most of a core idle: each of its table look-ups waits for the one before. [`Lanes`] advances up to
//! [`MAX_WIDTH`] hashes in turn, so that one's waiting is filled by the others; what each costs in time hardly changes, and a core does
//! several times as many. Hashes may differ in cost, start and end at any time; nobody waits for company.
//!
//! A worker gives each hash a lane, advances them all by a few rounds (well under a millisecond for all of them), takes out those that
//! are done, fills the free lanes from its queue, and so on:
//!
//! ```
//! # use bcrypt_lanes::{Lanes, StartError};
//! let mut lanes = Lanes::new(4);
//! let ada = lanes.start(4, [1; 16], b"correct horse")?;
//! let eve = lanes.start(5, [2; 16], b"battery staple")?;
//! while lanes.busy() > 0 {
//!     lanes.advance();
//!     while let Some((id, hash)) = lanes.take_done() {
//!         assert!(id == ada || id == eve);
//!         assert_eq!(hash.len(), 23);
//!     }
//! }
//! # Ok::<(), StartError>(())
//! ```
//!
//! It speaks bytes: the text form (`$2b$…`), random salts and the comparison of hashes are the caller's.
//!
//! How many lanes pay depends on the processor: four or five where S-boxes of 4 KiB a lane stay in the first-level cache, fewer
//! where a busy sibling thread shares it. `examples/speed.rs` measures it.
//!
//! What a lane holds is wiped when its hash is taken or given up, and when it is dropped; what the processor's registers spilled to the
//! stack is not. How long a hash takes depends on its cost and its neighbours and, as in every bcrypt, which places of its tables are
//! read depends on the password: another process on the same core could observe them.
//!
//! Source: N. Provos and D. Mazières, "A Future-Adaptable Password Scheme", USENIX 1999.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::fmt;

mod lane;
mod pi;
mod rounds;

use lane::{Lane, Stage};

/// How many lanes [`Lanes`] can have at most.
pub const MAX_WIDTH: usize = 8;

/// The lowest cost that bcrypt knows: 2⁴ rounds.
pub const MIN_COST: u32 = 4;

/// The highest cost that bcrypt knows: 2³¹ rounds.
pub const MAX_COST: u32 = 31;

/// A worker's lanes: places for a fixed number of hashes under way.
///
/// All memory is allocated at the start, a little over 4 KiB a lane.
pub struct Lanes {
    /// A box is swapped, the lane in it stays where it is.
    lanes: Vec<Box<Lane>>,
    started: u64,
}

/// A hash under way, as [`Lanes::start`] named it; no other of the same [`Lanes`] is ever named so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(u64);

/// Why a hash was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartError {
    /// The cost is not within [`MIN_COST`] and [`MAX_COST`].
    Cost(u32),
    /// Every lane is busy.
    NoFreeLane,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cost(cost) => write!(f, "cost {cost} is not within {MIN_COST} and {MAX_COST}"),
            Self::NoFreeLane => f.write_str("every lane is busy"),
        }
    }
}

impl std::error::Error for StartError {}

impl Lanes {
    /// Allocates `width` lanes, all free. A width below 1 counts as 1, one above [`MAX_WIDTH`] as [`MAX_WIDTH`].
    #[must_use]
    pub fn new(width: usize) -> Self {
        let free = || Box::new(Lane::free(LaneId(0)));
        Self {
            lanes: std::iter::repeat_with(free)
                .take(width.clamp(1, MAX_WIDTH))
                .collect(),
            started: 0,
        }
    }

    /// Starts a hash in a free lane.
    ///
    /// `password` comes without a closing NUL. Of password and NUL together, the first 72 bytes count; a NUL inside is a byte like
    /// any other. Whoever wants to refuse such passwords does it before.
    ///
    /// # Errors
    /// [`StartError::Cost`] when bcrypt knows no such cost, be a lane free or not; [`StartError::NoFreeLane`] until one is taken or given up.
    pub fn start(
        &mut self,
        cost: u32,
        salt: [u8; 16],
        password: &[u8],
    ) -> Result<LaneId, StartError> {
        if !(MIN_COST..=MAX_COST).contains(&cost) {
            return Err(StartError::Cost(cost));
        }
        let lane = self
            .lanes
            .iter_mut()
            .find(|lane| lane.stage == Stage::Free)
            .ok_or(StartError::NoFreeLane)?;
        self.started = self.started.wrapping_add(1);
        lane.id = LaneId(self.started);
        lane.start(cost, salt, password);
        Ok(lane.id)
    }

    /// Advances every running lane by eight rounds, each the schedule with the password and then with the salt: about as long as one
    /// hash of cost 3. Returns how many lanes are done and wait for [`take_done`](Self::take_done); with nothing to advance, nothing happens.
    pub fn advance(&mut self) -> usize {
        self.lanes.sort_unstable_by_key(|lane| lane.stage);
        match self.count(Stage::Running) {
            1 => self.step::<1>(),
            2 => self.step::<2>(),
            3 => self.step::<3>(),
            4 => self.step::<4>(),
            5 => self.step::<5>(),
            6 => self.step::<6>(),
            7 => self.step::<7>(),
            8 => self.step::<8>(),
            _ => {}
        }
        self.count(Stage::Done)
    }

    /// Finishes one of the hashes that are done, with all their rounds behind them, and frees its lane.
    ///
    /// The hash is the 23 bytes that bcrypt writes out, of 24: it drops the last.
    pub fn take_done(&mut self) -> Option<(LaneId, [u8; 23])> {
        let lane = self
            .lanes
            .iter_mut()
            .find(|lane| lane.stage == Stage::Done)?;
        let hash = lane.finish();
        lane.wipe();
        Some((lane.id, hash))
    }

    /// Gives a hash up, running or done, and frees its lane. Returns whether there was one: not when it was taken or given up before.
    pub fn give_up(&mut self, id: LaneId) -> bool {
        let lane = self
            .lanes
            .iter_mut()
            .find(|lane| lane.id == id && lane.stage != Stage::Free);
        lane.map(|lane| lane.wipe()).is_some()
    }

    /// How many lanes have a hash, running or done.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.width() - self.count(Stage::Free)
    }

    /// How many lanes there are.
    #[must_use]
    pub fn width(&self) -> usize {
        self.lanes.len()
    }

    /// Whether [`start`](Self::start) would find a lane.
    #[must_use]
    pub fn has_free(&self) -> bool {
        self.busy() < self.width()
    }

    fn count(&self, stage: Stage) -> usize {
        self.lanes.iter().filter(|lane| lane.stage == stage).count()
    }

    /// Advances the first `K` lanes.
    fn step<const K: usize>(&mut self) {
        if let Some(running) = self.lanes.first_chunk_mut::<K>() {
            rounds::advance(running);
            for lane in running {
                lane.count_step();
            }
        }
    }
}

/// Tells no secrets.
impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes")
            .field("width", &self.width())
            .field("busy", &self.busy())
            .finish_non_exhaustive()
    }
}
