//! `outgoing_mails`: emails that are to be sent, or were sent lately.

use sea_orm::entity::prelude::*;

/// The kind and the recipient of an email. The email itself, and its token, are made when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outgoing_mails")]
pub struct Model {
    /// A random id. The `Message-ID` of the email is made of it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Its kind.
    pub kind: String,
    /// The one address that it goes to, in canonical form.
    pub recipient: String,
    /// Its language: `en` or `fr`.
    pub language: String,
    /// The account that it is about. Null if the account is looked up when the email is sent.
    pub user_id: Option<i64>,
    /// The verification, the registration or the one-time token that its link is for, if it has one.
    pub subject_id: Option<Uuid>,
    /// The address of the client that it tells about, if it tells about one.
    pub ip: Option<String>,
    /// The family of the browser that the email tells about, if it tells about one.
    pub client: Option<String>,
    /// When it was requested.
    pub created_at: DateTimeUtc,
    /// When the next attempt is due. A worker that takes the email sets this to the end of its lease.
    pub due_at: DateTimeUtc,
    /// The number of attempts.
    pub attempts: i32,
    /// The number of permanent refusals by the server.
    pub refusals: i32,
    /// The error of the last attempt.
    pub last_error: Option<String>,
    /// When it was sent or given up. Null before.
    pub finished_at: Option<DateTimeUtc>,
}

/// Emails are never joined with other tables.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
