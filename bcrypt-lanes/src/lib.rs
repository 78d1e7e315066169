//! The expensive core of bcrypt, for several independent hashes interleaved in one thread.
//!
//! A single bcrypt hash leaves most of a core idle, because each of its table look-ups waits for the one before.
//! [`Lanes`] advances up to [`MAX_WIDTH`] hashes alternately, so that one hash works while others wait. The time of
//! each hash hardly changes, and a core computes several times as many. Hashes may differ in cost, and may start and
//! end at any time. No hash waits for others to start.
//!
//! A worker starts each hash in a lane and advances all lanes by a few rounds, which takes well under a millisecond.
//! Then it takes the completed hashes, fills the free lanes from its queue, and repeats:
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
//! The interface is bytes. The caller handles the text form (`$2b$…`), random salts and the comparison of hashes.
//!
//! The best number of lanes depends on the processor. It is four or five if S-boxes of 4 KiB for each lane stay in the
//! first-level cache, and fewer if a busy sibling thread shares that cache. `cargo bench --bench figures -- lanes` in
//! bienvenue measures it.
//!
//! The content of a lane is wiped when its hash is taken or given up, and when the lane is dropped. Registers that the
//! compiler spilled to the stack are not wiped. The time of a hash depends on its cost and on the other lanes. As in
//! every bcrypt, the accessed table entries depend on the password, and another process on the same core could observe
//! them.
//!
//! Source: N. Provos and D. Mazières, "A Future-Adaptable Password Scheme", USENIX 1999.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::fmt;

mod lane;
mod pi;
mod rounds;

use lane::{Lane, Stage};

/// The maximum number of lanes.
pub const MAX_WIDTH: usize = 8;

/// The lowest cost of bcrypt: 2⁴ rounds.
pub const MIN_COST: u32 = 4;

/// The highest cost of bcrypt: 2³¹ rounds.
pub const MAX_COST: u32 = 31;

/// The lanes of a worker: places for a fixed number of running hashes.
///
/// All memory is allocated at the start: a little over 4 KiB for each lane.
pub struct Lanes {
    /// Sorting swaps the boxes. The lanes in them do not move.
    lanes: Vec<Box<Lane>>,
    started: u64,
}

/// The id of a hash, from [`Lanes::start`]. It is unique within its [`Lanes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(u64);

/// The reason why a hash was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartError {
    /// The cost is not between [`MIN_COST`] and [`MAX_COST`].
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
    /// Allocates `width` free lanes. A width below 1 counts as 1, and one above [`MAX_WIDTH`] as [`MAX_WIDTH`].
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
    /// `password` has no terminating NUL. The first 72 bytes of password and NUL together count. A NUL inside is a byte
    /// like any other. A caller that does not want such passwords must refuse them before.
    ///
    /// # Errors
    /// [`StartError::Cost`] when bcrypt does not support the cost, even if no lane is free. [`StartError::NoFreeLane`]
    /// until a hash is taken or given up.
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

    /// Advances every running lane by eight rounds. A round is a key schedule with the password and then one with the
    /// salt, so this takes about as long as one hash of cost 3.
    ///
    /// Returns how many completed hashes wait for [`take_done`](Self::take_done). Does nothing if no lane is running.
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

    /// Takes one of the completed hashes and frees its lane.
    ///
    /// The hash is the first 23 of 24 bytes: bcrypt drops the last.
    pub fn take_done(&mut self) -> Option<(LaneId, [u8; 23])> {
        let lane = self
            .lanes
            .iter_mut()
            .find(|lane| lane.stage == Stage::Done)?;
        let hash = lane.finish();
        lane.wipe();
        Some((lane.id, hash))
    }

    /// Gives up a hash, running or completed, and frees its lane. Returns `false` if it was already taken or given up.
    pub fn give_up(&mut self, id: LaneId) -> bool {
        let lane = self
            .lanes
            .iter_mut()
            .find(|lane| lane.id == id && lane.stage != Stage::Free);
        lane.map(|lane| lane.wipe()).is_some()
    }

    /// How many lanes have a hash, running or completed.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.width() - self.count(Stage::Free)
    }

    /// How many lanes there are.
    #[must_use]
    pub fn width(&self) -> usize {
        self.lanes.len()
    }

    /// Whether [`start`](Self::start) would find a free lane.
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

/// Prints no secrets.
impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes")
            .field("width", &self.width())
            .field("busy", &self.busy())
            .finish_non_exhaustive()
    }
}
