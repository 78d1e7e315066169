//! How long a session lasts.

use std::time::Duration;

use clap::Args;

use super::values::duration;

/// How long a session lasts.
#[derive(Args, Clone, Debug)]
pub struct SessionSettings {
    /// How long a session lasts that is not used, as 30m or 7d
    #[arg(
        long,
        env = "BIENVENUE_SESSION_IDLE",
        default_value = "7d",
        value_parser = duration
    )]
    pub session_idle: Duration,
    /// How long a session lasts at most, however much it is used
    #[arg(
        long,
        env = "BIENVENUE_SESSION_LIFETIME",
        default_value = "30d",
        value_parser = duration
    )]
    pub session_lifetime: Duration,
}
