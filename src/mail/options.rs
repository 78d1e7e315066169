//! How emails are sent, and what is in them.

use std::path::PathBuf;

use lettre::message::Mailbox;
use url::Url;
use zeroize::Zeroizing;

use crate::application::Application;

/// How emails are sent, and what is in them.
pub(crate) struct MailOptions {
    /// The server that takes them; none: they are written to files.
    pub(crate) server: Option<ServerOptions>,
    /// The folder for those files.
    pub(crate) folder: PathBuf,
    /// The address that they are from.
    pub(crate) sender: Mailbox,
    /// A folder with templates that replace ours.
    pub(crate) templates: Option<PathBuf>,
    /// The application that they are about.
    pub(crate) application: Application,
    /// The page that resets passwords.
    pub(crate) reset_url: Url,
    /// The page that verifies addresses.
    pub(crate) verify_url: Url,
    /// The page that takes a change of an address back.
    pub(crate) undo_url: Url,
}

/// A mail server, and how it is spoken to.
pub(crate) struct ServerOptions {
    /// Where it is, with user name and password.
    pub(crate) url: Zeroizing<String>,
    /// A file with the certificates of its own authority.
    pub(crate) authority: Option<PathBuf>,
    /// The name or the address that it is greeted with.
    pub(crate) hello: Option<String>,
    /// The host by which this service is known, if it is known by a name: how the server is greeted otherwise.
    pub(crate) host: String,
}
