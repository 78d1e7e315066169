//! Which database.

use clap::{Args, builder::RangedU64ValueParser};

use super::error::SettingsError;
use crate::db::{DatabaseOptions, DatabaseUrl};

/// Which database.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// Where the accounts are: sqlite:… or postgres:…
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite://bienvenue.db?mode=rwc",
        hide_env_values = true
    )]
    pub database_url: DatabaseUrl,
    /// The most connections to the database at once. A request that waits for one for over 2 s is answered with 503
    #[arg(
        long,
        env = "BIENVENUE_DATABASE_CONNECTIONS",
        default_value_t = 10,
        value_parser = RangedU64ValueParser::<u32>::new().range(1..=1000)
    )]
    pub database_connections: u32,
}

impl DatabaseSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let checked = self.database_url.check();
        checked.map_err(|reason| SettingsError::new("DATABASE_URL", reason))
    }
}

impl From<&DatabaseSettings> for DatabaseOptions {
    fn from(settings: &DatabaseSettings) -> Self {
        Self {
            url: settings.database_url.clone(),
            connections: settings.database_connections,
        }
    }
}
