//! What goes wrong with emails: how they are to be sent makes no sense, or they are not accepted.

use std::{io, time::Duration};

use lettre::transport::smtp;

/// How long sending an email may take altogether: less than a worker has it for itself.
pub(super) const SEND_LIMIT: Duration = Duration::from_secs(20);

/// What makes no sense of how emails are to be sent, in a sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailerError {
    /// Of the URL of the server, which is not repeated: it may hold a password.
    #[error("{0}")]
    Server(String),
    /// Of the certificates of its authority.
    #[error("{0}")]
    Authority(String),
    /// Of the name that it is greeted with.
    #[error("{0}")]
    Hello(String),
    /// Of the sender.
    #[error("{0}")]
    Sender(String),
    /// Of the templates.
    #[error("{0}")]
    Templates(String),
}

/// Why an email was not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    /// The mail server refused this email for good, or its recipient.
    #[error("{0}")]
    Refused(#[source] smtp::Error),
    /// The mail server accepts no emails, or none from this service.
    #[error("{0}")]
    Smtp(#[from] smtp::Error),
    /// The mail server took too long.
    #[error("the mail server did not accept the email within {SEND_LIMIT:?}")]
    TimedOut,
    /// The file can't be written.
    #[error("the email can't be written to a file: {0}")]
    File(#[from] io::Error),
}
