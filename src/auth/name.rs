//! Names: what people want to be called.

/// The longest name, in characters.
const LONGEST: usize = 100;

/// A name that an account can have.
pub(super) struct Name(String);

/// Why a text is no name that an account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing but white space, or over 100 characters.
    #[error("A name has 1 to {LONGEST} characters.")]
    Length,
    /// A line break, a tab, or another control character.
    #[error("A name must not have line breaks or other control characters.")]
    ControlCharacter,
}

impl Name {
    /// Reads a name, with or without white space around it.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong, in a sentence for the person who typed it.
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
