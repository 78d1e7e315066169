//! `throttles`: how often something was tried lately, by whom or on whom.

use sea_orm::entity::prelude::*;

/// A count of tries.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "throttles")]
pub struct Model {
    /// The SHA-256 digest, in hexadecimal, of what is counted: whatever people type into a field for addresses is not kept.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// The digest of the address, where guesses of the password of its account are counted.
    pub account: Option<String>,
    /// How many there were.
    pub tries: i32,
    /// Since when they are counted.
    pub begun_at: DateTimeUtc,
    /// Until when no other is let through, where one has to wait.
    pub blocked_until: Option<DateTimeUtc>,
    /// When the count is over, whatever it is.
    pub forget_at: DateTimeUtc,
}

/// Counts are found by nothing but themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
