//! Hashes of passwords: how they are written, parsed and compared.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{
        GeneralPurpose,
        general_purpose::{NO_PAD, STANDARD},
    },
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    hashing::{Chain, Digest, Hash, Place},
    password::{Password, PasswordError},
};
use crate::auth::unavailable::Unavailable;

/// How many bytes of a password bcrypt uses. It ignores the rest.
const BCRYPT_SEES: usize = 72;

/// Base64 with bcrypt's own alphabet, for salts and digests. The last character of each has unused bits, which some
/// programs fill with arbitrary values.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

/// The lengths of salts and digests in this base64.
const SALT_LENGTH: usize = 22;
const DIGEST_LENGTH: usize = 31;

/// The highest cost of a hash that is verified. At 15 it takes 2.5 s, and each further step doubles the time.
const HIGHEST_COST: u32 = 15;

/// A password hash, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash as the bytes of that text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// Hashes a password with bcrypt and a new random salt, at 2 to the power of `cost` rounds.
///
/// The password is hashed in the Unicode form NFKC. All of it counts. A password of up to 72 bytes becomes a plain
/// `$2b$` hash. bcrypt would ignore the rest of a longer one, so its HMAC is hashed instead, in passlib's
/// `$bcrypt-sha256$` format.
///
/// It takes a third of a second at cost 12. Don't call it on a thread that other work waits for.
///
/// # Errors
/// [`PasswordError`]: the password has over 1024 bytes or a NUL, or the cost is not 4 to 31.
///
/// # Panics
/// When the system has no random numbers.
pub fn hash_password(password: &str, cost: u32) -> Result<PasswordHash, PasswordError> {
    let password = Password::parse(password)?;
    let salt = random_salt();
    let input = input(&password, &salt);
    let digest = bcrypt_alone(&input, cost, salt).ok_or(PasswordError::Cost(cost))?;
    Ok(PasswordHash::of(&password, cost, salt, &digest))
}

/// Like [`hash_password`], but on the hashing threads, in the place that the caller has in the queue.
pub(in crate::auth) async fn hash(
    place: &Place<'_>,
    password: &Password,
    cost: u32,
) -> Result<PasswordHash, Unavailable> {
    let salt = random_salt();
    let input = input(password, &salt);
    let chain = Chain::of(Hash {
        cost,
        salt,
        password: input,
    });
    let digest = place.hash(chain).await?;
    Ok(PasswordHash::of(password, cost, salt, &digest))
}

impl PasswordHash {
    /// Formats the hash of an [`input`].
    fn of(password: &Password, cost: u32, salt: [u8; 16], digest: &Digest) -> Self {
        let (salt, digest) = (BCRYPT_BASE64.encode(salt), BCRYPT_BASE64.encode(digest));
        Self(if is_short(password) {
            format!("$2b${cost:02}${salt}{digest}")
        } else {
            format!("$bcrypt-sha256$v=2,t=2b,r={cost}${salt}${digest}")
        })
    }
}

/// Whether bcrypt uses all of a password.
fn is_short(password: &Password) -> bool {
    password.as_str().len() <= BCRYPT_SEES
}

/// The input of bcrypt for a new hash.
fn input(password: &Password, salt: &[u8; 16]) -> Zeroizing<Vec<u8>> {
    let prehash = if is_short(password) {
        Prehash::None
    } else {
        Prehash::Keyed
    };
    prehash.of(password, &BCRYPT_BASE64.encode(salt))
}

fn random_salt() -> [u8; 16] {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).expect("the system has random numbers");
    salt
}

/// Hashes the first 72 bytes on the current thread, with the bcrypt crate. `None` if bcrypt does not support the cost.
fn bcrypt_alone(bytes: &[u8], cost: u32, salt: [u8; 16]) -> Option<Digest> {
    let text = bcrypt::hash_with_salt(bytes, cost, salt).ok()?.to_string();
    let digest = text.get(text.len().checked_sub(DIGEST_LENGTH)?..)?;
    BCRYPT_BASE64.decode(digest).ok()?.try_into().ok()
}

/// What bcrypt gets instead of a long password, so that all of the password counts.
/// Source: <https://passlib.readthedocs.io/en/stable/lib/passlib.hash.bcrypt_sha256.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prehash {
    /// Nothing: the password itself.
    None,
    /// Its SHA-256 digest in base64: the first version of passlib's `bcrypt_sha256`. It is read but never written,
    /// because SHA-256 digests from another leak could be tried against it.
    Plain,
    /// Its HMAC with the text of the salt as key, in base64: the second version.
    Keyed,
}

