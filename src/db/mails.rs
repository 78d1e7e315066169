//! The rows of `outgoing_mails`.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{outgoing_mail, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    prelude::{Expr, Uuid},
    sea_query::{LockBehavior, LockType, SelectStatement, SimpleExpr},
};

use super::{DB, DbError};

impl<C: ConnectionTrait> DB<C> {
    /// Adds a letter that is to be sent.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn add_mail(&self, mail: outgoing_mail::Model) -> Result<(), DbError> {
        let insert = outgoing_mail::Entity::insert(mail.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Finds the letter of one of these kinds that is due the longest, and that nobody else is looking at.
    async fn find_due_mail(
        &self,
        kinds: &[&str],
        except: &[Uuid],
    ) -> Result<outgoing_mail::Model, DbError> {
        let mail = outgoing_mail::Entity::find()
            .filter(outgoing_mail::Column::FinishedAt.is_null())
            .filter(outgoing_mail::Column::DueAt.lte(self.clock.now()))
            .filter(outgoing_mail::Column::Kind.is_in(kinds.iter().copied()))
            .filter(outgoing_mail::Column::Id.is_not_in(except.iter().copied()))
            .order_by_asc(outgoing_mail::Column::DueAt)
            // On SQLite a transaction has the whole database to itself, and sea-query leaves the lock out.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        self.ask(mail.one(&self.conn))
            .await?
            .ok_or(DbError::NoResultFound)
    }

    /// Keeps a letter that was taken for longer.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when somebody else has taken it meanwhile.
    pub async fn keep_mail(
        &self,
        mail: &outgoing_mail::Model,
        due_at: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let keeping = outgoing_mail::Entity::update_many()
            .col_expr(outgoing_mail::Column::DueAt, due_at.into())
            .filter(is_taken_so(mail));
        match self.write(keeping.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Notes that a letter could not be sent, when to try again, and how often it has been refused for good.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn postpone_mail(
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
            .filter(is_taken_so(mail));
        self.write(postponement.exec(&self.conn)).await?;
        Ok(())
    }

    /// Notes that nothing is left to do for a letter: it was sent, nobody is to have it any more, or, with an error, it was
    /// given up.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn finish_mail(
        &self,
        mail: &outgoing_mail::Model,
        error: Option<&str>,
    ) -> Result<(), DbError> {
        let end = outgoing_mail::Entity::update_many()
            .col_expr(outgoing_mail::Column::FinishedAt, self.clock.now().into())
            .col_expr(outgoing_mail::Column::LastError, Expr::value(error))
            .filter(is_taken_so(mail));
        self.write(end.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes the letters to an address that are about no account. Those that are about one go with it, whatever their address.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_mails_to(&self, recipient: &str) -> Result<(), DbError> {
        let deletion = outgoing_mail::Entity::delete_many()
            .filter(outgoing_mail::Column::UserId.is_null())
            .filter(outgoing_mail::Column::Recipient.eq(recipient));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// All letters about a user, and those to the address, whoever has it, if it is verified; the newest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_mails(
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

    /// Deletes some of the letters that were finished before a time, and says whether there may be more.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_mails_finished_before(&self, time: DateTime<Utc>) -> Result<bool, DbError> {
        let finished = outgoing_mail::Column::FinishedAt.lt(time);
        self.sweep::<outgoing_mail::Entity>(outgoing_mail::Column::Id, finished)
            .await
    }
}

/// Whether a letter is still with whoever took it so: if not, somebody else has it by now.
fn is_taken_so(mail: &outgoing_mail::Model) -> SimpleExpr {
    let same = outgoing_mail::Column::Id.eq(mail.id);
    same.and(outgoing_mail::Column::Attempts.eq(mail.attempts))
}

impl DB {
    /// Takes the letter of one of these kinds that is due the longest, but for some: for as long as `lease` nobody else will.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when none is due.
    pub async fn take_due_mail(
        &self,
        kinds: &[&str],
        except: &[Uuid],
        lease: TimeDelta,
    ) -> Result<outgoing_mail::Model, DbError> {
        // Most of the time there is none, and then no lock is taken to find that out.
        self.find_due_mail(kinds, except).await?;
        let tx = self.begin().await?;
        let mut mail = tx.find_due_mail(kinds, except).await?;
        mail.attempts += 1;
        mail.due_at = self.clock.now() + lease;
        let taking = outgoing_mail::Entity::update_many()
            .col_expr(outgoing_mail::Column::DueAt, mail.due_at.into())
            .col_expr(outgoing_mail::Column::Attempts, mail.attempts.into())
            .filter(outgoing_mail::Column::Id.eq(mail.id));
        tx.write(taking.exec(&tx.conn)).await?;
        tx.commit().await?;
        Ok(mail)
    }
}

/// The verifications and registrations whose letter is still to be sent.
pub(super) fn subjects_of_unsent() -> SelectStatement {
    outgoing_mail::Entity::find()
        .select_only()
        .column(outgoing_mail::Column::SubjectId)
        .filter(outgoing_mail::Column::FinishedAt.is_null())
        .filter(outgoing_mail::Column::SubjectId.is_not_null())
        .into_query()
}
