//! `audit_checkpoints`: the signed chain over the events.

use sea_orm::entity::prelude::*;

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_checkpoints")]
pub struct Model {
    /// 1, 2, 3 and so on, without gaps.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// When it was made, in microseconds since 1970.
    pub sealed_at: i64,
    /// The first of its events. Null if it has none.
    pub first_event: Option<Uuid>,
    /// The last of its events. Null if it has none.
    pub last_event: Option<Uuid>,
    /// How many events it has.
    pub events: i64,
    /// A digest (SHA-256) of its events, in hexadecimal.
    pub root: String,
    /// A digest (SHA-256) of the checkpoint before it, in hexadecimal.
    pub previous: String,
    /// The number of the oldest checkpoint that is kept.
    pub oldest: i64,
    /// The public key that the signature can be checked with, in hexadecimal.
    pub key: String,
    /// The signature (Ed25519) of all of this, in hexadecimal.
    pub signature: String,
}

/// Checkpoints are never joined with other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
