//! Passwords: which ones are allowed and strong enough, and how they are hashed and compared.

mod breached;
mod hash;
mod hashing;
mod password;
mod verify;

pub use breached::PasswordChecks;
#[cfg(fuzzing)]
pub use hash::read_stored_hash;
pub use hash::{PasswordHash, hash_password};
pub use hashing::HashingCounters;
pub use password::{PasswordError, WeakPassword};

pub(super) use hash::StoredHash;
pub(super) use password::Password;
pub(super) use verify::{Passwords, Replacement, Verdict};
