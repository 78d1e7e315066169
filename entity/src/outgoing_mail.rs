//! `outgoing_mails`: a letter that is to be sent, or was sent lately.

use sea_orm::entity::prelude::*;

/// What to send to whom. The letter itself, and a token in it, are made when it is sent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outgoing_mails")]
pub struct Model {
    /// Random; the letter's `Message-ID` is made of it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What kind of letter.
    pub kind: String,
    /// The one address that it goes to, in its canonical form.
    pub recipient: String,
    /// In which language: `en` or `fr`.
    pub language: String,
    /// Whom it is about; null where that is found out when it is sent.
    pub user_id: Option<i64>,
    /// The verification or the registration that its token is for, where it has one of those.
    pub subject_id: Option<Uuid>,
    /// The address of the client that it tells of, where it tells of one.
    pub ip: Option<String>,
    /// When it became necessary.
    pub created_at: DateTimeUtc,
    /// When it is to be tried (again). Whoever tries it puts this off, and so has it for himself for so long.
    pub due_at: DateTimeUtc,
    /// How often it was tried.
    pub attempts: i32,
    /// How often the server refused it for good.
    pub refusals: i32,
    /// What went wrong the last time.
    pub last_error: Option<String>,
    /// When it was sent, or given up; null before.
    pub finished_at: Option<DateTimeUtc>,
}

/// Letters are found by nothing but themselves.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
