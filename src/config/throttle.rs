//! How often something may be attempted.

use clap::{Args, ValueEnum, builder::RangedI64ValueParser};

use super::error::SettingsError;
use crate::auth::RateLimits;

/// How often something may be attempted.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Whether attempts are limited at all; off is for benchmarks, and for a public URL on localhost alone
    #[arg(long, env = "BIENVENUE_THROTTLE", default_value = "on")]
    pub throttle: OnOrOff,
    /// After so many wrong passwords in a row for one account the next has to wait: 1 s, 2 s, 4 s, up to 15 min
    #[arg(
        long,
        env = "BIENVENUE_ACCOUNT_FREE_FAILURES",
        default_value_t = 5,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub account_free_failures: i32,
    /// After so many nobody can try that account from there any more, until its password is reset by email
    #[arg(
        long,
        env = "BIENVENUE_ACCOUNT_FAILURES",
        default_value_t = 100,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub account_failures: i32,
    /// So many wrong passwords and tokens are taken from one client address in 10 min
    #[arg(
        long,
        env = "BIENVENUE_ADDRESS_FAILURES",
        default_value_t = 30,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub address_failures: i32,
    /// So many registrations are taken from one client address in an hour
    #[arg(
        long,
        env = "BIENVENUE_ADDRESS_REGISTRATIONS",
        default_value_t = 20,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub address_registrations: i32,
    /// So many requests for emails are taken from one client address in an hour
    #[arg(
        long,
        env = "BIENVENUE_ADDRESS_LETTERS",
        default_value_t = 20,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub address_letters: i32,
    /// So many emails of a kind are sent to one address in an hour
    #[arg(
        long,
        env = "BIENVENUE_RECIPIENT_LETTERS_HOURLY",
        default_value_t = 3,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub recipient_letters_hourly: i32,
    /// So many emails of a kind are sent to one address in a day
    #[arg(
        long,
        env = "BIENVENUE_RECIPIENT_LETTERS_DAILY",
        default_value_t = 10,
        value_parser = RangedI64ValueParser::<i32>::new().range(1..=1_000_000)
    )]
    pub recipient_letters_daily: i32,
}

/// Whether attempts are limited.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOrOff {
    /// Attempts are limited
    On,
    /// They are not
    Off,
}

impl ThrottleSettings {
    pub(super) fn check(&self, is_local: bool) -> Result<(), SettingsError> {
        if self.throttle == OnOrOff::Off && !is_local {
            return Err(SettingsError::new(
                "BIENVENUE_THROTTLE",
                "can be off only where BIENVENUE_PUBLIC_URL is http on localhost",
            ));
        }
        Ok(())
    }

    pub(super) fn limits(&self) -> Option<RateLimits> {
        (self.throttle == OnOrOff::On).then_some(RateLimits {
            account_free_failures: self.account_free_failures,
            account_failures: self.account_failures,
            address_failures: self.address_failures,
            address_registrations: self.address_registrations,
            address_emails: self.address_letters,
            recipient_emails_hourly: self.recipient_letters_hourly,
            recipient_emails_daily: self.recipient_letters_daily,
        })
    }
}
