//! `one_time_tokens`: the tokens that can be used once.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A pending token.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "one_time_tokens")]
pub struct Model {
    /// A random id. An email refers to it before the token is made.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What the token is for.
    pub purpose: String,
    /// The SHA-256 digest of the token, in hexadecimal. Null until its email is written.
    #[sea_orm(unique)]
    pub token_digest: Option<String>,
    /// The account that the token is for.
    pub user_id: Option<i64>,
    /// Further data. The purpose defines its meaning.
    pub data: String,
    /// The number of failed attempts.
    pub tries: i32,
    /// When it was requested.
    pub created_at: DateTimeUtc,
    /// When it expires.
    pub expires_at: Option<DateTimeUtc>,
}

/// Leaves out the digest, so that a row in a log doesn't reveal it.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneTimeToken")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .field("user_id", &self.user_id)
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What one-time tokens belong to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The account that the token is for.
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
