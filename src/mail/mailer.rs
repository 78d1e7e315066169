//! Writing emails and sending them.

use super::{
    error::{MailerError, TransportError},
    options::MailOptions,
    templates::{Templates, TemplatesError, sender},
    transport::Transport,
};
use crate::{auth::Mail, clock::Clock};

/// Writes emails and sends them.
pub(crate) struct Mailer {
    templates: Templates,
    transport: Transport,
}

/// Why an email was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// It could not be written.
    #[error("the email could not be written")]
    Templates(#[from] TemplatesError),
    /// It was not accepted.
    #[error("the email was not accepted")]
    Transport(#[from] TransportError),
}

impl Mailer {
    /// Reads the templates and makes ready to send; connects to nothing yet.
    ///
    /// # Errors
    /// [`MailerError`] for a server or a folder of templates that makes no sense.
    pub(crate) fn open(options: &MailOptions, clock: &Clock) -> Result<Self, MailerError> {
        let sender = sender(&options.sender).map_err(MailerError::Sender)?;
        let templates = Templates::open(options, sender)
            .map_err(|err| MailerError::Templates(err.to_string()))?;
        Ok(Self {
            templates,
            transport: Transport::open(options, clock)?,
        })
    }

    /// Writes an email and sends it.
    pub(super) async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let message = self.templates.write(mail)?;
        Ok(self.transport.send(message).await?)
    }
}
