//! The rows of `outgoing_mails`.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{outgoing_mail, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    prelude::{Expr, Uuid},
    sea_query::{LockBehavior, LockType, SelectStatement, SimpleExpr},
};

use super::{database::DB, error::DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Adds an email that is to be sent.
    pub(crate) async fn add_mail(&self, mail: outgoing_mail::Model) -> Result<(), DbError> {
        let insert = outgoing_mail::Entity::insert(mail.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Finds the email of one of these kinds that has been due the longest and is not locked by another worker.
    async fn find_due_mail(
        &self,
        kinds: &[&str],
        except: &[Uuid],
    ) -> Result<Option<outgoing_mail::Model>, DbError> {
        let mail = outgoing_mail::Entity::find()
            .filter(outgoing_mail::Column::FinishedAt.is_null())
            .filter(outgoing_mail::Column::DueAt.lte(self.clock.now()))
            .filter(outgoing_mail::Column::Kind.is_in(kinds.iter().copied()))
            .filter(outgoing_mail::Column::Id.is_not_in(except.iter().copied()))
            .order_by_asc(outgoing_mail::Column::DueAt)
            // A transaction on SQLite locks the whole database, and sea-query leaves this clause out.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        self.ask(mail.one(&self.conn)).await
    }

    /// Extends the lease of an email. Returns `false` if another worker has leased it meanwhile.
    pub(crate) async fn keep_mail(
        &self,
        mail: &outgoing_mail::Model,
        due_at: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let keeping = outgoing_mail::Entity::update_many()
            .col_expr(outgoing_mail::Column::DueAt, due_at.into())
            .filter(has_same_lease(mail));
        Ok(self.write(keeping.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Records that an email could not be sent, when the next attempt is due, and how many times the server has refused
    /// it permanently.
    pub(crate) async fn postpone_mail(
        &self,
        mail: &outgoing_mail::Model,
        due_at: DateTime<Utc>,
        refusals: i32,
        error: &str,
    ) -> Result<(), DbError> {
        let postponement = outgoing_mail::Entity::update_many()
            .col_expr(outgoing_mail::Column::DueAt, due_at.into())
            .col_expr(outgoing_mail::Column::Refusals, refusals.into())
            .col_expr(outgoing_mail::Column::LastError, error.into())
            .filter(has_same_lease(mail));
        self.write(postponement.exec(&self.conn)).await?;
        Ok(())
    }

    /// Records that an email needs no further work: it was sent, or is no longer needed. With an error, it was given
    /// up.
    pub(crate) async fn finish_mail(
        &self,
        mail: &outgoing_mail::Model,
        error: Option<&str>,
    ) -> Result<(), DbError> {
        let end = outgoing_mail::Entity::update_many()
            .col_expr(outgoing_mail::Column::FinishedAt, self.clock.now().into())
            .col_expr(outgoing_mail::Column::LastError, Expr::value(error))
            .filter(has_same_lease(mail));
        self.write(end.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes the emails to an address: those that are not about an account, and with `of_others` those about any. Those
    /// about an account are also deleted with it, whatever their address.
    pub(crate) async fn delete_mails_to(
        &self,
        recipient: &str,
        of_others: bool,
    ) -> Result<(), DbError> {
        let mut deletion = outgoing_mail::Entity::delete_many()
            .filter(outgoing_mail::Column::Recipient.eq(recipient));
        if !of_others {
            deletion = deletion.filter(outgoing_mail::Column::UserId.is_null());
        }
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// All emails about a user, newest first. If the user's address is verified, this includes the emails to that
    /// address that are not about an account.
    pub(crate) async fn find_mails(
        &self,
        user: &user::Model,
    ) -> Result<Vec<outgoing_mail::Model>, DbError> {
        let to_address = outgoing_mail::Column::UserId
            .is_null()
            .and(outgoing_mail::Column::Recipient.eq(&*user.email));
        let about = outgoing_mail::Column::UserId.eq(user.id);
        let mails = outgoing_mail::Entity::find()
            .filter(if user.email_verified_at.is_some() {
                about.or(to_address)
            } else {
                about
            })
            .order_by_desc(outgoing_mail::Column::CreatedAt)
            .order_by_asc(outgoing_mail::Column::Kind);
        self.ask(mails.all(&self.conn)).await
    }

    /// Deletes a batch of the emails that were finished before a time. Returns whether there may be more.
    pub(crate) async fn delete_mails_finished_before(
        &self,
        time: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let finished = outgoing_mail::Column::FinishedAt.lt(time);
        self.sweep::<outgoing_mail::Entity>(outgoing_mail::Column::Id, finished)
            .await
    }
}

/// Matches an email while the lease under which it was taken is current. Once another worker has leased it, the number
/// of attempts is different.
fn has_same_lease(mail: &outgoing_mail::Model) -> SimpleExpr {
    let same = outgoing_mail::Column::Id.eq(mail.id);
    same.and(outgoing_mail::Column::Attempts.eq(mail.attempts))
}

impl DB {
    /// Leases the email of one of these kinds that has been due the longest, except those in `except`. No other worker
    /// takes it for the time of `lease`.
    pub(crate) async fn take_due_mail(
        &self,
        kinds: &[&str],
        except: &[Uuid],
        lease: TimeDelta,
    ) -> Result<Option<outgoing_mail::Model>, DbError> {
        // Usually there is none. This query finds that out without a lock.
        if self.find_due_mail(kinds, except).await?.is_none() {
            return Ok(None);
        }
        let tx = self.begin().await?;
        let Some(mut mail) = tx.find_due_mail(kinds, except).await? else {
            return Ok(None);
        };
        mail.attempts += 1;
        mail.due_at = self.clock.now() + lease;
        let taking = outgoing_mail::Entity::update_many()
            .col_expr(outgoing_mail::Column::DueAt, mail.due_at.into())
            .col_expr(outgoing_mail::Column::Attempts, mail.attempts.into())
            .filter(outgoing_mail::Column::Id.eq(mail.id));
        tx.write(taking.exec(&tx.conn)).await?;
        tx.commit().await?;
        Ok(Some(mail))
    }
}

/// The ids of verifications and registrations whose email is still to be sent.
pub(super) fn subjects_of_unsent() -> SelectStatement {
    outgoing_mail::Entity::find()
        .select_only()
        .column(outgoing_mail::Column::SubjectId)
        .filter(outgoing_mail::Column::FinishedAt.is_null())
        .filter(outgoing_mail::Column::SubjectId.is_not_null())
        .into_query()
}
