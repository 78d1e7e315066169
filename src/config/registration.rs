//! Who may register, and for how long an unverified account is kept.

use clap::{Args, ValueEnum};

use super::values::OrOff;
use crate::auth::RegistrationMode;

/// Who may register, and for how long an unverified account is kept.
#[derive(Args, Clone, Debug)]
pub struct RegistrationSettings {
    /// Who may register
    #[arg(long, env = "BIENVENUE_REGISTRATION", default_value = "open")]
    pub registration: Registration,
    /// When an account is removed whose address was never verified and that nobody signed in to for so long: a time, or off
    #[arg(long, env = "BIENVENUE_UNVERIFIED_LIFETIME", default_value = "30d")]
    pub unverified_lifetime: OrOff,
}

/// Who may register.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Everybody; the answer says whether an address has an account already
    Open,
    /// Everybody, by a link that is mailed to the address; no answer says whether it has an account
    Private,
    /// Nobody: accounts come from the command line
    Closed,
}

impl RegistrationSettings {
    pub(super) fn mode(&self) -> RegistrationMode {
        match self.registration {
            Registration::Open => RegistrationMode::Open,
            Registration::Private => RegistrationMode::Private,
            Registration::Closed => RegistrationMode::Closed,
        }
    }
}
