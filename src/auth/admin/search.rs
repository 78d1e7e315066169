//! The search for accounts, and how administrators see one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::user;

use crate::{
    auth::{account::Account, email::Email, group::Group, kernel::Auth, role::Role},
    db::{DbError, SessionCount, UserFilter, UserState},
};

/// What a search for accounts asks for. Everything that is `Some` must hold.
#[derive(Clone, Debug, Default)]
pub struct UserSearch {
    /// The address.
    pub email: Option<Email>,
    /// The beginning of the address.
    pub email_prefix: Option<EmailPrefix>,
    /// The state of the account.
    pub state: Option<UserState>,
    /// The role.
    pub role: Option<Role>,
    /// A group that the user is in.
    pub group: Option<Group>,
}

/// The beginning of an address, in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailPrefix(String);

impl EmailPrefix {
    /// Parses the beginning of an address. `None` if no address begins like this.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_beginning =
            (1..=254).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_beginning.then(|| Self(text.to_ascii_lowercase()))
    }
}

/// An account, as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedUser {
    /// What its owner sees.
    pub account: Account,
    /// The role.
    pub role: Role,
    /// The groups that the user is in, sorted.
    pub groups: Vec<String>,
    /// Whether the account is disabled.
    pub is_disabled: bool,
    /// Whether the account has a password. One that was opened with an invitation has none at first.
    pub has_password: bool,
    /// When the owner last signed in or used a session, accurate to a minute.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// The number of sessions that have not ended.
    pub sessions: u64,
}

impl ManagedUser {
    pub(super) fn of(row: user::Model, groups: Vec<String>, count: SessionCount) -> Self {
        Self {
            role: Role::of(&row),
            groups,
            is_disabled: row.disabled_at.is_some(),
            has_password: !row.hashed_password.is_empty(),
            last_seen_at: row.last_signed_in_at.max(count.last_seen_at),
            sessions: count.sessions,
            account: row.into(),
        }
    }
}

/// A page of a search.
#[derive(Clone, Debug)]
pub struct Users {
    /// The accounts, by id.
    pub users: Vec<ManagedUser>,
    /// The id after which the next page begins. `None` for the last page.
    pub next: Option<i64>,
}

/// The reason why an account was not found.
#[derive(Debug, thiserror::Error)]
pub enum FindUserError {
    /// There is no such account.
    #[error("no such user")]
    NoSuchUser,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Auth {
    /// Finds accounts in the order of their ids: those after `after`, at most `limit`. New accounts come at the end, so
    /// none is missed or repeated.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn search_users(
        &self,
        search: &UserSearch,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Users, DbError> {
        let filter = UserFilter {
            email: search.email.as_ref().map(|email| email.as_str().to_owned()),
            email_prefix: search.email_prefix.as_ref().map(|prefix| prefix.0.clone()),
            state: search.state,
            role: search.role.map(Role::as_str),
            group: search.group.clone().map(Group::into_string),
        };
        // One more than asked for shows whether there is another page.
        let after = after.unwrap_or(0);
        let mut rows = self.db.search_users(&filter, after, limit + 1).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(|row| row.id);
        let users = self.managed(rows).await?;
        Ok(Users { users, next })
    }

    /// The account with this id.
    ///
    /// # Errors
    /// [`FindUserError`].
    pub async fn find_user(&self, id: i64) -> Result<ManagedUser, FindUserError> {
        let row = self.db.find_user(id).await?;
        let row = row.ok_or(FindUserError::NoSuchUser)?;
        let users = self.managed(vec![row]).await?;
        users.into_iter().next().ok_or(FindUserError::NoSuchUser)
    }

    /// Every group that somebody is in, sorted, with the number of its users.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn groups(&self) -> Result<Vec<(String, u64)>, DbError> {
        let groups = self.db.count_groups().await?.into_iter();
        Ok(groups
            .map(|(name, users)| (name, users.unsigned_abs()))
            .collect())
    }

    /// Adds to rows what is kept elsewhere, in two queries for all of them.
    async fn managed(&self, rows: Vec<user::Model>) -> Result<Vec<ManagedUser>, DbError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids = || rows.iter().map(|row| row.id);
        let mut groups = BTreeMap::<i64, Vec<String>>::new();
        for membership in self.db.find_groups(ids()).await? {
            let of_user = groups.entry(membership.user_id).or_default();
            of_user.push(membership.name);
        }
        let idle = self.policy.idle();
        let counts = self.db.count_sessions(ids(), idle).await?;
        let rows = rows.into_iter();
        Ok(rows
            .map(|row| {
                let count = counts.get(&row.id).copied().unwrap_or_default();
                let groups = groups.remove(&row.id).unwrap_or_default();
                ManagedUser::of(row, groups, count)
            })
            .collect())
    }
}
