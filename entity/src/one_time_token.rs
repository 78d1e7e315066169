//! `one_time_tokens`: what a token is good for, once.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A token that is outstanding.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "one_time_tokens")]
pub struct Model {
    /// Random. An email names the token by it before the token is made.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What it does when it is used.
    pub purpose: String,
    /// The SHA-256 digest of the token, in hexadecimal; null until the email with it is sent.
    #[sea_orm(unique)]
    pub token_digest: Option<String>,
    /// The account that it acts on.
    pub user_id: Option<i64>,
    /// What it does it with: the purpose says what this means.
    pub data: String,
    /// How often it was tried in vain.
    pub tries: i32,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
    /// When it expires.
    pub expires_at: Option<DateTimeUtc>,
}

/// Without the digest, so that a row in a log doesn't give it away.
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
    /// The account that one acts on.
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
