//! `audit_events`: what happened to accounts.

use std::fmt;

use sea_orm::entity::prelude::*;

/// An event.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub struct Model {
    /// A UUID of version 7: events sort by it in the order in which they happened.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// When it happened, in microseconds since 1970. A number has one form in every database, so a change of it shows.
    pub at: i64,
    /// What happened.
    pub kind: String,
    /// The account that it is about. No foreign key: events outlive accounts.
    pub user_id: Option<i64>,
    /// The account that did it.
    pub actor_id: Option<i64>,
    /// The session that was opened or has ended, or else the one by which it was done.
    pub session_id: Option<Uuid>,
    /// The application by which it was done.
    pub client_id: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The address of the client. This and the user agent are null once the account that acted is deleted.
    pub ip: Option<String>,
    /// The `User-Agent` of the client.
    pub user_agent: Option<String>,
    /// The key of the commitment to the client: 32 random bytes, in hexadecimal. Null once they are erased.
    pub client_salt: Option<String>,
    /// A keyed digest (HMAC-SHA-256) of the address and the user agent, in hexadecimal.
    pub client_commitment: String,
    /// Further fields, as a JSON object. Its keys depend on the kind. Null once the account that it is about is deleted.
    pub detail: Option<String>,
    /// The key of the commitment to the detail, as that to the client.
    pub salt: Option<String>,
    /// A keyed digest (HMAC-SHA-256) of the detail, in hexadecimal.
    pub commitment: String,
    /// A keyed digest (HMAC-SHA-256) of all fields that are never erased, in hexadecimal.
    pub mac: String,
    /// The number of the checkpoint that it is in. Null until it is in one.
    pub checkpoint: Option<i64>,
}

/// Leaves out the personal fields and the salt, so that a row in a log doesn't reveal them.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditEvent")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("user_id", &self.user_id)
            .field("actor_id", &self.actor_id)
            .field("session_id", &self.session_id)
            .field("checkpoint", &self.checkpoint)
            .finish_non_exhaustive()
    }
}

/// Events are never joined with other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
