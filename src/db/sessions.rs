//! The rows of `sessions`.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{session, user};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, ExprTrait as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    prelude::{Expr, Uuid},
    sea_query::{LockBehavior, LockType},
};

use super::{DB, DbError, subquery};

impl<C: ConnectionTrait> DB<C> {
    /// Adds a session.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn add_session(&self, session: session::Model) -> Result<(), DbError> {
        let insert = session::Entity::insert(session.into_active_model());
        self.write(insert.exec(&self.conn)).await?;
        Ok(())
    }

    /// Ends the sessions of a user but for the newest so many.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_oldest_sessions(&self, user_id: i64, kept: u64) -> Result<(), DbError> {
        let of_user = session::Column::UserId.eq(user_id);
        // Where there are not so many it is null, and nothing is older than that.
        let oldest_kept = session::Entity::find()
            .select_only()
            .column(session::Column::CreatedAt)
            .filter(of_user.clone())
            .order_by_desc(session::Column::CreatedAt)
            .offset(kept - 1)
            .limit(1);
        let older = Expr::col(session::Column::CreatedAt).lt(subquery(oldest_kept));
        let end = session::Entity::delete_many().filter(of_user).filter(older);
        self.write(end.exec(&self.conn)).await?;
        Ok(())
    }

    /// Finds the session that the token of this digest opens, over or not, and whose it is. One question, for every
    /// request of every signed-in user asks it.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`].
    pub async fn find_session(
        &self,
        token_digest: &str,
    ) -> Result<(session::Model, user::Model), DbError> {
        let found = session::Entity::find()
            .find_both_related(user::Entity)
            .filter(session::Column::TokenDigest.eq(token_digest));
        self.ask(found.one(&self.conn))
            .await?
            .ok_or(DbError::NoResultFound)
    }

    /// All sessions of a user, over or not, the newest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_sessions(&self, user_id: i64) -> Result<Vec<session::Model>, DbError> {
        let sessions = session::Entity::find()
            .filter(session::Column::UserId.eq(user_id))
            .order_by_desc(session::Column::CreatedAt)
            .order_by_desc(session::Column::Id);
        self.ask(sessions.all(&self.conn)).await
    }

    /// Finds the newest session of a user that is not over, where one that lay idle for `idle` is.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`].
    pub async fn find_newest_session(
        &self,
        user_id: i64,
        idle: TimeDelta,
    ) -> Result<session::Model, DbError> {
        let now = self.clock.now();
        let sessions = session::Entity::find()
            .filter(session::Column::UserId.eq(user_id))
            .filter(session::Column::ExpiresAt.gt(now))
            .filter(session::Column::LastSeenAt.gt(now - idle))
            .order_by_desc(session::Column::CreatedAt)
            .order_by_desc(session::Column::Id);
        self.ask(sessions.one(&self.conn))
            .await?
            .ok_or(DbError::NoResultFound)
    }

    /// Finds some of the sessions that are over, at most `limit`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_expired_sessions(
        &self,
        idle: TimeDelta,
        limit: u64,
    ) -> Result<Vec<session::Model>, DbError> {
        let sessions = session::Entity::find()
            .filter(expired(self.clock.now(), idle))
            .limit(limit);
        self.ask(sessions.all(&self.conn)).await
    }

    /// Notes that sessions were used, unless that was noted within the last `step`. Those that somebody else is changing are
    /// left out: they are as good as noted, or ended.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn touch_sessions(&self, ids: &[Uuid], step: TimeDelta) -> Result<(), DbError> {
        let now = self.clock.now();
        let due = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::Id.is_in(ids.iter().copied()))
            .filter(session::Column::LastSeenAt.lte(now - step))
            // On SQLite there is but one writer, and sea-query leaves the lock out.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let touch = session::Entity::update_many()
            .col_expr(session::Column::LastSeenAt, now.into())
            .filter(session::Column::Id.in_subquery(due.into_query()));
        self.write(touch.exec(&self.conn)).await?;
        Ok(())
    }

    /// Whose those of these sessions are that are there.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn find_session_owners(&self, ids: &[Uuid]) -> Result<BTreeMap<Uuid, i64>, DbError> {
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

    /// Puts another token in the place of a session's, whose owner has given the password just now.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when the session has ended, or has another token already.
    pub async fn renew_session(
        &self,
        id: Uuid,
        old_digest: &str,
        new_digest: &str,
    ) -> Result<(), DbError> {
        let now = self.clock.now();
        let renewal = session::Entity::update_many()
            .col_expr(session::Column::TokenDigest, new_digest.into())
            .col_expr(session::Column::AuthenticatedAt, now.into())
            .col_expr(session::Column::LastSeenAt, now.into())
            .filter(session::Column::Id.eq(id))
            .filter(session::Column::TokenDigest.eq(old_digest));
        match self.write(renewal.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Ends a session, if it is one of this user's.
    ///
    /// # Errors
    /// [`DbError::NoResultFound`] when it is not, or has ended already.
    pub async fn delete_session(&self, user_id: i64, id: Uuid) -> Result<(), DbError> {
        let end = session::Entity::delete_many()
            .filter(session::Column::Id.eq(id))
            .filter(session::Column::UserId.eq(user_id));
        match self.write(end.exec(&self.conn)).await?.rows_affected {
            0 => Err(DbError::NoResultFound),
            _ => Ok(()),
        }
    }

    /// Ends all sessions of a user, but one where one is to be spared.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_sessions(&self, user_id: i64, spared: Option<Uuid>) -> Result<(), DbError> {
        let mut end = session::Entity::delete_many().filter(session::Column::UserId.eq(user_id));
        if let Some(spared) = spared {
            end = end.filter(session::Column::Id.ne(spared));
        }
        self.write(end.exec(&self.conn)).await?;
        Ok(())
    }

    /// Deletes those of these sessions that are over, and returns how many that were.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn delete_expired_sessions(
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

/// The sessions that are over, by either limit.
fn expired(now: DateTime<Utc>, idle: TimeDelta) -> Condition {
    Condition::any()
        .add(session::Column::ExpiresAt.lte(now))
        .add(session::Column::LastSeenAt.lte(now - idle))
}
