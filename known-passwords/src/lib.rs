//! Passwords that are known from breaches, in a filter that is part of the program.
//!
//! It is a binary fuse filter of 802,355 passwords: those of 8 characters and more among the million most used ones,
//! and those of 15 characters and more among four million others. It finds every one of them, and also one in 65,536 of
//! all other texts.
//!
//! The filter is read in place: nothing is decoded at the start, and only the used pages of its 1.8 MB are loaded.
//! `examples/make_filter.rs` makes it.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use xorf::{BinaryFuse16Ref, Filter as _, FilterRef as _};

/// The bytes of the file, aligned so that pairs of them can be read as numbers.
#[repr(align(2))]
struct Aligned<const LENGTH: usize>([u8; LENGTH]);

/// The output of `examples/make_filter.rs`: the descriptor of the filter, and its fingerprints.
static FILE: Aligned<{ include_bytes!("filter.bin").len() }> =
    Aligned(*include_bytes!("filter.bin"));

/// The length of the descriptor, in bytes. It is even, so that the fingerprints after it are aligned too.
const DESCRIPTOR_LENGTH: usize = 20;

// The fingerprints are read in place, without conversion.
const _: () = assert!(
    cfg!(target_endian = "little"),
    "the filter is made for little-endian processors"
);

static FILTER: LazyLock<BinaryFuse16Ref<'static>> = LazyLock::new(|| {
    let (descriptor, fingerprints) = FILE.0.split_at(DESCRIPTOR_LENGTH);
    BinaryFuse16Ref::from_dma(descriptor, fingerprints)
});

/// Whether a password is known from a breach, in upper or lower case. It must be in the Unicode form NFKC.
///
/// One in 65,536 of all other passwords is found by mistake.
#[must_use]
pub fn is_known(password: &str) -> bool {
    FILTER.contains(&key(password))
}

/// The key of a password in the filter: the beginning of the SHA-256 digest of the password in lower case.
#[must_use]
pub fn key(password: &str) -> u64 {
    let digest = Sha256::digest(password.to_lowercase());
    let mut beginning = [0; 8];
    for (to, from) in beginning.iter_mut().zip(digest) {
        *to = from;
    }
    u64::from_le_bytes(beginning)
}
