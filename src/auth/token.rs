//! Tokens: what opens a session, or proves that a letter arrived, to whoever shows it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// What a token is for. One kind is never good for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Opens a session.
    Session,
    /// Sets a new password, once.
    PasswordReset,
    /// Shows that mail to an address arrives, once.
    EmailVerification,
    /// Makes an account of a registration that waits, once.
    Registration,
    /// Takes a change of an address back, once.
    EmailChangeUndo,
}

impl TokenKind {
    /// What such a token begins with. It tells kinds apart, and lets scanners find one where none should be.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "bienvenue_session_",
            Self::PasswordReset => "bienvenue_reset_",
            Self::EmailVerification => "bienvenue_verification_",
            Self::Registration => "bienvenue_registration_",
            Self::EmailChangeUndo => "bienvenue_undo_",
        }
    }
}

/// The random part, in bytes.
const RANDOM: usize = 32;

/// The first bytes of the SHA-256 digest of what comes before, so that a slip or a guess is seen without a look at the
/// database.
const CHECKSUM: usize = 4;

/// Both in base64.
const ENCODED: usize = (RANDOM + CHECKSUM) / 3 * 4;

/// A token: 256 random bits with a prefix and a checksum. Not printed, and wiped from memory after use.
pub struct Token(Zeroizing<String>);

/// What is kept of a token: its SHA-256 digest in hexadecimal. It opens nothing, but is nobody's business either.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TokenDigest(String);

impl Token {
    /// # Panics
    /// When the system has no random numbers.
    pub(crate) fn generate(kind: TokenKind) -> Self {
        let mut bytes = Zeroizing::new([0; RANDOM + CHECKSUM]);
        let (random, checksum) = bytes.split_at_mut(RANDOM);
        getrandom::fill(random).expect("the system has random numbers");
        checksum.copy_from_slice(&checksum_of(kind, random));
        let mut text = Zeroizing::new(String::with_capacity(kind.prefix().len() + ENCODED));
        text.push_str(kind.prefix());
        URL_SAFE_NO_PAD.encode_string(*bytes, &mut text);
        Self(text)
    }

    /// Reads what may be a token of this kind, and is none if it was not made here or was mistyped.
    #[must_use]
    pub fn parse(kind: TokenKind, text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(kind.prefix())?;
        let mut bytes = Zeroizing::new([0; RANDOM + CHECKSUM]);
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut *bytes).ok()?;
        let (random, checksum) = bytes.split_at(RANDOM);
        let is_sound = length == bytes.len() && checksum_of(kind, random) == checksum;
        is_sound.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The token as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn digest(&self) -> TokenDigest {
        TokenDigest(hex::encode(Sha256::digest(self.0.as_bytes())))
    }
}

fn checksum_of(kind: TokenKind, random: &[u8]) -> [u8; CHECKSUM] {
    let mut digest = Sha256::new_with_prefix(kind.prefix())
        .chain_update(random)
        .finalize();
    let checksum = std::array::from_fn(|place| digest.get(place).copied().unwrap_or_default());
    digest.zeroize();
    checksum
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl TokenDigest {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for TokenDigest {
    fn from(digest: String) -> Self {
        Self(digest)
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest")
    }
}
