//! The groups of operations in the documentation.

use poem_openapi::Tags;

/// The groups of operations in the documentation.
#[derive(Tags)]
pub(super) enum Tag {
    /// Create and manage an account.
    Accounts,
    /// Sign in and out, on any number of devices.
    Sessions,
    /// Confirmation by email: verify an address, or replace a forgotten password.
    Email,
    /// Manage the accounts of others, for administrators. Changes need a password that was given in the last 10 minutes.
    Administration,
    /// The service itself: its health, and explanations of its problems.
    Service,
}
