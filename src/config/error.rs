//! Settings that make no sense.

/// A setting that makes no sense, in a sentence that says which and why.
#[derive(Debug, thiserror::Error)]
#[error("{variable} {reason}")]
pub struct SettingsError {
    variable: &'static str,
    reason: String,
}

impl SettingsError {
    pub(super) fn new(variable: &'static str, reason: impl Into<String>) -> Self {
        Self {
            variable,
            reason: reason.into(),
        }
    }
}
