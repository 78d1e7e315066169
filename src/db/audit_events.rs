//! The rows of `audit_events`.

use chrono::{DateTime, Utc};
use entity::audit_event::{self, Column};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, ExprTrait as _, FromQueryResult as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    Select,
    prelude::{Expr, Uuid},
    sea_query::{LockBehavior, LockType},
};

use super::{database::DB, error::DbError};

/// Which events to find. What is `None` is not asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditSearch<'a> {
    pub(crate) user_id: Option<i64>,
    pub(crate) actor_id: Option<i64>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) ip: Option<&'a str>,
    pub(crate) since: Option<DateTime<Utc>>,
    /// The first id that an event of that time or later can have.
    pub(crate) since_id: Option<Uuid>,
    pub(crate) until: Option<DateTime<Utc>>,
    /// Events with a smaller id.
    pub(crate) before: Option<Uuid>,
}

/// A row as it was found: `None` if a value in it has the wrong type, which only a change of the row from outside can
/// cause.
pub(crate) type Found<T> = Option<T>;

impl<C: ConnectionTrait> DB<C> {
    /// Adds events, in one statement. Without events, no statement is sent.
    pub(crate) async fn add_audit_events(
        &self,
        events: Vec<audit_event::Model>,
    ) -> Result<(), DbError> {
        if events.is_empty() {
            return Ok(());
        }
        let rows = events
            .into_iter()
            .map(audit_event::Model::into_active_model);
        let insert = audit_event::Entity::insert_many(rows);
        self.write(insert.exec_without_returning(&self.conn))
            .await?;
        Ok(())
    }

    /// Finds events, newest first.
    pub(crate) async fn find_audit_events(
        &self,
        search: &AuditSearch<'_>,
        limit: u64,
    ) -> Result<Vec<audit_event::Model>, DbError> {
        let micros = |time: DateTime<Utc>| time.timestamp_micros();
        let events = audit_event::Entity::find()
            .apply_if(search.user_id, |all, id| all.filter(Column::UserId.eq(id)))
            .apply_if(search.actor_id, |all, id| {
                all.filter(Column::ActorId.eq(id))
            })
            .apply_if(search.kind, |all, kind| all.filter(Column::Kind.eq(kind)))
            .apply_if(search.ip, |all, ip| all.filter(Column::Ip.eq(ip)))
            .apply_if(search.since, |all, time| {
                all.filter(Column::At.gte(micros(time)))
            })
            .apply_if(search.since_id, |all, id| all.filter(Column::Id.gte(id)))
            .apply_if(search.until, |all, time| {
                all.filter(Column::At.lt(micros(time)))
            })
            .apply_if(search.before, |all, id| all.filter(Column::Id.lt(id)))
            .order_by_desc(Column::Id)
            .limit(limit);
        self.ask(events.all(&self.conn)).await
    }

    /// The details of the events of a kind about a user, where they are not erased.
    pub(crate) async fn find_audit_details(
        &self,
        user_id: i64,
        kind: &str,
    ) -> Result<Vec<String>, DbError> {
        let details = audit_event::Entity::find()
            .select_only()
            .column(Column::Detail)
            .filter(Column::UserId.eq(user_id))
            .filter(Column::Kind.eq(kind))
            .filter(Column::Detail.is_not_null())
            .into_tuple();
        self.ask(details.all(&self.conn)).await
    }

    /// Erases personal fields of a batch of events of an account, except that of its deletion, which is of the kind
    /// `deletion`: the detail of events about it, and the client of what it did, or what nobody did that is known. Returns
    /// whether there may be more.
    pub(crate) async fn erase_audit_events(
        &self,
        user_id: i64,
        deletion: &str,
        limit: u64,
    ) -> Result<bool, DbError> {
        let is_about = || Column::UserId.eq(user_id);
        let is_by = Column::ActorId
            .eq(user_id)
            .or(is_about().and(Column::ActorId.is_null()));
        let of_detail = [Column::Detail, Column::Salt];
        let of_client = [Column::Ip, Column::UserAgent, Column::ClientSalt];
        let mut has_more = false;
        for (whose, columns) in [(is_about(), &of_detail[..]), (is_by, &of_client)] {
            let salt = columns.last().copied().unwrap_or(Column::Salt);
            let is_deletion = Column::Kind.eq(deletion).and(is_about());
            let some = audit_event::Entity::find()
                .select_only()
                .column(Column::Id)
                .filter(whose)
                .filter(is_deletion.not())
                .filter(salt.is_not_null())
                // Rows are locked in the same order everywhere, to prevent deadlocks. SQLite has only one writer, and
                // sea-query leaves the lock out.
                .order_by_asc(Column::Id)
                .limit(limit)
                .lock_exclusive();
            let nothing = columns
                .iter()
                .map(|column| (*column, Expr::value(None::<String>)));
            let mut erasure = audit_event::Entity::update_many();
            for (column, nothing) in nothing {
                erasure = erasure.col_expr(column, nothing);
            }
            let erasure = erasure.filter(Column::Id.in_subquery(some.into_query()));
            has_more |= self.write(erasure.exec(&self.conn)).await?.rows_affected >= limit;
        }
        Ok(has_more)
    }

