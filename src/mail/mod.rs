//! What is sent, and how: letters are written from templates, and given to a mail server, or to files where there is
//! none.

mod letters;
mod smtp;
mod transport;
mod worker;

pub use letters::LettersError;
pub use transport::TransportError;

use crate::{
    auth::Letter,
    clock::Clock,
    config::{Settings, SettingsError},
};
use letters::Letters;
use transport::Transport;
pub(crate) use worker::deliver;

/// Writes letters and sends them.
pub(crate) struct Mailer {
    letters: Letters,
    transport: Transport,
}

/// Why a letter was not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// It could not be written.
    #[error("the letter could not be written")]
    Letters(#[from] LettersError),
    /// Nobody took it.
    #[error("nobody took the letter")]
    Transport(#[from] TransportError),
}

impl Mailer {
    /// Reads the templates and makes ready to send; connects to nothing yet.
    ///
    /// # Errors
    /// [`SettingsError`] for a server or a folder of templates that makes no sense.
    pub(crate) fn open(settings: &Settings, clock: &Clock) -> Result<Self, SettingsError> {
        let from = letters::sender(&settings.mail.from).map_err(|reason| SettingsError {
            variable: "BIENVENUE_MAIL_FROM",
            reason,
        })?;
        Ok(Self {
            letters: Letters::open(settings, from).map_err(|err| SettingsError {
                variable: "BIENVENUE_TEMPLATES",
                reason: err.to_string(),
            })?,
            transport: Transport::open(settings, clock)?,
        })
    }

    /// Writes a letter and sends it.
    pub(crate) async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = self.letters.write(letter)?;
        Ok(self.transport.send(message).await?)
    }
}
