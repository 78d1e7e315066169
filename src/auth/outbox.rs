//! The outbox: emails that are to be sent, and their results.
//!
//! An operation that causes an email adds a row in its own transaction. A worker (see [`crate::mail`]) leases the rows
//! that are due, has each email made here, sends it, and reports the result. A token is made together with its email,
//! so that the token exists nowhere else.

use std::sync::Arc;

use chrono::TimeDelta;
use entity::outgoing_mail;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    client::Client,
    language::Language,
    mail::{DueMail, Mail, MailKind, NewMail},
    tokens::{Issued, Tokens},
};
use crate::db::{DB, DbError, Transaction};

/// How long a worker leases an email: longer than it can take to send one.
pub(super) const LEASE: TimeDelta = TimeDelta::minutes(1);

/// The longest pause between two attempts. When the mail server is back, no email waits longer.
pub(super) const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// How long the service tries to send an email.
pub(super) const PATIENCE: TimeDelta = TimeDelta::days(3);

/// The pauses after each permanent refusal by the server. After the last refusal the email is given up. Together the
/// pauses are long enough to find and fix a relay that is misconfigured.
const PAUSES_AFTER_REFUSALS: [TimeDelta; 4] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(10),
    TimeDelta::hours(1),
    TimeDelta::hours(3),
];

/// How many characters of an error are kept.
const LONGEST_ERROR: usize = 500;

/// How long a row is kept after the email was sent or given up.
pub(super) const KEPT: TimeDelta = TimeDelta::days(2);

/// The emails that are to be sent. Cheap to clone. All clones share one state.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    db: DB,
    tokens: Tokens,
    added: Arc<Notify>,
}

impl Outbox {
    pub(super) fn new(db: DB, tokens: Tokens) -> Self {
        Self {
            db,
            tokens,
            added: Arc::default(),
        }
    }

    /// Adds, in a transaction, an email that is to be sent.
    pub(super) async fn add(
        &self,
        tx: &Transaction,
        mail: NewMail<'_>,
        language: Language,
    ) -> Result<(), DbError> {
        let now = tx.clock().now();
        tx.add_mail(outgoing_mail::Model {
            id: Uuid::new_v4(),
            kind: mail.kind.as_str().to_owned(),
            recipient: mail.recipient.to_owned(),
            language: language.as_str().to_owned(),
            user_id: mail.user_id,
            subject_id: mail.subject_id,
            ip: mail.client.and_then(|client| Some(client.ip?.to_string())),
            client: mail.client.and_then(Client::browser),
            created_at: now,
            due_at: now,
            attempts: 0,
            refusals: 0,
            last_error: None,
            finished_at: None,
        })
        .await
    }

    /// Wakes the mail worker of this process.
    pub(super) fn wake_worker(&self) {
        self.added.notify_one();
    }

    /// Waits until an email was added in this process.
    pub(crate) async fn added(&self) {
        self.added.notified().await;
    }

    /// Leases the email that has been due the longest, if there is one. Skips those that the caller is still sending.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) async fn take_due(&self, being_sent: &[Uuid]) -> Result<Option<DueMail>, DbError> {
        // An email of an unknown kind was added by a newer version, which will send it.
        let kinds = MailKind::ALL.map(MailKind::as_str);
        let row = self.db.take_due_mail(&kinds, being_sent, LEASE).await?;
        Ok(row.and_then(|row| {
            let kind = MailKind::parse(&row.kind)?;
            Some(DueMail { row, kind })
        }))
    }

    /// Makes an email that is due, with a new token if its kind has one. The token before it becomes invalid. Returns
    /// `None` if the email has no recipient, or is no longer needed.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) async fn write(&self, due: &DueMail) -> Result<Option<Mail>, DbError> {
        let row = &due.row;
        let Some(Issued { kind, token }) = self.tokens.issue(due, LEASE).await? else {
            return Ok(None);
        };
        let message_id = match &token {
            Some(_) => format!("{}.{}", row.id, row.attempts),
            None => row.id.to_string(),
        };
        Ok(Some(Mail {
            message_id,
            kind,
            language: Language::parse(&row.language).unwrap_or_default(),
            recipient: row.recipient.clone(),
            created_at: row.created_at,
            ip: row.ip.clone(),
            client: row.client.clone(),
            token,
        }))
    }

    /// Records that an email needs no further work.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) async fn done(&self, due: &DueMail) -> Result<(), DbError> {
        self.db.finish_mail(&due.row, None).await
    }

    /// Records that an email could not be sent. The next attempt is after 1 s, 2 s, 4 s and so on, a minute at most,
    /// for three days.
    ///
    /// An email that the server refuses permanently is tried five times in a little over four hours. The mailbox may
    /// not exist, but the server may also be misconfigured.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) async fn failed(
        &self,
        due: &DueMail,
        error: &str,
        is_refusal: bool,
    ) -> Result<(), DbError> {
        let (mail, now) = (&due.row, self.db.clock().now());
        // A server can send anything, and text in PostgreSQL can't contain NUL.
        let chars = error.chars().filter(|char| *char != '\0');
        let error = &*chars.take(LONGEST_ERROR).collect::<String>();
        let refusals = mail.refusals + i32::from(is_refusal);
        let pause = if mail.created_at + PATIENCE < now {
            None
        } else if is_refusal {
            let refused_before = usize::try_from(mail.refusals).unwrap_or(0);
            PAUSES_AFTER_REFUSALS.get(refused_before).copied()
        } else {
            let doublings = u32::try_from(mail.attempts - 1).unwrap_or(0).min(6);
            Some((TimeDelta::seconds(1) * (1 << doublings)).min(LONGEST_PAUSE))
        };
        let Some(pause) = pause else {
            let (id, kind) = (mail.id, &*mail.kind);
            tracing::error!(%id, kind, error = without_addresses(error), "gave up on an email");
            return self.db.finish_mail(mail, Some(error)).await;
        };
        let (id, kind) = (mail.id, &*mail.kind);
        tracing::warn!(%id, kind, error = without_addresses(error), "an email was not sent");
        self.db
            .postpone_mail(mail, now + pause, refusals, error)
            .await
    }
}

/// The answer of a mail server without the addresses in it, which must not be logged.
fn without_addresses(error: &str) -> String {
    let words = error.split(' ').map(|word| {
        if word.contains('@') {
            "<address>"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
