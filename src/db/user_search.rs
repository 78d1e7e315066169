//! The search for users, page by page.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{session, user, user_group};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbBackend, EntityTrait as _, ExprTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    sea_query::{BinOper, Expr, Query, SimpleExpr},
};

use super::{database::DB, error::DbError, users::USER};

/// Sorts after every text that continues a prefix: addresses are ASCII without control characters.
const AFTER: char = '\x7f';

/// From this number of users on, those with a prefix are found by going through all users. The first page is then
/// nearly always complete after a few thousand of them. Fewer are found by their addresses, and sorted.
const MANY: u64 = 20_000;

/// What a search asks for. Everything that is `Some` must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserFilter {
    /// The address.
    pub(crate) email: Option<String>,
    /// The beginning of the address, in ASCII.
    pub(crate) email_prefix: Option<String>,
    pub(crate) state: Option<UserState>,
    pub(crate) role: Option<&'static str>,
    /// A group that the user is in.
    pub(crate) group: Option<String>,
}

/// The state of an account. One that is disabled is verified or unverified too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserState {
    /// The address is verified.
    Verified,
    /// The address is not verified.
    Unverified,
    /// An administrator disabled the account.
    Disabled,
}

impl UserState {
    /// The state with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "verified" => Some(Self::Verified),
            "unverified" => Some(Self::Unverified),
            "disabled" => Some(Self::Disabled),
            _ => None,
        }
    }
}

/// The live sessions of a user.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SessionCount {
    pub(crate) sessions: u64,
    pub(crate) last_seen_at: Option<DateTime<Utc>>,
}

impl<C: ConnectionTrait> DB<C> {
    /// Finds users in the order of their ids, after an id, at most `limit`.
    pub(crate) async fn search_users(
        &self,
        filter: &UserFilter,
        after: i64,
        limit: u64,
    ) -> Result<Vec<user::Model>, DbError> {
        let mut all = Condition::all().add(user::Column::Id.gt(after));
        if let Some(email) = &filter.email {
            all = all.add(user::Column::Email.eq(email));
        }
        if let Some(prefix) = &filter.email_prefix {
            all = all.add(self.has_prefix(prefix).await?);
        }
        if let Some(state) = filter.state {
            all = all.add(match state {
                UserState::Verified => user::Column::EmailVerifiedAt.is_not_null(),
                UserState::Unverified => user::Column::EmailVerifiedAt.is_null(),
                UserState::Disabled => user::Column::DisabledAt.is_not_null(),
            });
        }
        if let Some(role) = filter.role {
            let column = Expr::col((user::Entity, user::Column::Role));
            let is_sqlite = self.conn.get_database_backend() == DbBackend::Sqlite;
            // Nearly all users have the role of a new one. SQLite does not know that, and would find them by their role: an
            // expression keeps it from that.
            all = all.add(if is_sqlite && role == USER {
                column.binary(BinOper::Custom("||"), Expr::val("")).eq(role)
            } else {
                column.eq(role)
            });
        }
        if let Some(group) = &filter.group {
            let members = user_group::Entity::find()
                .select_only()
                .column(user_group::Column::UserId)
                .filter(user_group::Column::Name.eq(group));
            all = all.add(user::Column::Id.in_subquery(members.into_query()));
        }
        let users = user::Entity::find()
            .filter(all)
            .order_by_asc(user::Column::Id)
            .limit(limit);
        self.ask(users.all(&self.conn)).await
    }

    /// Matches users whose address has a prefix.
    async fn has_prefix(&self, prefix: &str) -> Result<SimpleExpr, DbError> {
        let email = Expr::col((user::Entity, user::Column::Email));
        let (from, until) = (prefix.to_owned(), format!("{prefix}{AFTER}"));
        if self.conn.get_database_backend() == DbBackend::Postgres {
            // These compare bytes, not by the rules of a language. PostgreSQL knows how many rows that are, and finds them by
            // their addresses or goes through all users.
            let from = email
                .clone()
                .binary(BinOper::Custom("~>=~"), Expr::val(from));
            return Ok(from.and(email.binary(BinOper::Custom("~<~"), Expr::val(until))));
        }
        // SQLite has no such knowledge.
        let between = |email: SimpleExpr| email.clone().gte(&*from).and(email.lt(&*until));
        let matching = user::Entity::find()
            .select_only()
            .column(user::Column::Id)
            .filter(between(email.clone()))
            .limit(MANY);
        let counted = Query::select()
            .expr(Expr::cust("COUNT(*)"))
            .from_subquery(matching.clone().into_query(), "matching")
            .to_owned();
        let row = self.ask(self.conn.query_one(&counted)).await?;
        let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        if count.unwrap_or_default().unsigned_abs() < MANY {
            return Ok(user::Column::Id.in_subquery(matching.into_query()));
        }
        // An expression, which no index serves.
        Ok(between(email.binary(BinOper::Custom("||"), Expr::val(""))))
    }

    /// The live sessions of these users: their number, and when one of them was last used. A session that was idle for
    /// `idle` has expired.
    pub(crate) async fn count_sessions(
        &self,
        user_ids: impl IntoIterator<Item = i64>,
        idle: TimeDelta,
    ) -> Result<BTreeMap<i64, SessionCount>, DbError> {
        let now = self.clock.now();
        let counts = session::Entity::find()
            .select_only()
            .column(session::Column::UserId)
            .column_as(Expr::col(session::Column::Id).count(), "sessions")
            .column_as(Expr::col(session::Column::LastSeenAt).max(), "last_seen_at")
            .filter(session::Column::UserId.is_in(user_ids))
            .filter(session::Column::ExpiresAt.gt(now))
            .filter(session::Column::LastSeenAt.gt(now - idle))
            .group_by(session::Column::UserId)
            .into_tuple::<(i64, i64, Option<DateTime<Utc>>)>();
        let counts = self.ask(counts.all(&self.conn)).await?.into_iter();
        Ok(counts
            .map(|(user_id, sessions, last_seen_at)| {
                let sessions = sessions.unsigned_abs();
                let count = SessionCount {
                    sessions,
                    last_seen_at,
                };
                (user_id, count)
            })
            .collect())
    }
}
