//! Hashes that are started, taken and given up in any order, compared with those of the `bcrypt` crate.

use std::collections::{HashMap, HashSet};

use bcrypt_lanes::{LaneId, Lanes, MAX_COST, MAX_WIDTH, MIN_COST, StartError};

const CASES_A_WIDTH: usize = 700;

/// `SplitMix64`: random numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than `end`")
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// A password of mostly random bytes, and often of those that implementations have handled wrongly.
    fn password(&mut self, len: usize) -> Vec<u8> {
        let bytes = |chance: &mut Self| match chance.below(8) {
            0 => 0,
            1 => 0xff,
            2 => chance.byte() | 0x80,
            _ => chance.byte(),
        };
        (0..len).map(|_| bytes(self)).collect()
    }

    fn salt(&mut self) -> [u8; 16] {
        [(); 16].map(|()| self.byte())
    }
}

/// The result of the `bcrypt` crate, without the byte that bcrypt drops.
fn reference(cost: u32, salt: [u8; 16], password: &[u8]) -> [u8; 23] {
    let mut password = [password, &[0]].concat();
    password.truncate(72);
    let [hash @ .., _] = bcrypt::bcrypt(cost, salt, &password);
    hash
}

/// The hash of a job that runs alone.
fn alone(cost: u32, salt: [u8; 16], password: &[u8]) -> [u8; 23] {
    let mut lanes = Lanes::new(1);
    lanes.start(cost, salt, password).expect("a free lane");
    while lanes.advance() == 0 {}
    lanes.take_done().expect("one is done").1
}

/// Every length up to 72 several times, then longer ones. Costs are mixed. Lanes are left empty, given up and refilled
/// at random.
fn jobs_of_any_kind(width: usize) {
    let mut chance = Chance(width as u64);
    let mut lanes = Lanes::new(width);
    let mut expected: HashMap<LaneId, [u8; 23]> = HashMap::new();
    let mut given_up = HashSet::new();
    let (mut started, mut right) = (0, 0);

    while right < CASES_A_WIDTH {
        while lanes.has_free() && !chance.one_in(6) {
            let len = if started % 80 <= 73 {
                started % 80
            } else {
                chance.below(300)
            };
            let (cost, salt, password) = (
                4 + u32::from(chance.byte() % 3),
                chance.salt(),
                chance.password(len),
            );
            let id = lanes.start(cost, salt, &password).expect("a free lane");
            assert_eq!(expected.insert(id, reference(cost, salt, &password)), None);
            started += 1;
        }
        if chance.one_in(20)
            && let Some(id) = expected.keys().min().copied()
        {
            assert!(lanes.give_up(id));
            assert!(!lanes.give_up(id));
            expected.remove(&id);
            given_up.insert(id);
        }
        assert_eq!(lanes.busy(), expected.len());
        let done = lanes.advance();
        // Sometimes completed hashes are left for later: they must not change while others run.
        for _ in 0..if chance.one_in(3) { 0 } else { done } {
            let (id, hash) = lanes.take_done().expect("as many as `advance` said");
            assert!(!lanes.give_up(id));
            assert!(!given_up.contains(&id));
            assert_eq!(Some(hash), expected.remove(&id), "width {width}, {id:?}");
            right += 1;
        }
    }
    assert!(given_up.len() > 10);
}

#[test]
fn jobs_of_any_kind_equal_the_bcrypt_crate_in_1_lane() {
    jobs_of_any_kind(1);
}

#[test]
fn jobs_of_any_kind_equal_the_bcrypt_crate_in_2_lanes() {
    jobs_of_any_kind(2);
}

#[test]
fn jobs_of_any_kind_equal_the_bcrypt_crate_in_3_lanes() {
    jobs_of_any_kind(3);
}

#[test]
fn jobs_of_any_kind_equal_the_bcrypt_crate_in_4_lanes() {
    jobs_of_any_kind(4);
}

#[test]
fn jobs_of_any_kind_equal_the_bcrypt_crate_in_5_lanes() {
    jobs_of_any_kind(5);
}

#[test]
fn jobs_of_any_kind_equal_the_bcrypt_crate_in_6_lanes() {
    jobs_of_any_kind(6);
}

#[test]
fn jobs_of_any_kind_equal_the_bcrypt_crate_in_7_and_8_lanes() {
    jobs_of_any_kind(7);
    jobs_of_any_kind(8);
}

