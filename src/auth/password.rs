//! Passwords: what is one, which are good enough, and their hashes.

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
use unicode_normalization::{UnicodeNormalization as _, is_nfkc};
use zeroize::{Zeroize as _, Zeroizing};
use zxcvbn::zxcvbn;

use super::{
    HashingError, Policy,
    hashing::{Chain, Digest, Hash, Place},
};

/// The longest password, in bytes: long for a person, short for a hash function.
const LONGEST: usize = 1024;

/// The longest text that is read as a password, in bytes. Its Unicode form NFKC can be shorter: decomposed Hangul is three times
/// as long as composed.
const LONGEST_TYPED: usize = 4 * LONGEST;

/// How much of a password is judged, in characters. What is hard to guess so far is hard to guess; and
/// there are passwords for which zxcvbn takes seconds when it looks at the 100 that it would.
const JUDGED: usize = 40;

/// What bcrypt looks at of a password, in bytes; it ignores the rest.
const BCRYPT_SEES: usize = 72;

/// Base64 with bcrypt's own alphabet, in which salts and digests are written. The last letter of each has bits to
/// spare, which some programs fill with what happens to be there.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

/// How long salts and digests are in it.
const SALT_LENGTH: usize = 22;
const DIGEST_LENGTH: usize = 31;

/// The highest cost of a hash that is verified: at 15 it takes 2.5 s, and each step up doubles that.
const HIGHEST_COST: u32 = 15;

/// A text that can be some account's password, in the Unicode form NFKC if it is a new one. Not printed, and wiped from memory after use.
pub(crate) struct Password(Zeroizing<String>);

/// Why a text can be nobody's password, or can't be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Over 1024 bytes.
    #[error("A password has at most {LONGEST} bytes.")]
    TooLong,
    /// bcrypt would end the password there.
    #[error("A password can't contain the NUL character.")]
    Nul,
    /// Not 4 to 31.
    #[error("bcrypt has no cost {0}.")]
    Cost(u32),
}

/// Why a password is not good enough, and what to do about it, in sentences for who chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer characters than the policy asks for.
    #[error("The password is too short: use at least {0} characters.")]
    TooShort(usize),
    /// Among the first that an attacker would try.
    #[error("The password is too easy to guess. {0}")]
    Guessable(String),
    /// Known from a breach.
    #[error(
        "This password is among those that became known in a breach, and attackers try these first. \
         Choose one that you use nowhere else, or add another word or two."
    )]
    Breached,
}

