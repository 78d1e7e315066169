//! `users`: one row for each account.

use std::fmt;

use sea_orm::entity::prelude::*;

/// An account.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Assigned by the database, and never reused.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The address in canonical form.
    #[sea_orm(unique)]
    pub email: String,
    /// bcrypt, as text that begins with its format: `$2b$…` or `$bcrypt-sha256$…`. Empty if the account has no password
    /// yet.
    pub hashed_password: String,
    /// The id of the newest session. Null if there is none.
    pub session_id: Option<String>,
    /// The digest of the pending reset token. Null if there is none.
    pub reset_token: Option<String>,
    /// When that token expires. Null if there is none.
    pub reset_token_expires_at: Option<DateTimeUtc>,
    /// When the owner proved that emails to the address arrive. Null before.
    pub email_verified_at: Option<DateTimeUtc>,
    /// When the owner last signed in. Null before the first time.
    pub last_signed_in_at: Option<DateTimeUtc>,
    /// The name that the owner chose. Null if there is none.
    pub name: Option<String>,
    /// What the user may do: `user` or `admin`.
    pub role: String,
    /// When an administrator disabled the account. Null if it is not disabled.
    pub disabled_at: Option<DateTimeUtc>,
    /// Whether an administrator opened the account. Such an account is kept although it is never used.
    pub is_provisioned: bool,
    /// When the account was opened, in whole microseconds.
    pub created_at: DateTimeUtc,
    /// When the row was last changed, in whole microseconds.
    pub updated_at: DateTimeUtc,
}

/// Leaves out the hash, the digest and the name, so that a row in a log doesn't reveal them.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("session_id", &self.session_id)
            .field("email_verified_at", &self.email_verified_at)
            .field("last_signed_in_at", &self.last_signed_in_at)
            .field("role", &self.role)
            .field("disabled_at", &self.disabled_at)
            .field("is_provisioned", &self.is_provisioned)
            .field("created_at", &self.created_at)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

/// Related tables define their own relation to users.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
