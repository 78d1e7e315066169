//! The expensive part of bcrypt: Blowfish's key schedule, run on several lanes at once.
//!
//! The sixteen rounds of one block form a chain: every S-box load waits for the one before. The chains of different
//! lanes are independent. So each round is done for all lanes before the next round of any lane, and the processor
//! works on one lane while another waits.
#![expect(clippy::inline_always, reason = "the words must stay in registers")]

use crate::lane::Lane;

/// How many rounds a lane advances in one step. It divides the number of rounds of every cost from 4 on.
pub const ROUNDS_A_STEP: u32 = 8;

/// How many pairs of words a key schedule fills: 9 of subkeys, then 512 of S-boxes.
pub const PAIRS: usize = 9 + 512;

/// Advances all these lanes by [`ROUNDS_A_STEP`] rounds. A round is a key schedule with the password, then one with the
/// salt.
#[inline(never)]
pub fn advance<const K: usize>(lanes: &mut [Box<Lane>; K]) {
    let mut lanes = lanes.each_mut().map(AsMut::as_mut);
    for _ in 0..ROUNDS_A_STEP {
        for lane in &mut lanes {
            lane.mix_password();
        }
        expand(&mut lanes);
        for lane in &mut lanes {
            lane.mix_salt();
        }
        expand(&mut lanes);
    }
}

/// Replaces subkeys and S-boxes by a chain of encryptions of zeros. Every pair is encrypted with the words that the
/// pairs before it changed.
fn expand<const K: usize>(lanes: &mut [&mut Lane; K]) {
    let mut left = [0; K];
    let mut right = [0; K];
    for pair in 0..PAIRS {
        (left, right) = encrypt(lanes, left, right);
        for ((lane, left), right) in lanes.iter_mut().zip(left).zip(right) {
            lane.put(pair, left, right);
        }
    }
}

/// Encrypts one block in each lane.
#[inline(always)]
pub fn encrypt<const K: usize>(
    lanes: &[&mut Lane; K],
    mut left: [u32; K],
    mut right: [u32; K],
) -> ([u32; K], [u32; K]) {
    mix::<K, 0>(lanes, &mut left);
    // Unrolled by hand. The compiler would keep a loop, in which registers are exchanged between left and right.
    round::<K, 1>(lanes, &mut right, &left);
    round::<K, 2>(lanes, &mut left, &right);
    round::<K, 3>(lanes, &mut right, &left);
    round::<K, 4>(lanes, &mut left, &right);
    round::<K, 5>(lanes, &mut right, &left);
    round::<K, 6>(lanes, &mut left, &right);
    round::<K, 7>(lanes, &mut right, &left);
    round::<K, 8>(lanes, &mut left, &right);
    round::<K, 9>(lanes, &mut right, &left);
    round::<K, 10>(lanes, &mut left, &right);
    round::<K, 11>(lanes, &mut right, &left);
    round::<K, 12>(lanes, &mut left, &right);
    round::<K, 13>(lanes, &mut right, &left);
    round::<K, 14>(lanes, &mut left, &right);
    round::<K, 15>(lanes, &mut right, &left);
    round::<K, 16>(lanes, &mut left, &right);
    mix::<K, 17>(lanes, &mut right);
    (right, left)
}

/// Mixes subkey `I` into one half of each lane's block.
#[inline(always)]
fn mix<const K: usize, const I: usize>(lanes: &[&mut Lane; K], half: &mut [u32; K]) {
    for (lane, half) in lanes.iter().zip(half) {
        *half ^= subkey::<I>(lane);
    }
}

/// Round `I` of each lane: `half` is combined with the subkey and with F of `other`.
#[inline(always)]
fn round<const K: usize, const I: usize>(
    lanes: &[&mut Lane; K],
    half: &mut [u32; K],
    other: &[u32; K],
) {
    for ((lane, half), other) in lanes.iter().zip(half).zip(other) {
        // The subkey comes first: it is available long before the result of the S-boxes.
        *half ^= subkey::<I>(lane);
        *half ^= feistel(&lane.boxes, *other);
    }
}

/// Subkey `I`.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "`I` is a constant below 18")]
fn subkey<const I: usize>(lane: &Lane) -> u32 {
    const { assert!(I < 18) };
    lane.subkeys[I]
}

/// Blowfish's F.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "a byte is always within 256 words")]
fn feistel([s0, s1, s2, s3]: &[[u32; 256]; 4], word: u32) -> u32 {
    // Little-endian, like the processor: big-endian would put a byte swap on the critical path.
    let [d, c, b, a] = word.to_le_bytes().map(usize::from);
    (s0[a].wrapping_add(s1[b]) ^ s2[c]).wrapping_add(s3[d])
}