#[test]
fn a_cost_that_bcrypt_does_not_know_is_refused_even_when_no_lane_is_free() {
    let mut lanes = Lanes::new(1);
    for full in [false, true] {
        for cost in [0, 1, MIN_COST - 1, MAX_COST + 1, 32, 33, 64, u32::MAX] {
            assert_eq!(lanes.start(cost, [0; 16], b""), Err(StartError::Cost(cost)));
        }
        assert_eq!(lanes.busy(), usize::from(full));
        assert_eq!(lanes.start(MAX_COST, [0; 16], b"").is_err(), full);
    }
}

#[test]
fn a_hash_too_many_is_refused_and_disturbs_nobody() {
    let mut lanes = Lanes::new(2);
    let ids = [1, 2].map(|salt| lanes.start(4, [salt; 16], b"ada").expect("a free lane"));
    assert!(!lanes.has_free());
    assert_eq!(lanes.start(4, [3; 16], b"eve"), Err(StartError::NoFreeLane));
    while lanes.advance() < 2 {}
    // A completed hash occupies its lane until it is taken.
    assert_eq!(lanes.start(4, [3; 16], b"eve"), Err(StartError::NoFreeLane));
    let taken: HashMap<_, _> = std::iter::from_fn(|| lanes.take_done()).collect();
    assert_eq!(
        taken,
        ids.into_iter()
            .zip([1, 2].map(|salt| reference(4, [salt; 16], b"ada")))
            .collect()
    );
    assert!(lanes.has_free());
}

#[test]
fn giving_one_up_in_the_middle_disturbs_nobody() {
    for gone in 0..5 {
        let mut lanes = Lanes::new(5);
        let mut expected = HashMap::new();
        let jobs = (0..5).map(|n| (4 + u32::from(n) % 3, [n; 16], [n; 9]));
        let ids = jobs.map(|(cost, salt, password)| {
            let id = lanes.start(cost, salt, &password).expect("a free lane");
            expected.insert(id, reference(cost, salt, &password));
            id
        });
        let gone = ids.collect::<Vec<_>>().swap_remove(gone);

        lanes.advance();
        assert!(lanes.give_up(gone));
        assert_eq!((lanes.busy(), lanes.has_free()), (4, true));
        expected.remove(&gone);

        let mut taken = HashMap::new();
        while lanes.busy() > 0 {
            lanes.advance();
            taken.extend(std::iter::from_fn(|| lanes.take_done()));
        }
        assert_eq!(taken, expected);
    }
}

#[test]
fn only_72_bytes_of_password_and_nul_count() {
    let of = |len: usize| alone(4, [9; 16], &vec![b'x'; len]);
    assert_ne!(of(70), of(71));
    assert_ne!(of(71), of(72));
    assert_eq!(of(72), of(73));
    assert_eq!(of(72), of(90));
}

#[test]
fn a_nul_inside_is_a_byte_like_any_other() {
    assert_ne!(
        alone(4, [9; 16], b"ada\0lovelace"),
        alone(4, [9; 16], b"ada")
    );
    assert_eq!(alone(4, [9; 16], b"\0"), alone(4, [9; 16], b""));
    assert_eq!(alone(4, [9; 16], b"ada\0ada"), alone(4, [9; 16], b"ada"));
}

#[test]
fn a_round_is_a_round_whatever_the_cost() {
    for (cost, steps) in [(4, 2), (5, 4), (9, 64)] {
        let mut lanes = Lanes::new(1);
        lanes.start(cost, [0; 16], b"").expect("a free lane");
        for _ in 1..steps {
            assert_eq!(lanes.advance(), 0);
            assert_eq!(lanes.take_done(), None);
        }
        assert_eq!(lanes.advance(), 1);
    }
}

#[test]
fn idle_lanes_do_nothing() {
    let mut lanes = Lanes::new(3);
    assert_eq!(
        (
            lanes.advance(),
            lanes.take_done(),
            lanes.busy(),
            lanes.width()
        ),
        (0, None, 0, 3)
    );
}

#[test]
fn a_width_out_of_range_is_the_nearest_within() {
    assert_eq!(Lanes::new(0).width(), 1);
    assert_eq!(Lanes::new(usize::MAX).width(), MAX_WIDTH);
}

#[test]
fn debug_tells_no_secrets() {
    let mut lanes = Lanes::new(2);
    lanes.start(4, [0; 16], b"secret").expect("a free lane");
    assert_eq!(format!("{lanes:?}"), "Lanes { width: 2, busy: 1, .. }");
}
