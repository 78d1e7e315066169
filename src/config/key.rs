//! The service's own secret, which is not in the database.

use std::{fmt, path::PathBuf, str::FromStr};

use clap::Args;
use zeroize::Zeroizing;

use crate::auth::KeySource;

/// The service's own secret.
#[derive(Args, Clone, Debug)]
pub struct KeySettings {
    /// The file with the key; it is made at the first start. Every replica needs the same key
    #[arg(long, env = "BIENVENUE_KEY_FILE", default_value = "bienvenue.key")]
    pub key_file: PathBuf,
    /// The key itself instead of a file: 32 random bytes in base64; after a comma, those that were used before
    #[arg(long, env = "BIENVENUE_KEYS", hide_env_values = true)]
    pub keys: Option<KeyText>,
}

impl KeySettings {
    /// Where the keys come from.
    #[must_use]
    pub fn source(&self) -> KeySource {
        match self.keys.as_ref().filter(|text| !text.0.is_empty()) {
            Some(text) => KeySource::Text(text.0.clone()),
            None => KeySource::File(self.key_file.clone()),
        }
    }

    /// Which setting that is.
    pub(crate) fn variable(&self) -> &'static str {
        match self.source() {
            KeySource::Text(_) => "BIENVENUE_KEYS",
            KeySource::File(_) => "BIENVENUE_KEY_FILE",
        }
    }
}

/// Keys as a setting. Not printed.
#[derive(Clone)]
pub struct KeyText(Zeroizing<String>);

impl FromStr for KeyText {
    type Err = std::convert::Infallible;

    /// Takes any text: clap would print a refused one, key and all. It is judged when the keys are used.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText")
    }
}