impl Prehash {
    fn of(self, password: &Password, salt_text: &str) -> Zeroizing<Vec<u8>> {
        let mut digest = match self {
            Self::None => return Zeroizing::new(password.as_str().as_bytes().to_vec()),
            Self::Plain => Sha256::digest(password.as_str().as_bytes()),
            Self::Keyed => {
                let mut hmac = Hmac::<Sha256>::new_from_slice(salt_text.as_bytes())
                    .expect("HMAC takes keys of any length");
                hmac.update(password.as_str().as_bytes());
                hmac.finalize().into_bytes()
            }
        };
        let text = Zeroizing::new(STANDARD.encode(digest).into_bytes());
        digest.zeroize();
        text
    }
}

/// A parsed password hash, stored by this service or by an earlier one.
pub(in crate::auth) struct StoredHash {
    prehash: Prehash,
    cost: u32,
    salt: [u8; 16],
    salt_text: String,
    digest: [u8; 23],
}

impl StoredHash {
    /// Parses `$2a$`, `$2b$` and `$2y$`, which mean the same, and both versions of passlib's `$bcrypt-sha256$`. `None`
    /// if it is none of these, or takes too long to verify.
    pub(in crate::auth) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('$')?.split('$');
        let (format, parameters) = (parts.next()?, parts.next()?);
        let (prehash, cost, salt_text, digest) = if format == "bcrypt-sha256" {
            let keyed = parameters.strip_prefix("v=2,t=");
            let (version, cost) = match keyed {
                Some(parameters) => parameters.split_once(",r=")?,
                None => parameters.split_once(',')?,
            };
            let prehash = keyed.map_or(Prehash::Plain, |_| Prehash::Keyed);
            let prehash = is_version(version).then_some(prehash)?;
            (prehash, cost, parts.next()?, parts.next()?)
        } else {
            let (salt_text, digest) = parts.next()?.split_at_checked(SALT_LENGTH)?;
            is_version(format).then_some((Prehash::None, parameters, salt_text, digest))?
        };
        if parts.next().is_some() || !cost.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let cost = cost.parse().ok()?;
        Some(Self {
            prehash,
            cost: (4..=HIGHEST_COST).contains(&cost).then_some(cost)?,
            salt: BCRYPT_BASE64.decode(salt_text).ok()?.try_into().ok()?,
            salt_text: salt_text.to_owned(),
            digest: BCRYPT_BASE64.decode(digest).ok()?.try_into().ok()?,
        })
    }

    /// The cost: bcrypt runs 2 to the power of it rounds.
    pub(in crate::auth) fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether [`hash`] would write a hash of this form and cost.
    pub(in crate::auth) fn is_current(&self, cost: u32) -> bool {
        self.cost == cost && self.prehash != Prehash::Plain
    }
}

/// Parses a stored hash and formats it again. Returns its cost and the new text.
#[cfg(fuzzing)]
pub fn read_stored_hash(text: &str) -> Option<(u32, String)> {
    let StoredHash {
        prehash,
        cost,
        salt_text,
        digest,
        ..
    } = StoredHash::parse(text)?;
    let digest = BCRYPT_BASE64.encode(digest);
    let written = match prehash {
        Prehash::None => format!("$2b${cost:02}${salt_text}{digest}"),
        Prehash::Plain => format!("$bcrypt-sha256$2b,{cost}${salt_text}${digest}"),
        Prehash::Keyed => format!("$bcrypt-sha256$v=2,t=2b,r={cost}${salt_text}${digest}"),
    };
    Some((cost, written))
}

fn is_version(text: &str) -> bool {
    ["2a", "2b", "2y"].contains(&text)
}

/// Compares a password with a hash.
///
/// A refusal takes as long as one hash at `cost`. That includes a missing hash, and a text that can't be a password. If
/// the stored hash has a higher cost, a refusal takes as long as that hash.
pub(in crate::auth) async fn verify(
    place: &Place<'_>,
    password: Option<&Password>,
    stored: Option<&StoredHash>,
    cost: u32,
) -> Result<bool, Unavailable> {
    let bytes = || {
        let bytes = password.map_or(&b""[..], |password| password.as_str().as_bytes());
        Zeroizing::new(bytes.to_vec())
    };
    // A dummy hash. Its salt is random and its result is never compared, so no password can match it.
    let dummy = |cost| Hash {
        cost,
        salt: random_salt(),
        password: bytes(),
    };
    let (Some(password), Some(stored)) = (password, stored) else {
        place.hash(Chain::of(dummy(cost))).await?;
        return Ok(false);
    };
    let input = stored.prehash.of(password, &stored.salt_text);
    // bcrypt would use only the beginning of a longer input, and another password could begin the same.
    let is_whole = input.len() <= BCRYPT_SEES;
    let chain = Chain {
        first: Hash {
            cost: stored.cost,
            salt: stored.salt,
            password: input,
        },
        expected: is_whole.then_some(stored.digest),
        // One hash at each cost from the stored one up to `cost - 1`. Together with the first hash they take exactly as
        // long as one hash at `cost`.
        then: (stored.cost..cost).map(dummy).collect(),
    };
    let digest = place.hash(chain).await?;
    Ok(is_whole & bool::from(digest.ct_eq(&stored.digest)))
}
