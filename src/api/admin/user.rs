//! Accounts in responses to administrators.

use poem_openapi::{Enum, Object, types::ToJSON as _};

use crate::{
    api::values::{OrNull, Time},
    auth::{self, ManagedUser},
};

/// What a user may do.
#[derive(Enum, Clone, Copy, Default, PartialEq, Eq)]
#[oai(rename_all = "lowercase")]
pub(super) enum Role {
    /// Manages the own account.
    #[default]
    User,
    /// Manages all accounts.
    Admin,
}

impl From<Role> for auth::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<auth::Role> for Role {
    fn from(role: auth::Role) -> Self {
        match role {
            auth::Role::User => Self::User,
            auth::Role::Admin => Self::Admin,
        }
    }
}

/// An account, as administrators see it.
#[derive(Object)]
pub(super) struct AdminUser {
    /// The id of the account. It never changes and is never given to another account.
    id: i64,
    /// The email address, in its normalized form.
    email: String,
    /// Whether the user has proved that emails to this address arrive, or an administrator said so.
    email_verified: bool,
    /// The display name.
    name: OrNull<String>,
    /// When the account was created.
    created_at: Time,
    /// What the user may do. An `admin` manages all accounts.
    role: Role,
    /// The groups that the user is in, sorted.
    groups: Vec<String>,
    /// Whether the account is disabled: nobody can sign in to it.
    disabled: bool,
    /// Whether the account has a password. An invited user has none at first.
    has_password: bool,
    /// When the user last signed in or used a session, to within a minute.
    last_seen_at: OrNull<Time>,
    /// The number of sessions that have not ended.
    sessions: u64,
}

/// Writes an account as JSON, in the form of the API.
pub(crate) fn user_as_json(user: ManagedUser) -> String {
    AdminUser::from(user).to_json_string()
}

impl From<ManagedUser> for AdminUser {
    fn from(user: ManagedUser) -> Self {
        let account = user.account;
        Self {
            id: account.id,
            email: account.email,
            email_verified: account.is_email_verified,
            name: account.name.into(),
            created_at: account.created_at.into(),
            role: user.role.into(),
            groups: user.groups,
            disabled: user.is_disabled,
            has_password: user.has_password,
            last_seen_at: user.last_seen_at.into(),
            sessions: user.sessions,
        }
    }
}
