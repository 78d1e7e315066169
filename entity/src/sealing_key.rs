//! `sealing_keys`: the key that the service uses this database with.

use sea_orm::entity::prelude::*;

/// The current key, as the only row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sealing_keys")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// Identifies the key and reveals nothing of it. The key itself is never in the database.
    pub fingerprint: String,
    /// When it came into use.
    pub created_at: DateTimeUtc,
}

/// The key is related to no other table.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
