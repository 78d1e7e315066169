//! The application that people sign in to.

use url::Url;

/// The application that people sign in to, as emails and pages name it and link to it.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    /// Its name.
    pub(crate) name: String,
    /// Its address, where people sign in.
    pub(crate) url: Url,
    /// Where people ask for an email by which they choose a new password.
    pub(crate) forgotten_password_url: Url,
}
