//! `known_clients`: the networks that the owner of an account used lately.

use sea_orm::entity::prelude::*;

/// A known network.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "known_clients")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// The IPv4 address, or the first 64 bits of the IPv6 address as a network. Empty if it is not known.
    #[sea_orm(primary_key, auto_increment = false)]
    pub network: String,
    /// Empty: only networks count. Rows of an older version have the `User-Agent` here.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_agent: String,
    /// When the owner last signed in from there. 1970 if that never happened.
    pub last_signed_in_at: DateTimeUtc,
    /// When a session was last used from there, accurate to an hour.
    pub last_used_at: Option<DateTimeUtc>,
}

/// What known networks belong to.
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
