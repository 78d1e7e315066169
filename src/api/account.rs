//! Accounts in responses.

use poem_openapi::Object;

use super::values::{OrNull, Time};
use crate::auth::Account;

/// An account.
#[derive(Object)]
pub(super) struct User {
    /// The id of the account. It never changes and is never given to another account.
    id: i64,
    /// The email address, in its normalized form.
    email: String,
    /// Whether the user has proved that emails to this address arrive.
    email_verified: bool,
    /// The display name, chosen by the user.
    name: OrNull<String>,
    /// When the account was created.
    created_at: Time,
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            email: account.email,
            email_verified: account.is_email_verified,
            name: account.name.into(),
            created_at: account.created_at.into(),
        }
    }
}
