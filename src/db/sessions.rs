//! The rows of `sessions`.

use std::{collections::BTreeMap, sync::OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{session, user};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait as _,
    FromQueryResult as _, IdenStatic as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, SelectA, SelectB, Statement,
    prelude::Uuid,
    sea_query::{LockBehavior, LockType},
};

use super::{database::DB, error::DbError};

/// How many of the oldest sessions are found at once.
const MOST_OLDEST: u64 = 1000;

impl<C: ConnectionTrait> DB<C> {
    /// Adds a session.
    pub(crate) async fn add_session(&self, session: session::Model) -> Result<(), DbError> {
        let insert = session::Entity::insert(session.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Finds the oldest sessions of a user: all but this number of the newest.
    pub(crate) async fn find_oldest_sessions(
        &self,
        user_id: i64,
        kept: u64,
    ) -> Result<Vec<session::Model>, DbError> {
        let oldest = session::Entity::find()
            .filter(session::Column::UserId.eq(user_id))
            .order_by_desc(session::Column::CreatedAt)
            .order_by_desc(session::Column::Id)
            .offset(kept)
            // SQLite has no offset without a limit.
            .limit(MOST_OLDEST);
        self.ask(oldest.all(&self.conn)).await
    }

    /// Finds the session of the token with this digest, expired or not, and its user. This is one query, because every
    /// request of a signed-in caller sends it. Its text is the same every time, and is written once.
    pub(crate) async fn find_session(
        &self,
        token_digest: &str,
    ) -> Result<Option<(session::Model, user::Model)>, DbError> {
        static TEXTS: [OnceLock<String>; 2] = [const { OnceLock::new() }; 2];
        let backend = self.conn.get_database_backend();
        let [on_sqlite, on_postgres] = &TEXTS;
        let text = match backend {
            DbBackend::Sqlite => on_sqlite,
            _ => on_postgres,
        };
        let text = text.get_or_init(|| {
            let found = session::Entity::find()
                .find_both_related(user::Entity)
                .filter(session::Column::TokenDigest.eq(token_digest))
                .limit(1);
            found.build(backend).sql
        });
        let values = [token_digest.into(), 1_u64.into()];
        let statement = Statement::from_sql_and_values(backend, text, values);
        let row = self.ask(self.conn.query_one_raw(statement)).await?;
        let row = row.map(|row| {
            let session = session::Model::from_query_result(&row, SelectA.as_str())?;
            let user = user::Model::from_query_result(&row, SelectB.as_str())?;
            Ok::<_, DbErr>((session, user))
        });
        Ok(row.transpose()?)
    }

    /// All sessions of a user, expired or not, newest first.
    pub(crate) async fn find_sessions(&self, user_id: i64) -> Result<Vec<session::Model>, DbError> {
        let sessions = session::Entity::find()
            .filter(session::Column::UserId.eq(user_id))
            .order_by_desc(session::Column::CreatedAt)
            .order_by_desc(session::Column::Id);
        self.ask(sessions.all(&self.conn)).await
    }

    /// Finds the newest session of a user that has not expired. A session that was idle for `idle` has expired.
    pub(crate) async fn find_newest_session(
        &self,
        user_id: i64,
        idle: TimeDelta,
    ) -> Result<Option<session::Model>, DbError> {
        let now = self.clock.now();
        let sessions = session::Entity::find()
            .filter(session::Column::UserId.eq(user_id))
            .filter(session::Column::ExpiresAt.gt(now))
            .filter(session::Column::LastSeenAt.gt(now - idle))
            .order_by_desc(session::Column::CreatedAt)
            .order_by_desc(session::Column::Id);
        self.ask(sessions.one(&self.conn)).await
    }

    /// Finds expired sessions, at most `limit`.
    pub(crate) async fn find_expired_sessions(
        &self,
        idle: TimeDelta,
        limit: u64,
    ) -> Result<Vec<session::Model>, DbError> {
        let sessions = session::Entity::find()
            .filter(expired(self.clock.now(), idle))
            .limit(limit);
        self.ask(sessions.all(&self.conn)).await
    }

    /// Records that sessions were used, unless that was recorded within the last `step`. Rows that another transaction
    /// has locked are skipped: that transaction either records the same or ends the session.
    pub(crate) async fn touch_sessions(
        &self,
        ids: &[Uuid],
        step: TimeDelta,
    ) -> Result<(), DbError> {
        let now = self.clock.now();
        let due = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::Id.is_in(ids.iter().copied()))
            .filter(session::Column::LastSeenAt.lte(now - step))
            // SQLite has only one writer, and sea-query leaves this clause out.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let touch = session::Entity::update_many()
            .col_expr(session::Column::LastSeenAt, now.into())
            .filter(session::Column::Id.in_subquery(due.into_query()));
        self.write(touch.exec(&self.conn)).await?;
        Ok(())
    }

    /// The owners of those of these sessions that exist.
    pub(crate) async fn find_session_owners(
        &self,
        ids: &[Uuid],
    ) -> Result<BTreeMap<Uuid, i64>, DbError> {
        let owners = session::Entity::find()
            .select_only()
            .columns([session::Column::Id, session::Column::UserId])
            .filter(session::Column::Id.is_in(ids.iter().copied()))
            .into_tuple::<(Uuid, i64)>();
        Ok(self
            .ask(owners.all(&self.conn))
            .await?
            .into_iter()
            .collect())
    }

    /// Replaces the token of a session whose owner has just given the password. Returns `false` if the session has
    /// ended or already has another token.
    pub(crate) async fn renew_session(
        &self,
        id: Uuid,
        old_digest: &str,
        new_digest: &str,
    ) -> Result<bool, DbError> {
        let now = self.clock.now();
        let renewal = session::Entity::update_many()
            .col_expr(session::Column::TokenDigest, new_digest.into())
            .col_expr(session::Column::AuthenticatedAt, now.into())
            .col_expr(session::Column::LastSeenAt, now.into())
            .filter(session::Column::Id.eq(id))
            .filter(session::Column::TokenDigest.eq(old_digest));
        Ok(self.write(renewal.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Deletes a session, if it belongs to this user. Returns whether it did.
    pub(crate) async fn delete_session(&self, user_id: i64, id: Uuid) -> Result<bool, DbError> {
        let end = session::Entity::delete_many()
            .filter(session::Column::Id.eq(id))
            .filter(session::Column::UserId.eq(user_id));
        Ok(self.write(end.exec(&self.conn)).await?.rows_affected > 0)
    }

    /// Deletes these sessions.
    pub(crate) async fn delete_these_sessions(
        &self,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<(), DbError> {
        let end = session::Entity::delete_many().filter(session::Column::Id.is_in(ids));
        self.write(end.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes those of these sessions that have expired. Returns their number.
    pub(crate) async fn delete_expired_sessions(
        &self,
        ids: &[Uuid],
        idle: TimeDelta,
    ) -> Result<u64, DbError> {
        let sweep = session::Entity::delete_many()
            .filter(session::Column::Id.is_in(ids.iter().copied()))
            .filter(expired(self.clock.now(), idle));
        Ok(self.write(sweep.exec(&self.conn)).await?.rows_affected)
    }
}

/// Matches sessions that have expired, by their idle limit or by their lifetime.
fn expired(now: DateTime<Utc>, idle: TimeDelta) -> Condition {
    Condition::any()
        .add(session::Column::ExpiresAt.lte(now))
        .add(session::Column::LastSeenAt.lte(now - idle))
}
