//! All settings together.

use clap::Args;

use super::{
    application::ApplicationSettings, audit::AuditSettings, database::DatabaseSettings,
    error::SettingsError, http::HttpSettings, key::KeySettings, listen::ListenSettings,
    log::LogSettings, mail::MailSettings, password::PasswordSettings,
    registration::RegistrationSettings, session::SessionSettings, throttle::ThrottleSettings,
};
use crate::{
    application::Application, auth::Policy, http::HttpOptions, loopback::is_loopback,
    mail::MailOptions,
};

/// Everything that `bienvenue serve` can be told.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Which database.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// The service's own secret.
    #[command(flatten)]
    pub key: KeySettings,
    /// Where it listens.
    #[command(flatten)]
    pub listen: ListenSettings,
    /// How it is reached.
    #[command(flatten)]
    pub http: HttpSettings,
    /// Who may register, and for how long an unverified account is kept.
    #[command(flatten)]
    pub registration: RegistrationSettings,
    /// What a password must be.
    #[command(flatten)]
    pub password: PasswordSettings,
    /// How long a session lasts.
    #[command(flatten)]
    pub session: SessionSettings,
    /// How often something may be attempted.
    #[command(flatten)]
    pub throttle: ThrottleSettings,
    /// How long the audit log is kept.
    #[command(flatten)]
    pub audit: AuditSettings,
    /// The application that people sign in to.
    #[command(flatten)]
    pub application: ApplicationSettings,
    /// How emails are sent, and what is in them.
    #[command(flatten)]
    pub mail: MailSettings,
    /// How the log is written.
    #[command(flatten)]
    pub log: LogSettings,
}

impl Settings {
    /// Checks what no single value shows.
    ///
    /// # Errors
    /// [`SettingsError`] for the first setting that makes no sense.
    pub fn check(&self) -> Result<(), SettingsError> {
        let is_local = self.is_local();
        self.database.check()?;
        self.http.check()?;
        self.password.check(is_local)?;
        self.throttle.check(is_local)?;
        self.application.check()?;
        self.mail.check()
    }

    /// Whether this is local development: plain http on a name that never leaves the machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.http.public_url.scheme() == "http" && is_loopback(&self.http.public_url)
    }

    /// What works, but most likely not as it was meant, each with its mend.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        let has_mail_server = self.mail.smtp_url.is_some();
        if self.http.public_url.scheme() == "https" && !has_mail_server {
            advice.push(format!(
                "emails are written to files in {}, and reach nobody: set BIENVENUE_SMTP_URL to your mail server, as \
                 smtps://user:password@mail.example.com",
                self.mail.mail_dir.display()
            ));
        }
        if has_mail_server && self.mail.mail_from.email.domain() == "localhost" {
            advice.push(
                "emails are sent from an address at localhost, which mail servers refuse: set BIENVENUE_MAIL_FROM, as \
                 'My App <no-reply@example.com>'"
                    .to_owned(),
            );
        }
        if self.session.session_idle > self.session.session_lifetime {
            advice.push(
                "BIENVENUE_SESSION_IDLE is longer than BIENVENUE_SESSION_LIFETIME, which ends sessions before: make it shorter, as \
                 7d beside 30d"
                    .to_owned(),
            );
        }
        advice
    }

    /// What is asked of accounts.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            registration: self.registration.mode(),
            bcrypt_cost: self.password.bcrypt_cost,
            hashing_lanes: self.password.hashing_lanes,
            password_min_length: self.password.password_min_length,
            password_min_score: self.password.password_min_score,
            session_idle: self.session.session_idle,
            session_lifetime: self.session.session_lifetime,
            reset_token_lifetime: self.mail.reset_token_lifetime,
            verification_lifetime: self.mail.verification_lifetime,
            unverified_lifetime: self.registration.unverified_lifetime.0,
            audit_retention: self.audit.audit_retention,
            rate_limits: self.throttle.limits(),
        }
    }

    /// How browsers and programs reach the service.
    pub(crate) fn http_options(&self) -> HttpOptions {
        HttpOptions {
            public_url: self.http.public_url.clone(),
            is_public_url_set: self.http.is_public_url_set(),
            is_local: self.is_local(),
            allowed_origins: self.http.allowed_origins(),
            trusted_proxies: self.http.trusted_proxies.clone().unwrap_or_default(),
            keep_alive: self.listen.keep_alive,
            session_lifetime: self.session.session_lifetime,
        }
    }

    /// How emails are sent, and what is in them.
    pub(crate) fn mail_options(&self) -> MailOptions {
        self.mail.options(&self.http.public_url, self.application())
    }

    /// The application that people sign in to. A new password is asked for on a page of the service, or where people sign in when
    /// the application has a page of its own for that.
    pub(crate) fn application(&self) -> Application {
        let public_url = &self.http.public_url;
        let url = self.application.url(public_url);
        Application {
            name: self.application.name(public_url),
            forgotten_password_url: match &self.mail.reset_url {
                Some(_) => url.clone(),
                None => self.mail.reset_url(public_url),
            },
            url,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        let command = Settings::augment_args(clap::Command::new("serve").no_binary_name(true));
        // What the machine sets is not to decide here.
        let command = command.mut_args(|argument| argument.env(None::<&str>));
        let matches = command.get_matches_from(arguments);
        Settings::from_arg_matches(&matches).expect("settings are right")
    }

    #[test]
    fn an_empty_environment_gives_the_default_policy() {
        assert_eq!(settings(&[]).policy(), Policy::default());
    }
}
