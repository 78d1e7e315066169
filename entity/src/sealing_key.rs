//! `sealing_keys`: which key the service uses this database with.

use sea_orm::entity::prelude::*;

/// The key that is in use: one row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sealing_keys")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// What tells the key from others and gives nothing of it away. The key itself is never in the database.
    pub fingerprint: String,
    /// Since when it is in use.
    pub created_at: DateTimeUtc,
}

/// The key belongs to nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
