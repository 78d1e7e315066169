//! The rows of `outgoing_mails`.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{outgoing_mail, user};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
    prelude::{Expr, Uuid},
    sea_query::{LockBehavior, LockType},
};

use super::{DB, DbError, ask};

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
    async fn find_due_mail(&self, kinds: &[&str]) -> Result<outgoing_mail::Model, DbError> {
        let mail = outgoing_mail::Entity::find()
            .filter(outgoing_mail::Column::FinishedAt.is_null())
            .filter(outgoing_mail::Column::DueAt.lte(self.clock.now()))
            .filter(outgoing_mail::Column::Kind.is_in(kinds.iter().copied()))
            .order_by_asc(outgoing_mail::Column::DueAt)
            // On SQLite a transaction has the whole database to itself, and sea-query leaves the lock out.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        ask(mail.one(&self.conn))
            .await?
            .ok_or(DbError::NoResultFound)
    }

    /// Notes that a letter could not be sent, and when to try again.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn postpone_mail(
        &self,
        id: Uuid,
        due_at: DateTime<Utc>,
        error: &str,
    ) -> Result<(), DbError> {
        let postponement = outgoing_mail::Entity::update_many()
            .col_expr(outgoing_mail::Column::DueAt, due_at.into())
            .col_expr(outgoing_mail::Column::LastError, error.into())
            .filter(outgoing_mail::Column::Id.eq(id));
        self.write(postponement.exec(&self.conn)).await?;
        Ok(())
    }

    /// Notes that nothing is left to do for a letter: it was sent, nobody is to have it any more, or, with an error, it was
    /// given up.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn finish_mail(&self, id: Uuid, error: Option<&str>) -> Result<(), DbError> {
        let end = outgoing_mail::Entity::update_many()
            .col_expr(outgoing_mail::Column::FinishedAt, self.clock.now().into())
            .col_expr(outgoing_mail::Column::LastError, Expr::value(error))
            .filter(outgoing_mail::Column::Id.eq(id));
        self.write(end.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes all letters to an address.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_mails_to(&self, recipient: &str) -> Result<(), DbError> {
        let deletion = outgoing_mail::Entity::delete_many()
            .filter(outgoing_mail::Column::Recipient.eq(recipient));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }

    /// All letters to or about a user, the newest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_mails(
        &self,
        user: &user::Model,
    ) -> Result<Vec<outgoing_mail::Model>, DbError> {
        let mails = outgoing_mail::Entity::find()
            .filter(
                Condition::any()
                    .add(outgoing_mail::Column::UserId.eq(user.id))
                    .add(outgoing_mail::Column::Recipient.eq(&*user.email)),
            )
            .order_by_desc(outgoing_mail::Column::CreatedAt)
            .order_by_asc(outgoing_mail::Column::Kind);
        ask(mails.all(&self.conn)).await
    }

    /// Deletes letters that were finished before a time.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_mails_finished_before(&self, time: DateTime<Utc>) -> Result<(), DbError> {
        let sweep =
            outgoing_mail::Entity::delete_many().filter(outgoing_mail::Column::FinishedAt.lt(time));
        self.write(sweep.exec(&self.conn)).await?;
        Ok(())
    }
}

impl DB {
    /// Takes the letter of one of these kinds that is due the longest: for as long as `lease` nobody else will.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when none is due.
    pub async fn take_due_mail(
        &self,
        kinds: &[&str],
        lease: TimeDelta,
    ) -> Result<outgoing_mail::Model, DbError> {
        // Most of the time there is none, and then no lock is taken to find that out.
        self.find_due_mail(kinds).await?;
        let tx = self.begin().await?;
        let mut mail = tx.find_due_mail(kinds).await?;
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
