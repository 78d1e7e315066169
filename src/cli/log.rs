//! The log.

use std::{error::Error, io::IsTerminal as _};

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::filter_fn, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::config::{DEFAULT_LOG, LogFormat, LogSettings};

/// Like [`start`], for a command whose result is what counts: without another setting, only warnings and what was done are logged.
pub(super) fn start_quiet(settings: &LogSettings) -> Result<(), Box<dyn Error>> {
    let mut settings = settings.clone();
    if settings.log == DEFAULT_LOG {
        "warn,audit=info".clone_into(&mut settings.log);
    }
    start(&settings)
}

/// Starts logging to standard error, including panics.
///
/// Libraries are logged only at `warn` and above, and those of the database never, at any level. Their lower levels
/// quote statements and requests, which contain hashes and tokens.
pub(super) fn start(settings: &LogSettings) -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(&settings.log)
        .map_err(|err| format!("RUST_LOG is invalid: {err}"))?;
    let is_harmless = filter_fn(|metadata| {
        let target = metadata.target();
        ["bienvenue", "audit"].contains(&target.split("::").next().unwrap_or_default())
            || *metadata.level() <= Level::WARN
                // The database libraries have several targets: sqlx_core, sqlx_postgres, sea_orm_migration and so on.
                && !["sea_", "sqlx"].iter().any(|name| target.starts_with(name))
    });
    let layer = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let layer = match settings.log_format {
        LogFormat::Text => layer.boxed(),
        // The request is said once, as the span that is current.
        LogFormat::Json => layer.json().with_span_list(false).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(is_harmless).with_filter(filter))
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        // Logs the place but not the message, which may quote secret values.
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic");
    }));
    Ok(())
}
