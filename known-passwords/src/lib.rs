//! Passwords that became known in breaches, in a filter that is part of the program.
//!
//! The filter is a binary fuse filter of 802,355 passwords: those of 8 characters and more among the million that are used
//! most, and 15 characters and more of four million others. It finds every one of them, and one in 65,536 of all other texts.
//! It is read where the program lies in memory: nothing is decoded at the start, and of its 1.8 MB only the pages that are
//! looked at are loaded. `examples/make_filter.rs` makes it.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use xorf::{BinaryFuse16Ref, Filter as _, FilterRef as _};

/// The file, so aligned that pairs of bytes can be read as numbers.
#[repr(align(2))]
struct Aligned<const LENGTH: usize>([u8; LENGTH]);

/// What `examples/make_filter.rs` wrote: what describes the filter, and its fingerprints.
static FILE: Aligned<{ include_bytes!("filter.bin").len() }> =
    Aligned(*include_bytes!("filter.bin"));

/// How many bytes describe the filter; an even number, so that what follows is aligned too.
const DESCRIPTOR_LENGTH: usize = 20;

// The fingerprints are read as they are.
const _: () = assert!(
    cfg!(target_endian = "little"),
    "the filter is made for little-endian processors"
);

static FILTER: LazyLock<BinaryFuse16Ref<'static>> = LazyLock::new(|| {
    let (descriptor, fingerprints) = FILE.0.split_at(DESCRIPTOR_LENGTH);
    BinaryFuse16Ref::from_dma(descriptor, fingerprints)
});

/// Whether a password is one that became known, in capital letters or small ones. It is to be in the Unicode form NFKC.
///
/// One in 65,536 of the passwords that are not known is taken for one that is.
#[must_use]
pub fn is_known(password: &str) -> bool {
    FILTER.contains(&key(password))
}

/// What the filter has of a password: the beginning of the SHA-256 digest of its small letters.
#[must_use]
pub fn key(password: &str) -> u64 {
    let digest = Sha256::digest(password.to_lowercase());
    let mut beginning = [0; 8];
    for (to, from) in beginning.iter_mut().zip(digest) {
        *to = from;
    }
    u64::from_le_bytes(beginning)
}
