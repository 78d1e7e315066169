//! What is sent, and how: emails are written from templates, and given to a mail server, or to files where there is
//! none.

mod error;
mod mailer;
mod options;
mod smtp;
mod templates;
mod transport;
mod words;
mod worker;

pub(crate) use error::MailerError;
pub(crate) use mailer::Mailer;
pub(crate) use options::{MailOptions, ServerOptions};
pub(crate) use worker::deliver;