    /// The deletions of these accounts: the id of each event, and of the account.
    pub(crate) async fn find_deletions(
        &self,
        deletion: &str,
        user_ids: Vec<i64>,
    ) -> Result<Vec<(Uuid, i64)>, DbError> {
        if user_ids.is_empty() {
            return Ok(Vec::new());
        }
        let deletions = audit_event::Entity::find()
            .select_only()
            .columns([Column::Id, Column::UserId])
            .filter(Column::Kind.eq(deletion))
            .filter(Column::UserId.is_in(user_ids))
            .into_tuple();
        self.ask(deletions.all(&self.conn)).await
    }

    /// The accounts that were deleted since an event, and that have had a part in events whose personal fields are still
    /// there.
    pub(crate) async fn find_unerased_users(
        &self,
        deletion: &str,
        since: Uuid,
    ) -> Result<Vec<i64>, DbError> {
        let deleted = || {
            audit_event::Entity::find()
                .select_only()
                .column(Column::UserId)
                .filter(Column::Kind.eq(deletion))
                .filter(Column::Id.gte(since))
                .into_query()
        };
        let mut found = Vec::new();
        for (column, salt) in [
            (Column::UserId, Column::Salt),
            (Column::ActorId, Column::ClientSalt),
        ] {
            let is_own_deletion = Column::Kind
                .eq(deletion)
                .and(Expr::col(Column::UserId).eq(Expr::col(column)));
            let unerased = audit_event::Entity::find()
                .select_only()
                .column(column)
                .distinct()
                .filter(column.in_subquery(deleted()))
                .filter(is_own_deletion.not())
                .filter(salt.is_not_null())
                .into_tuple::<i64>();
            found.extend(self.ask(unerased.all(&self.conn)).await?);
        }
        Ok(found)
    }

    /// Whether an event is in no checkpoint yet.
    pub(crate) async fn has_unsealed_audit_events(&self) -> Result<bool, DbError> {
        let unsealed = audit_event::Entity::find()
            .select_only()
            .column(Column::Kind)
            .filter(Column::Checkpoint.is_null())
            .limit(1)
            .into_tuple::<String>();
        Ok(self.ask(unsealed.one(&self.conn)).await?.is_some())
    }

    /// Finds events that are in no checkpoint yet, in the order of their ids. With `is_locked`, locks them until the
    /// transaction ends, and leaves out those that another transaction has locked.
    pub(crate) async fn find_unsealed_audit_events(
        &self,
        after: Option<Uuid>,
        limit: u64,
        is_locked: bool,
    ) -> Result<Vec<Found<audit_event::Model>>, DbError> {
        let mut events = audit_event::Entity::find()
            .filter(Column::Checkpoint.is_null())
            .apply_if(after, |all, id| all.filter(Column::Id.gt(id)))
            .order_by_asc(Column::Id)
            .limit(limit);
        if is_locked {
            // SQLite has only one writer, and sea-query leaves this clause out.
            events = events.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        }
        self.found_audit_events(events).await
    }

    /// Finds events that are in a checkpoint, in the order of the checkpoints and of their ids.
    pub(crate) async fn find_sealed_audit_events(
        &self,
        after: Option<(i64, Uuid)>,
        limit: u64,
    ) -> Result<Vec<Found<audit_event::Model>>, DbError> {
        let events = audit_event::Entity::find()
            .filter(Column::Checkpoint.is_not_null())
            .apply_if(after, |all, (checkpoint, id)| {
                let after = Expr::tuple([Expr::col(Column::Checkpoint), Expr::col(Column::Id)]);
                all.filter(after.gt(Expr::tuple([checkpoint.into(), id.into()])))
            })
            .order_by_asc(Column::Checkpoint)
            .order_by_asc(Column::Id)
            .limit(limit);
        self.found_audit_events(events).await
    }

    async fn found_audit_events(
        &self,
        events: Select<audit_event::Entity>,
    ) -> Result<Vec<Found<audit_event::Model>>, DbError> {
        let query = events.into_query();
        let rows = self.ask(self.conn.query_all(&query)).await?;
        let events = rows.iter();
        let events = events.map(|row| audit_event::Model::from_query_result(row, "").ok());
        Ok(events.collect())
    }

    /// Puts events into a checkpoint. Returns how many of them were in none before.
    pub(crate) async fn set_audit_checkpoint(
        &self,
        ids: impl IntoIterator<Item = Uuid>,
        checkpoint: i64,
    ) -> Result<u64, DbError> {
        let change = audit_event::Entity::update_many()
            .col_expr(Column::Checkpoint, checkpoint.into())
            .filter(Column::Id.is_in(ids))
            .filter(Column::Checkpoint.is_null());
        Ok(self.write(change.exec(&self.conn)).await?.rows_affected)
    }

    /// Deletes the events of the checkpoints before one.
    pub(crate) async fn delete_audit_events_before(&self, checkpoint: i64) -> Result<(), DbError> {
        let deletion = audit_event::Entity::delete_many().filter(Column::Checkpoint.lt(checkpoint));
        self.write(deletion.exec(&self.conn)).await?;
        Ok(())
    }
}
