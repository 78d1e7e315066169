//! Passwords: what is one, which are good enough, and their hashes.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{
        GeneralPurpose,
        general_purpose::{NO_PAD, STANDARD},
    },
};
use bcrypt::Version;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};
use zxcvbn::zxcvbn;

use super::{Email, Policy};

/// The longest password, in bytes: long for a person, short for a hash function.
const LONGEST: usize = 1024;

/// How much of a password is judged, in characters. What is hard to guess so far is hard to guess; and
/// there are passwords for which zxcvbn takes seconds when it looks at the 100 that it would.
const JUDGED: usize = 40;

/// What bcrypt looks at of a password, in bytes; it ignores the rest.
const BCRYPT_SEES: usize = 72;

/// Base64 with bcrypt's own alphabet, in which salts and digests are written.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// A text that can be some account's password. Not printed, and wiped from memory after use.
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
}

impl Password {
    /// # Errors
    /// [`PasswordError::TooLong`] and [`PasswordError::Nul`].
    pub(crate) fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.len() > LONGEST {
            return Err(PasswordError::TooLong);
        }
        if text.contains('\0') {
            return Err(PasswordError::Nul);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Whether it is long enough.
    pub(crate) fn check_length(&self, policy: Policy) -> Result<(), WeakPassword> {
        if self.0.chars().count() < policy.password_min_length {
            return Err(WeakPassword::TooShort(policy.password_min_length));
        }
        Ok(())
    }

    /// Whether it is hard enough to guess for someone who knows the address. Usually this takes a
    /// millisecond, but there are passwords for which it takes a quarter of a second, as long as a hash:
    /// work for hashing threads.
    pub(crate) fn check_guessability(
        &self,
        policy: Policy,
        email: &Email,
    ) -> Result<(), WeakPassword> {
        if policy.password_min_score == 0 {
            return Ok(());
        }
        // The address, its two halves, and the words in it.
        let address = email.as_str();
        let words = address.split(|c: char| !c.is_ascii_alphanumeric());
        let context: Vec<&str> = address.split('@').chain(words).chain([address]).collect();
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
/// Nothing is cut: a password of up to 72 bytes becomes a plain `$2b$` hash; of a longer one, which
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
    hash(&Password::parse(password)?, cost)
}

pub(crate) fn hash(password: &Password, cost: u32) -> Result<PasswordHash, PasswordError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).expect("the system has random numbers");
    let bcrypt = |bytes: &[u8]| {
        // The plain function refuses 72 bytes; this one would cut more, of which there are none here.
        bcrypt::hash_with_salt(bytes, cost, salt).map_err(|_| PasswordError::Cost(cost))
    };
    Ok(PasswordHash(if password.0.len() <= BCRYPT_SEES {
        bcrypt(password.0.as_bytes())?.format_for_version(Version::TwoB)
    } else {
        let salt = BCRYPT_BASE64.encode(salt);
        let hash = bcrypt(prehash(password, &salt).as_bytes())?.to_string();
        let digest = hash.rsplit(&salt).next().unwrap_or_default();
        format!("$bcrypt-sha256$v=2,t=2b,r={cost}${salt}${digest}")
    }))
}

/// What passlib's `bcrypt_sha256`, version 2, gives to bcrypt instead of the password: its HMAC with
/// the salt's text as key, in base64.
/// Source: <https://passlib.readthedocs.io/en/stable/lib/passlib.hash.bcrypt_sha256.html>
fn prehash(password: &Password, salt_text: &str) -> Zeroizing<String> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(salt_text.as_bytes())
        .expect("HMAC takes keys of any length");
    hmac.update(password.0.as_bytes());
    let mut digest = hmac.finalize().into_bytes();
    let text = Zeroizing::new(STANDARD.encode(digest));
    digest.zeroize();
    text
}
