//! `throttles`: the counts of the rate limits.

use sea_orm::entity::prelude::*;

/// A count of attempts.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "throttles")]
pub struct Model {
    /// A keyed digest (HMAC-SHA-256), in hexadecimal, of what is counted. So text that people type into an address
    /// field is not stored.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// The keyed digest of the address, if attempts at the password of its account are counted.
    pub account: Option<String>,
    /// The number of attempts.
    pub tries: i32,
    /// When the count began.
    pub begun_at: DateTimeUtc,
    /// Until when no further attempt is allowed, if there is a wait.
    pub blocked_until: Option<DateTimeUtc>,
    /// When a request was first refused because of this count. Null if none was since it was last changed.
    pub refused_at: Option<DateTimeUtc>,
    /// When the count expires.
    pub forget_at: DateTimeUtc,
}

/// Counts are never joined with other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
