//! Passwords: which texts are allowed, and which are strong enough.

use unicode_normalization::{UnicodeNormalization as _, is_nfkc};
use zeroize::Zeroizing;
use zxcvbn::zxcvbn;

use crate::auth::policy::Policy;

/// The longest password, in bytes: long for a person, and short for a hash function.
const LONGEST: usize = 1024;

/// The longest text that is parsed as a password, in bytes. Its Unicode form NFKC can be shorter: decomposed Hangul is
/// three times as long as composed.
const LONGEST_TYPED: usize = 4 * LONGEST;

/// How many characters of a password are judged. A password whose beginning is hard to guess is hard to guess. For some
/// passwords, zxcvbn takes seconds when it looks at 100 characters, its own limit.
const JUDGED: usize = 40;

/// A text that can be a password. A new password is in the Unicode form NFKC. It is never printed, and is wiped from
/// memory after use.
pub(in crate::auth) struct Password(Zeroizing<String>);

/// The reason why a text can't be a password, or can't be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The password has over 1024 bytes.
    #[error("A password has at most {LONGEST} bytes.")]
    TooLong,
    /// The password contains a NUL, where bcrypt would end it.
    #[error("A password can't contain the NUL character.")]
    Nul,
    /// The cost is not 4 to 31.
    #[error("bcrypt has no cost {0}.")]
    Cost(u32),
}

/// The reason why a password is too weak, and what to do about it, in sentences for the person who chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// The password has fewer characters than the policy requires.
    #[error("The password is too short: use at least {0} characters.")]
    TooShort(usize),
    /// The password is among the first that an attacker would try.
    #[error("The password is too easy to guess. {0}")]
    Guessable(String),
    /// The password is known from a breach.
    #[error(
        "This password is among those that became known in a breach, and attackers try these first. \
         Choose one that you use nowhere else, or add another word or two."
    )]
    Breached,
}

impl Password {
    /// Parses a password and converts it to the form NFKC, which is the same for every keyboard and system. Source:
    /// NIST SP 800-63B-4, section 3.1.1.2.
    ///
    /// # Errors
    /// [`PasswordError::TooLong`] and [`PasswordError::Nul`].
    pub(in crate::auth) fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.len() > LONGEST_TYPED {
            return Err(PasswordError::TooLong);
        }
        if text.contains('\0') {
            return Err(PasswordError::Nul);
        }
        // The capacity is enough for all of it. A reallocation would leave a copy behind in memory.
        let mut password = Zeroizing::new(String::with_capacity(LONGEST + char::MAX_LEN_UTF8));
        for letter in text.nfkc() {
            password.push(letter);
            if password.len() > LONGEST {
                return Err(PasswordError::TooLong);
            }
        }
        Ok(Self(password))
    }

    /// The password as it was typed. `None` if that is already the form NFKC, or can't be a password. Hashes from other
    /// programs, and from before NFKC was introduced, are of passwords as typed.
    pub(in crate::auth) fn parse_as_typed(text: &str) -> Option<Self> {
        let is_other = text.len() <= LONGEST && !text.contains('\0') && !is_nfkc(text);
        is_other.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The text itself.
    pub(in crate::auth) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns an error if the password is shorter than the policy requires.
    pub(in crate::auth) fn check_length(&self, policy: Policy) -> Result<(), WeakPassword> {
        if self.0.chars().count() < policy.password_min_length {
            return Err(WeakPassword::TooShort(policy.password_min_length));
        }
        Ok(())
    }

    /// Returns an error if the password is easy to guess for an attacker who knows the address and the words of the
    /// service's name.
    ///
    /// Usually this takes a millisecond. For some passwords it takes a quarter of a second, as long as a hash. So it
    /// runs on its own thread.
    pub(in crate::auth) fn check_guessability(
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
