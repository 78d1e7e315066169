//! `registrations`: an account that is waited for until the letter to its address was answered.

use std::fmt;

use sea_orm::entity::prelude::*;

/// What is to become an account. An address may have any number of them.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "registrations")]
pub struct Model {
    /// Random; the letter names it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The address that the letter goes to, in its canonical form.
    pub email: String,
    /// The hash of the password that was given with it.
    pub hashed_password: String,
    /// The SHA-256 digest of the token in the letter, null until the letter is written.
    #[sea_orm(unique)]
    pub token_digest: Option<String>,
    /// How long the token is good.
    pub token_expires_at: Option<DateTimeUtc>,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
}

/// Without the hash and the digest.
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

/// It belongs to nobody yet.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
