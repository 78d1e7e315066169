//! The log.

use std::{error::Error, io::IsTerminal as _};

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::filter_fn, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::config::{LogFormat, LogSettings};

/// Begins to log, to standard error, and sends panics there too.
///
/// The libraries below us are heard at `warn` and above alone, the database's not at all, whatever the
/// level: what they say below that quotes statements and requests, and with them hashes and tokens.
pub(super) fn start(settings: &LogSettings) -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(&settings.level)
        .map_err(|err| format!("RUST_LOG makes no sense: {err}"))?;
    let is_harmless = filter_fn(|metadata| {
        let target = metadata.target();
        target.split("::").next() == Some("bienvenue")
            || *metadata.level() <= Level::WARN
                // The database's are several: sqlx_core, sqlx_postgres, sea_orm_migration and so on.
                && !["sea_", "sqlx"].iter().any(|name| target.starts_with(name))
    });
    let layer = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let layer = match settings.format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(is_harmless).with_filter(filter))
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        // The place and not the message, which may quote what was at hand.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic");
    }));
    Ok(())
}
