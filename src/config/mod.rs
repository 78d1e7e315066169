//! The settings: every variable, its default, and what makes no sense.
//!
//! A setting is an environment variable and a flag of `bienvenue serve`, whose `--help` is made of the comments here. Each
//! section is a file with its own checks, and turns what it was told into the types of the layer that uses it: nothing but
//! [`crate::app`] and the command line knows of settings.

mod application;
mod audit;
mod database;
mod error;
mod http;
mod key;
mod listen;
mod log;
mod mail;
mod password;
mod registration;
mod session;
mod settings;
mod throttle;
mod values;

pub use application::ApplicationSettings;
pub use audit::AuditSettings;
pub use database::DatabaseSettings;
pub use error::SettingsError;
pub use http::HttpSettings;
pub use key::KeySettings;
pub use listen::ListenSettings;
pub use log::{DEFAULT_LOG, LogFormat, LogSettings};
pub use mail::MailSettings;
pub use password::PasswordSettings;
pub use registration::RegistrationSettings;
pub use session::SessionSettings;
pub use settings::Settings;
pub use throttle::ThrottleSettings;
