//! `registrations`: accounts that are opened once the link in an email is used.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A pending registration. An address may have any number of them.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "registrations")]
pub struct Model {
    /// A random id. The email refers to it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The address that the email goes to, in canonical form.
    pub email: String,
    /// The hash of the password of the registration.
    pub hashed_password: String,
    /// The SHA-256 digest of the token in the email. Null until the email is written.
    #[sea_orm(unique)]
    pub token_digest: Option<String>,
    /// When the token expires.
    pub token_expires_at: Option<DateTimeUtc>,
    /// When it was requested.
    pub created_at: DateTimeUtc,
}

/// Leaves out the hash and the digest.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("token_expires_at", &self.token_expires_at)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// It belongs to no account yet.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
