//! Accounts, as they are shown to their owners.

use chrono::{DateTime, Utc};
use entity::user;

/// An account, as its owner may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The id. It never changes and is never reused for another account.
    pub id: i64,
    /// The address, in canonical form.
    pub email: String,
    /// Whether the owner has proved that emails to this address arrive.
    pub is_email_verified: bool,
    /// The name that the owner chose.
    pub name: Option<String>,
    /// When the account was opened.
    pub created_at: DateTime<Utc>,
}

impl From<user::Model> for Account {
    fn from(user: user::Model) -> Self {
        Self {
            id: user.id,
            email: user.email,
            is_email_verified: user.email_verified_at.is_some(),
            name: user.name,
            created_at: user.created_at,
        }
    }
}
