//! The state of one hash: its start, its final encryption, and its wiping.

use std::iter;

use zeroize::Zeroize;

use crate::{
    LaneId, pi,
    rounds::{PAIRS, ROUNDS_A_STEP, encrypt},
};

/// How many bytes of a password count, including the terminating NUL.
const PASSWORD_LEN: usize = 72;

/// The text that bcrypt encrypts in the end: `OrpheanBeholderScryDoubt`.
const TEXT: [[u32; 2]; 3] = [
    [0x4f72_7068, 0x6561_6e42],
    [0x6568_6f6c, 0x6465_7253],
    [0x6372_7944, 0x6f75_6274],
];

/// How many times it encrypts the text.
const ENCRYPTIONS: usize = 64;

/// The stage of a lane. [`Lanes`](crate::Lanes) sorts lanes in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Running,
    Done,
    Free,
}

/// A place for one hash. It is boxed and never moved out of its box, because a move would leave a copy of the secrets
/// behind.
pub struct Lane {
    pub stage: Stage,
    pub id: LaneId,
    pub boxes: [[u32; 256]; 4],
    pub subkeys: [u32; 18],
    /// The password, repeated over as many words as there are subkeys.
    password: [u32; 18],
    salt: [u32; 4],
    steps_left: u32,
}

impl Lane {
    pub const fn free(id: LaneId) -> Self {
        Self {
            stage: Stage::Free,
            id,
            boxes: [[0; 256]; 4],
            subkeys: [0; 18],
            password: [0; 18],
            salt: [0; 4],
            steps_left: 0,
        }
    }

    /// Starts a hash. `cost` must be 4 to 31.
    pub fn start(&mut self, cost: u32, salt: [u8; 16], password: &[u8]) {
        self.stage = Stage::Running;
        self.steps_left = (1 << cost) / ROUNDS_A_STEP;
        self.boxes = pi::BOXES;
        self.subkeys = pi::SUBKEYS;

        let mut bytes = password
            .iter()
            .chain(iter::once(&0))
            .take(PASSWORD_LEN)
            .cycle();
        for word in &mut self.password {
            *word = bytes
                .by_ref()
                .take(4)
                .fold(0, |word, &byte| word << 8 | u32::from(byte));
        }
        for (word, bytes) in self.salt.iter_mut().zip(salt.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        self.expand_salted();
    }

    /// The first key schedule, with password and salt at once.
    fn expand_salted(&mut self) {
        self.mix_password();
        let [a, b, c, d] = self.salt;
        let (mut left, mut right) = (0, 0);
        for (pair, salt) in (0..PAIRS).zip([[a, b], [c, d]].into_iter().cycle()) {
            [left, right] = self.encrypt_one([left ^ salt[0], right ^ salt[1]]);
            self.put(pair, left, right);
        }
    }

    pub fn mix_password(&mut self) {
        for (subkey, word) in self.subkeys.iter_mut().zip(self.password) {
            *subkey ^= word;
        }
    }

    pub fn mix_salt(&mut self) {
        for (subkey, word) in self.subkeys.iter_mut().zip(self.salt.iter().cycle()) {
            *subkey ^= word;
        }
    }

    /// Replaces one of the [`PAIRS`] of words in the key schedule: first the subkeys, then the S-boxes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the innermost loop")]
    pub fn put(&mut self, pair: usize, left: u32, right: u32) {
        let (subkeys, _) = self.subkeys.as_chunks_mut::<2>();
        let (boxes, _) = self.boxes.as_flattened_mut().as_chunks_mut::<2>();
        let place = if pair < 9 {
            subkeys.get_mut(pair)
        } else {
            boxes.get_mut(pair - 9)
        };
        if let Some(place) = place {
            *place = [left, right];
        }
    }

    /// Counts a step after [`advance`](crate::rounds::advance).
    pub fn count_step(&mut self) {
        self.steps_left = self.steps_left.saturating_sub(1);
        if self.steps_left == 0 {
            self.stage = Stage::Done;
        }
    }

    /// Runs the final encryption. bcrypt drops the last byte of its result.
    pub fn finish(&mut self) -> [u8; 23] {
        let encrypted =
            TEXT.map(|block| (0..ENCRYPTIONS).fold(block, |block, _| self.encrypt_one(block)));
        let words = encrypted.as_flattened().iter();
        let mut hash = [0; 23];
        for (place, byte) in hash
            .iter_mut()
            .zip(words.flat_map(|word| word.to_be_bytes()))
        {
            *place = byte;
        }
        hash
    }

    /// Wipes the secrets and frees the lane.
    pub fn wipe(&mut self) {
        self.stage = Stage::Free;
        self.boxes.zeroize();
        self.subkeys.zeroize();
        self.password.zeroize();
        self.salt.zeroize();
        self.steps_left = 0;
    }

    fn encrypt_one(&mut self, [left, right]: [u32; 2]) -> [u32; 2] {
        let ([left], [right]) = encrypt(&[self], [left], [right]);
        [left, right]
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, Stage};
    use crate::Lanes;

    fn is_wiped(lane: &Lane) -> bool {
        let words = lane.boxes.as_flattened().iter();
        let mut words = words
            .chain(&lane.subkeys)
            .chain(&lane.password)
            .chain(&lane.salt);
        lane.steps_left == 0 && words.all(|word| *word == 0)
    }

    #[test]
    fn a_lane_is_wiped_when_its_hash_is_taken_or_given_up() {
        let mut lanes = Lanes::new(3);
        let ids = [4, 4, 5].map(|cost| lanes.start(cost, [1; 16], b"ada").expect("a free lane"));
        assert!(!lanes.lanes.iter().any(|lane| is_wiped(lane)));
        while lanes.advance() < 2 {}
        for left in [2, 1] {
            lanes.take_done().expect("two are done");
            assert_eq!(lanes.busy(), left);
            assert!(
                lanes
                    .lanes
                    .iter()
                    .all(|lane| is_wiped(lane) == (lane.stage == Stage::Free))
            );
        }
        assert!(lanes.give_up(ids[2]));
        assert!(lanes.lanes.iter().all(|lane| is_wiped(lane)));
    }
}
