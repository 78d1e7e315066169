//! A token is parsed as its own kind only. No other text is a token, however similar it is.

#![no_main]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bienvenue::auth::{Token, TokenKind};
use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};
use sha2::{Digest as _, Sha256};

const KINDS: [(TokenKind, &str); 6] = [
    (TokenKind::Session, "bienvenue_session_"),
    (TokenKind::PasswordReset, "bienvenue_reset_"),
    (TokenKind::EmailVerification, "bienvenue_verification_"),
    (TokenKind::Registration, "bienvenue_registration_"),
    (TokenKind::EmailChangeUndo, "bienvenue_undo_"),
    (TokenKind::Invitation, "bienvenue_invitation_"),
];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Any text, parsed with and without a prefix before it.
    text: &'a str,
    /// The parts of a token, and how it is damaged.
    kind: u8,
    random: [u8; 32],
    damage: Damage,
}

#[derive(Arbitrary, Debug)]
enum Damage {
    None,
    Replace(u8, char),
    Insert(u8, char),
    Cut(u8),
    OtherPrefix(u8),
}

fuzz_target!(|input: Input<'_>| {
    for (kind, prefix) in KINDS {
        // The fuzzer can't guess a checksum of 32 bits.
        assert!(Token::parse(kind, input.text).is_none());
        assert!(Token::parse(kind, &format!("{prefix}{}", input.text)).is_none());
    }
    let (_, prefix) = KINDS[usize::from(input.kind) % KINDS.len()];
    let token = token(prefix, &input.random);
    let text = damaged(&token, prefix, &input.damage);
    for (kind, its_prefix) in KINDS {
        let found = Token::parse(kind, &text);
        let is_one = text == token && its_prefix == prefix;
        assert_eq!(found.is_some(), is_one, "{text:?} as {kind:?}");
        if let Some(found) = found {
            assert_eq!(found.as_str(), text);
        }
    }
});

/// A token as the service makes it.
fn token(prefix: &str, random: &[u8]) -> String {
    let checksum = Sha256::digest([prefix.as_bytes(), random].concat());
    let encoded = URL_SAFE_NO_PAD.encode([random, &checksum[..4]].concat());
    format!("{prefix}{encoded}")
}

fn damaged(token: &str, prefix: &str, damage: &Damage) -> String {
    let mut letters: Vec<char> = token.chars().collect();
    match *damage {
        Damage::None => {}
        Damage::Replace(place, letter) => {
            let place = usize::from(place) % letters.len();
            letters[place] = letter;
        }
        Damage::Insert(place, letter) => {
            letters.insert(usize::from(place) % (letters.len() + 1), letter);
        }
        Damage::Cut(length) => letters.truncate(usize::from(length)),
        Damage::OtherPrefix(number) => {
            let (_, other) = KINDS[usize::from(number) % KINDS.len()];
            return token.replacen(prefix, other, 1);
        }
    }
    letters.into_iter().collect()
}
