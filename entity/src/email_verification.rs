//! `email_verifications`: addresses that wait for a proof that emails arrive.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A pending verification.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_verifications")]
pub struct Model {
    /// A random id. The email refers to it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The account.
    pub user_id: i64,
    /// The address that the email goes to, in canonical form: the current address of the account, or a requested one.
    pub email: String,
    /// The SHA-256 digest of the token in the email. Null until the email is written.
    #[sea_orm(unique)]
    pub token_digest: Option<String>,
    /// When the token expires.
    pub token_expires_at: Option<DateTimeUtc>,
    /// When it was requested.
    pub created_at: DateTimeUtc,
}

/// Leaves out the digest.
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
