//! The text of tokens, and their digests.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// The kind of a token. A token of one kind is never valid as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Opens a session.
    Session,
    /// Sets a new password, once.
    PasswordReset,
    /// Proves that emails to an address arrive, once.
    EmailVerification,
    /// Completes a pending registration, once.
    Registration,
    /// Takes back a change of an address, once.
    EmailChangeUndo,
    /// Sets the first password of an account, once.
    Invitation,
}

impl TokenKind {
    /// The prefix of such a token. It tells kinds apart, and lets scanners find leaked tokens.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "bienvenue_session_",
            Self::PasswordReset => "bienvenue_reset_",
            Self::EmailVerification => "bienvenue_verification_",
            Self::Registration => "bienvenue_registration_",
            Self::EmailChangeUndo => "bienvenue_undo_",
            Self::Invitation => "bienvenue_invitation_",
        }
    }
}

/// The length of the random part, in bytes.
const RANDOM: usize = 32;

/// The length of the checksum, in bytes: the beginning of the SHA-256 digest of prefix and random part. It rejects
/// mistyped and guessed tokens without a query.
const CHECKSUM: usize = 4;

/// The length of both parts in base64.
const ENCODED: usize = (RANDOM + CHECKSUM) / 3 * 4;

/// A token: a prefix, 256 random bits and a checksum. It is never printed, and is wiped from memory after use.
pub struct Token(Zeroizing<String>);

/// The stored form of a token: its SHA-256 digest in hexadecimal. It gives no access.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TokenDigest(String);

impl Token {
    /// Makes a random token.
    ///
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

    /// Parses a token of this kind. `None` if the text is mistyped or was not made here. Whether the token is valid is
    /// not checked.
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
