//! Chains: hashes that are computed one after another.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A bcrypt hash to compute.
pub(in crate::auth::passwords) struct Hash {
    /// bcrypt runs 2 to the power of it rounds.
    pub(in crate::auth::passwords) cost: u32,
    pub(in crate::auth::passwords) salt: [u8; 16],
    pub(in crate::auth::passwords) password: Zeroizing<Vec<u8>>,
}

/// The result of bcrypt.
pub(in crate::auth::passwords) type Digest = [u8; 23];

/// A hash, and further hashes that follow in the same lane unless the result of the first is as expected. All the work
/// of a refusal runs in one piece, so that its time does not depend on the queue.
pub(in crate::auth::passwords) struct Chain {
    pub(in crate::auth::passwords) first: Hash,
    pub(in crate::auth::passwords) expected: Option<Digest>,
    pub(in crate::auth::passwords) then: Vec<Hash>,
}

/// The number of rounds at a cost. An unsupported cost gets a number too: the hashing thread reports the error.
pub(super) fn rounds(cost: u32) -> u64 {
    1 << cost.min(31)
}

impl Chain {
    /// A chain of one hash.
    pub(in crate::auth::passwords) fn of(first: Hash) -> Self {
        Self {
            first,
            expected: None,
            then: Vec::new(),
        }
    }

    /// The number of rounds if the first hash is not as expected.
    pub(super) fn rounds(&self) -> u64 {
        let all = self.then.iter().chain([&self.first]);
        all.map(|hash| rounds(hash.cost)).sum()
    }

    pub(super) fn is_as_expected(&self, digest: &Digest) -> bool {
        self.expected
            .is_some_and(|expected| expected.ct_eq(digest).into())
    }
}
