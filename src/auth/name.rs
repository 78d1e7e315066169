//! The names that people choose for themselves.

/// The longest name, in characters.
const LONGEST: usize = 100;

/// A name that an account can have.
pub(super) struct Name(String);

/// The reason why a text can't be the name of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty, all white space, or over 100 characters long.
    #[error("A name has 1 to {LONGEST} characters.")]
    Length,
    /// The name contains a line break, a tab, or another control character.
    #[error("A name must not have line breaks or other control characters.")]
    ControlCharacter,
}

impl Name {
    /// Parses a name. White space around it is ignored.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong, in a sentence for the person who typed the name.
    pub(super) fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(NameError::ControlCharacter);
        }
        if !(1..=LONGEST).contains(&text.chars().count()) {
            return Err(NameError::Length);
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}