impl Password {
    /// Reads a password and brings it into the form NFKC, in which it is the same whatever keyboard and system it is typed on.
    /// Source: NIST SP 800-63B-4, section 3.1.1.2.
    ///
    /// # Errors
    /// [`PasswordError::TooLong`] and [`PasswordError::Nul`].
    pub(crate) fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.len() > LONGEST_TYPED {
            return Err(PasswordError::TooLong);
        }
        if text.contains('\0') {
            return Err(PasswordError::Nul);
        }
        // With room for all of it, nothing is moved and left behind in memory.
        let mut password = Zeroizing::new(String::with_capacity(LONGEST + char::MAX_LEN_UTF8));
        for letter in text.nfkc() {
            password.push(letter);
            if password.len() > LONGEST {
                return Err(PasswordError::TooLong);
            }
        }
        Ok(Self(password))
    }

    /// A password as it was typed, where that is not its form NFKC and can have been some account's: there are hashes from before
    /// passwords were brought into this form, and from other programs.
    pub(crate) fn parse_as_typed(text: &str) -> Option<Self> {
        let is_other = text.len() <= LONGEST && !text.contains('\0') && !is_nfkc(text);
        is_other.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text itself.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is long enough.
    pub(crate) fn check_length(&self, policy: Policy) -> Result<(), WeakPassword> {
        if self.0.chars().count() < policy.password_min_length {
            return Err(WeakPassword::TooShort(policy.password_min_length));
        }
        Ok(())
    }

    /// Whether it is hard enough to guess for someone who knows the address and the words of the service's name. Usually this takes a
    /// millisecond, but there are passwords for which it takes a quarter of a second, as long as a hash:
    /// work for hashing threads.
    pub(crate) fn check_guessability(
        &self,
        policy: Policy,
        address: &str,
        service: &[String],
    ) -> Result<(), WeakPassword> {
        if policy.password_min_score == 0 {
            return Ok(());
        }
        // The address, its two halves, and the words in it.
        let words = address.split(|c: char| !c.is_ascii_alphanumeric());
        let service = service.iter().map(String::as_str);
        let context = address.split('@').chain(words).chain([address]);
        let context: Vec<&str> = context.chain(service).collect();
        let judged = self.0.char_indices().nth(JUDGED).map(|(end, _)| end);
        let judged = judged.and_then(|end| self.0.get(..end)).unwrap_or(&self.0);
        let estimate = zxcvbn(judged, &context);
        if u8::from(estimate.score()) >= policy.password_min_score {
            return Ok(());
        }
        let advice = estimate.feedback().map_or_else(
            || "Add another word or two. Uncommon words are better.".to_owned(),
            |feedback| {
                let warning = feedback.warning().map(|warning| warning.to_string());
                let suggestions = feedback.suggestions().iter().map(ToString::to_string);
                warning
                    .into_iter()
                    .chain(suggestions)
                    .collect::<Vec<_>>()
                    .join(" ")
            },
        );
        Err(WeakPassword::Guessable(advice))
    }
}

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
/// The password is hashed in the Unicode form NFKC. Nothing is cut: a password of up to 72 bytes becomes a plain `$2b$` hash; of a longer one, which
/// bcrypt would see the beginning of, the HMAC is hashed, in passlib's `$bcrypt-sha256$` format.
///
/// It takes a third of a second at cost 12: keep it off threads that others wait for.
///
/// # Errors
/// [`PasswordError`]: over 1024 bytes, a NUL, or a cost that is not 4 to 31.
///
/// # Panics
/// When the system has no random numbers.
pub fn hash_password(password: &str, cost: u32) -> Result<PasswordHash, PasswordError> {
    let password = Password::parse(password)?;
    let salt = random_salt();
    let input = password.input(&salt);
    let digest = bcrypt_alone(&input, cost, salt).ok_or(PasswordError::Cost(cost))?;
    Ok(PasswordHash::of(&password, cost, salt, &digest))
}

/// The same on hashing threads, in the place of somebody who has one.
pub(crate) async fn hash(
    place: &Place<'_>,
    password: &Password,
    cost: u32,
) -> Result<PasswordHash, HashingError> {
    let salt = random_salt();
    let input = password.input(&salt);
    let chain = Chain::of(Hash {
        cost,
        salt,
        password: input,
    });
    let digest = place.hash(chain).await?;
    Ok(PasswordHash::of(password, cost, salt, &digest))
}

impl PasswordHash {
    /// Writes a hash that [`Password::input`] became.
    fn of(password: &Password, cost: u32, salt: [u8; 16], digest: &Digest) -> Self {
        let (salt, digest) = (BCRYPT_BASE64.encode(salt), BCRYPT_BASE64.encode(digest));
        Self(if password.is_short() {
            format!("$2b${cost:02}${salt}{digest}")
        } else {
            format!("$bcrypt-sha256$v=2,t=2b,r={cost}${salt}${digest}")
        })
    }
}

impl Password {
    /// Whether bcrypt sees all of it.
    fn is_short(&self) -> bool {
        self.0.len() <= BCRYPT_SEES
    }

    /// What bcrypt is given for a new hash.
    fn input(&self, salt: &[u8; 16]) -> Zeroizing<Vec<u8>> {
        let prehash = if self.is_short() {
            Prehash::None
        } else {
            Prehash::Keyed
        };
        prehash.of(self, &BCRYPT_BASE64.encode(salt))
    }
}

fn random_salt() -> [u8; 16] {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).expect("the system has random numbers");
    salt
}

