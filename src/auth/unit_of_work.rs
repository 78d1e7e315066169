//! The unit of work: changes that belong together, with their emails, audit rows and log lines.

use std::ops::Deref;

use entity::{audit_event, user};
use uuid::Uuid;

use super::{
    audit::{Actor, AuditLog, Line},
    client::Client,
    event::Event,
    mail::NewMail,
    outbox::Outbox,
    throttle::{Allowance, Throttle},
};
use crate::db::{DB, DbError, Transaction};

/// A transaction with the events in it. Its emails and audit rows are part of the transaction. Its log lines are
/// written after the commit.
pub(super) struct UnitOfWork<'a> {
    tx: Transaction,
    audit: &'a AuditLog,
    outbox: &'a Outbox,
    throttle: &'a Throttle,
    client: &'a Client,
    actor: Option<Actor>,
    rows: Vec<audit_event::Model>,
    lines: Vec<Line>,
    has_mail: bool,
}

/// Gives access to the queries of the transaction.
impl Deref for UnitOfWork<'_> {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.tx
    }
}

impl<'a> UnitOfWork<'a> {
    /// Begins a transaction for a client.
    pub(super) async fn begin(
        db: &DB,
        audit: &'a AuditLog,
        outbox: &'a Outbox,
        throttle: &'a Throttle,
        client: &'a Client,
    ) -> Result<Self, DbError> {
        Ok(Self {
            tx: db.begin().await?,
            audit,
            outbox,
            throttle,
            client,
            actor: None,
            rows: Vec::new(),
            lines: Vec::new(),
            has_mail: false,
        })
    }

    /// Sets who does what is recorded from here on: an account, and the session by which it does it.
    pub(super) fn act_as(&mut self, user_id: i64, session_id: impl Into<Option<Uuid>>) {
        self.actor = Some(Actor {
            user_id,
            session_id: session_id.into(),
        });
    }

    /// Records an event. Its emails, its audit row and its log line follow from it.
    pub(super) async fn record(&mut self, event: Event<'_>) -> Result<(), DbError> {
        for mail in event.mails() {
            if self.is_sent(&mail).await? {
                self.outbox
                    .add(&self.tx, mail, self.client.language)
                    .await?;
                self.has_mail = true;
            }
        }
        if let Some(entry) = event.entry() {
            let (row, line) = self.audit.row(entry, self.actor, self.client);
            self.rows.push(row);
            self.lines.push(line);
        }
        Ok(())
    }

    /// Whether an email is sent. Notifications to an address that was never verified use the rate limit of emails that
    /// anybody can cause. The account may belong to a stranger, and this keeps the stranger from filling another
    /// person's mailbox.
    async fn is_sent(&self, mail: &NewMail<'_>) -> Result<bool, DbError> {
        match mail.notified {
            Some(user::Model {
                email,
                email_verified_at: None,
                ..
            }) => {
                let whose = Allowance::Strangers;
                self.throttle
                    .allows_mail(&self.tx, email, whose, self.client)
                    .await
            }
            _ => Ok(true),
        }
    }

    /// Erases the personal fields of the events that were recorded so far, for the deletion of the account that they are
    /// about. The client of another account, which acted, stays.
    pub(super) fn erase_recorded(&mut self) {
        for row in &mut self.rows {
            (row.detail, row.salt) = (None, None);
            if row.actor_id.is_none() || row.actor_id == row.user_id {
                (row.ip, row.user_agent, row.client_salt) = (None, None, None);
            }
        }
    }

    /// Stores the audit rows, in one statement, and commits. Then wakes the mail worker and writes the log lines.
    pub(super) async fn commit(self) -> Result<(), DbError> {
        self.tx.add_audit_events(self.rows).await?;
        self.tx.commit().await?;
        if self.has_mail {
            self.outbox.wake_worker();
        }
        let network = self.client.network();
        for line in &self.lines {
            line.log(&network);
        }
        Ok(())
    }
}
