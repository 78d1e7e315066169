//! `email_verifications`: an address whose owner has yet to show that mail arrives.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A proof that is waited for.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_verifications")]
pub struct Model {
    /// Random; the letter names it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// For which account.
    pub user_id: i64,
    /// The address that the letter goes to, in its canonical form: the account's, or the one that it is to have.
    pub email: String,
    /// The SHA-256 digest of the token in the letter, null until the letter is written.
    #[sea_orm(unique)]
    pub token_digest: Option<String>,
    /// How long the token is good.
    pub token_expires_at: Option<DateTimeUtc>,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
}

/// Without the digest.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailVerification")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("email", &self.email)
            .field("token_expires_at", &self.token_expires_at)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// What verifications belong to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The account.
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::UserId",
        to = "super::user::Column::Id",
        on_delete = "Cascade"
    )]
    User,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
