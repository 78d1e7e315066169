//! How emails are sent, and what is in them.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use lettre::message::Mailbox;
use url::Url;

use super::{
    error::SettingsError,
    values::{duration, is_safe, sender, web_address},
};
use crate::{
    application::Application,
    mail::{MailOptions, MailerError, ServerOptions},
};

/// How emails are sent, and what is in them.
#[derive(Args, Clone, Debug)]
pub struct MailSettings {
    /// The server that takes emails: smtps://, or smtp:// (with STARTTLS, or with none after ?tls=none); none: they are
    /// written to files
    #[arg(long, env = "BIENVENUE_SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<SmtpUrl>,
    /// A file of certificates (PEM) of your own authority, by which the mail server's is believed beside the system's
    #[arg(long, env = "BIENVENUE_SMTP_CA")]
    pub smtp_ca: Option<PathBuf>,
    /// The full name or the address that the mail server is greeted with; none: the host of the public URL
    #[arg(long, env = "BIENVENUE_SMTP_HELLO")]
    pub smtp_hello: Option<String>,
    /// The folder for emails where there is no server; it is made when the first is written
    #[arg(long, env = "BIENVENUE_MAIL_DIR", default_value = "mail")]
    pub mail_dir: PathBuf,
    /// Who emails are from
    #[arg(
        long,
        env = "BIENVENUE_MAIL_FROM",
        default_value = "Bienvenue <no-reply@localhost>",
        value_parser = sender
    )]
    pub mail_from: Mailbox,
    /// A folder with templates of emails that replace ours
    #[arg(long, env = "BIENVENUE_TEMPLATES")]
    pub templates: Option<PathBuf>,
    /// The page of your frontend that resets passwords; none: /reset-password under the public URL
    #[arg(long, env = "BIENVENUE_RESET_URL", value_parser = web_address)]
    pub reset_url: Option<Url>,
    /// The page of your frontend that verifies addresses; none: /verify-email under the public URL
    #[arg(long, env = "BIENVENUE_VERIFY_URL", value_parser = web_address)]
    pub verify_url: Option<Url>,
    /// How long the link of a password reset is good
    #[arg(
        long,
        env = "BIENVENUE_RESET_TOKEN_LIFETIME",
        default_value = "30m",
        value_parser = duration
    )]
    pub reset_token_lifetime: Duration,
    /// How long the link that verifies an address is good
    #[arg(
        long,
        env = "BIENVENUE_VERIFICATION_LIFETIME",
        default_value = "24h",
        value_parser = duration
    )]
    pub verification_lifetime: Duration,
}

/// The URL of a mail server. It may hold a password, so it prints as its scheme alone.
#[derive(Clone)]
pub struct SmtpUrl(String);

impl SmtpUrl {
    /// The URL with the password; nothing where the variable is set to nothing.
    fn as_str(&self) -> Option<&str> {
        Some(&*self.0).filter(|url| !url.is_empty())
    }
}

impl FromStr for SmtpUrl {
    type Err = std::convert::Infallible;

    /// Takes any text: clap would print a refused one, password and all. It is judged when the sender is made.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("smtp:…")
    }
}

impl MailSettings {
    /// Where emails go, without user and password.
    pub(crate) fn place(&self) -> String {
        let server = self.smtp_url.as_ref().and_then(SmtpUrl::as_str);
        let server = server.and_then(|url| Url::parse(url).ok());
        match server.as_ref().and_then(Url::host_str) {
            Some(host) => format!("to {host}"),
            None => format!("to files in {}", self.mail_dir.display()),
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        for (variable, page) in [
            ("BIENVENUE_RESET_URL", &self.reset_url),
            ("BIENVENUE_VERIFY_URL", &self.verify_url),
        ] {
            let is_page = |url: &Url| is_safe(url) && url.fragment().is_none();
            if !page.as_ref().is_none_or(is_page) {
                return Err(SettingsError::new(
                    variable,
                    "must be an https address without a fragment, which will hold the token, as \
                     https://app.example.com/reset is; plain http is for localhost alone",
                ));
            }
        }
        Ok(())
    }

    /// The page that resets passwords.
    pub(super) fn reset_url(&self, public_url: &Url) -> Url {
        page(self.reset_url.as_ref(), public_url, "/reset-password")
    }

    /// The same as the sender of emails takes it. Pages that are not set are those of the service itself.
    pub(super) fn options(&self, public_url: &Url, application: Application) -> MailOptions {
        let server = self.smtp_url.as_ref().and_then(SmtpUrl::as_str);
        MailOptions {
            server: server.map(|url| ServerOptions {
                url: url.to_owned().into(),
                authority: self.smtp_ca.clone(),
                hello: self.smtp_hello.clone(),
                host: public_url.host_str().unwrap_or_default().to_owned(),
            }),
            folder: self.mail_dir.clone(),
            sender: self.mail_from.clone(),
            templates: self.templates.clone(),
            application,
            reset_url: self.reset_url(public_url),
            verify_url: page(self.verify_url.as_ref(), public_url, "/verify-email"),
            // Always our own page: a frontend that does not know it yet is not to keep the owner from the account.
            undo_url: page(None, public_url, "/undo-email-change"),
        }
    }
}

/// A page of the frontend, or, where none is set, of the service.
fn page(set: Option<&Url>, public_url: &Url, path: &str) -> Url {
    set.cloned()
        .map_or_else(|| public_url.join(path), Ok)
        .expect("a path follows any http address")
}

impl From<MailerError> for SettingsError {
    fn from(err: MailerError) -> Self {
        let variable = match err {
            MailerError::Server(_) => "BIENVENUE_SMTP_URL",
            MailerError::Authority(_) => "BIENVENUE_SMTP_CA",
            MailerError::Hello(_) => "BIENVENUE_SMTP_HELLO",
            MailerError::Sender(_) => "BIENVENUE_MAIL_FROM",
            MailerError::Templates(_) => "BIENVENUE_TEMPLATES",
        };
        Self::new(variable, err.to_string())
    }
}
