//! How long the audit log is kept.

use std::time::Duration;

use clap::Args;

use super::values::duration;

/// How long the audit log is kept.
#[derive(Args, Clone, Debug)]
pub struct AuditSettings {
    /// How long the events of the audit log are kept, as 400d
    #[arg(
        long,
        env = "BIENVENUE_AUDIT_RETENTION",
        default_value = "400d",
        value_parser = duration
    )]
    pub audit_retention: Duration,
}