/// bcrypt of the first 72 bytes by the crate, on the thread that asks; nothing where bcrypt knows no such cost.
pub(crate) fn bcrypt_alone(bytes: &[u8], cost: u32, salt: [u8; 16]) -> Option<Digest> {
    let text = bcrypt::hash_with_salt(bytes, cost, salt).ok()?.to_string();
    let digest = text.get(text.len().checked_sub(DIGEST_LENGTH)?..)?;
    BCRYPT_BASE64.decode(digest).ok()?.try_into().ok()
}

/// What bcrypt is given instead of the password, so that all of it counts.
/// Source: <https://passlib.readthedocs.io/en/stable/lib/passlib.hash.bcrypt_sha256.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prehash {
    /// Nothing: the password itself.
    None,
    /// Its SHA-256 digest in base64, as the first version of passlib's `bcrypt_sha256` has it. Read and never written:
    /// whoever has such digests from another leak can try them.
    Plain,
    /// Its HMAC with the salt's text as key, in base64: the second version.
    Keyed,
}

impl Prehash {
    fn of(self, password: &Password, salt_text: &str) -> Zeroizing<Vec<u8>> {
        let mut digest = match self {
            Self::None => return Zeroizing::new(password.0.as_bytes().to_vec()),
            Self::Plain => Sha256::digest(password.0.as_bytes()),
            Self::Keyed => {
                let mut hmac = Hmac::<Sha256>::new_from_slice(salt_text.as_bytes())
                    .expect("HMAC takes keys of any length");
                hmac.update(password.0.as_bytes());
                hmac.finalize().into_bytes()
            }
        };
        let text = Zeroizing::new(STANDARD.encode(digest).into_bytes());
        digest.zeroize();
        text
    }
}

/// A password hash that was stored, by this service or by another before, and taken apart.
pub(crate) struct StoredHash {
    prehash: Prehash,
    cost: u32,
    salt: [u8; 16],
    salt_text: String,
    digest: [u8; 23],
}

impl StoredHash {
    /// Reads `$2a$`, `$2b$` and `$2y$`, which mean the same, and both versions of passlib's `$bcrypt-sha256$`; nothing
    /// where it is none of these, or takes too long to verify.
    pub(crate) fn parse(text: &str) -> Option<Self> {
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

    /// 2 to the power of it are the rounds of bcrypt that it takes.
    pub(crate) fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether it is what [`hash`] would write at this cost.
    pub(crate) fn is_current(&self, cost: u32) -> bool {
        self.cost == cost && self.prehash != Prehash::Plain
    }
}

/// The cost of a stored hash, and the hash written anew, where it can be read.
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

/// Whether this is the password of which there is a hash. A refusal takes as long as one hash at `cost`, also where there
/// is no hash, or no password that anybody could have; or as long as the stored hash takes, if that is longer.
pub(crate) async fn verify(
    place: &Place<'_>,
    password: Option<&Password>,
    stored: Option<&StoredHash>,
    cost: u32,
) -> Result<bool, HashingError> {
    let bytes = || {
        let bytes = password.map_or(&b""[..], |password| password.0.as_bytes());
        Zeroizing::new(bytes.to_vec())
    };
    // With a salt that nobody knows before, no password can be the one that matches; and nobody asks.
    let for_nothing = |cost| Hash {
        cost,
        salt: random_salt(),
        password: bytes(),
    };
    let (Some(password), Some(stored)) = (password, stored) else {
        place.hash(Chain::of(for_nothing(cost))).await?;
        return Ok(false);
    };
    let input = stored.prehash.of(password, &stored.salt_text);
    // Of a longer password bcrypt saw the beginning alone: another could have the same.
    let is_whole = input.len() <= BCRYPT_SEES;
    let chain = Chain {
        first: Hash {
            cost: stored.cost,
            salt: stored.salt,
            password: input,
        },
        expected: is_whole.then_some(stored.digest),
        // A hash at each cost from the stored one to the last below `cost`: with the one above, exactly one at `cost`.
        then: (stored.cost..cost).map(for_nothing).collect(),
    };
    let digest = place.hash(chain).await?;
    Ok(is_whole & bool::from(digest.ct_eq(&stored.digest)))
}
