//! `sessions`: one row for each sign-in that has not ended.

use std::fmt;

use sea_orm::entity::prelude::*;

/// A session.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// A random id. It identifies the session to its owner and gives no access.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Its owner.
    pub user_id: i64,
    /// The SHA-256 digest of its token, in hexadecimal.
    #[sea_orm(unique)]
    pub token_digest: String,
    /// When its owner signed in. All times are in whole microseconds.
    pub created_at: DateTimeUtc,
    /// When its owner last gave the password.
    pub authenticated_at: DateTimeUtc,
    /// When it was last used, accurate to a minute.
    pub last_seen_at: DateTimeUtc,
    /// When it ends, even if it is used.
    pub expires_at: DateTimeUtc,
    /// The address of the client that signed in, if it is known.
    pub ip: Option<String>,
    /// The `User-Agent` of the client that signed in.
    pub user_agent: Option<String>,
    /// The methods of the sign-in, sorted and separated by commas. Null in rows from before methods were stored.
    pub methods: Option<String>,
}

impl Model {
    /// The methods of the sign-in, sorted.
    #[must_use]
    pub fn methods(&self) -> Vec<String> {
        // Before methods were stored, the password was the only one.
        let methods = self.methods.as_deref().unwrap_or("password");
        methods.split(',').map(str::to_owned).collect()
    }
}

/// Leaves out the digest, so that a row in a log doesn't reveal it.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("created_at", &self.created_at)
            .field("authenticated_at", &self.authenticated_at)
            .field("last_seen_at", &self.last_seen_at)
            .field("expires_at", &self.expires_at)
            .field("ip", &self.ip)
            .field("user_agent", &self.user_agent)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}

/// What sessions belong to.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The account of its owner.
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
