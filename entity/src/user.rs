//! `users`: one row an account.

use std::fmt;

use sea_orm::entity::prelude::*;

/// An account.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Given by the database, never used twice.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The address in its canonical form.
    #[sea_orm(unique)]
    pub email: String,
    /// bcrypt, as text that begins with the format: `$2b$…` or `$bcrypt-sha256$…`.
    pub hashed_password: String,
    /// The newest live session, null when there is none.
    pub session_id: Option<String>,
    /// The digest of the reset token that is outstanding, null when there is none.
    pub reset_token: Option<String>,
    /// How long that token is good, null when there is none.
    pub reset_token_expires_at: Option<DateTimeUtc>,
    /// When the owner showed that mail to the address arrives, null before.
    pub email_verified_at: Option<DateTimeUtc>,
    /// When the owner last signed in, null before the first time.
    pub last_signed_in_at: Option<DateTimeUtc>,
    /// What the owner wants to be called, null when nothing is said.
    pub name: Option<String>,
    /// When the account was made, in whole microseconds.
    pub created_at: DateTimeUtc,
    /// When the row was last changed, in whole microseconds.
    pub updated_at: DateTimeUtc,
}

/// Without the hash, the digest and the name, so that a row in a log gives none of them away.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("session_id", &self.session_id)
            .field("email_verified_at", &self.email_verified_at)
            .field("last_signed_in_at", &self.last_signed_in_at)
            .field("created_at", &self.created_at)
            .field("updated_at", &self.updated_at)
            .finish_non_exhaustive()
    }
}

/// What hangs on a user says so itself.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
