//! How the log is written.

use clap::{Args, ValueEnum};

use super::values::log_filter;

/// What is logged unless it is set.
pub const DEFAULT_LOG: &str = "info";

/// How the log is written. What is written is set by `RUST_LOG`.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people
    Text,
    /// For machines: one JSON object a line
    Json,
}

/// How the log is written.
#[derive(Args, Clone, Debug)]
pub struct LogSettings {
    /// How the log is written, to standard error
    #[arg(long, env = "BIENVENUE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace
    #[arg(
        long,
        env = "RUST_LOG",
        default_value = DEFAULT_LOG,
        value_parser = log_filter
    )]
    pub log: String,
}
