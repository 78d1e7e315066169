//! How administrators change accounts.

use std::collections::BTreeSet;

use entity::user;

use super::{
    administrator::{Administrator, AdministratorError, administers},
    search::ManagedUser,
};
use crate::{
    auth::{
        event::{Event, Update},
        group::{Group, GroupError},
        kernel::Auth,
        name::{Name, NameError},
        role::Role,
        tokens::{Purpose, Tokens},
        unit_of_work::UnitOfWork,
    },
    db::DbError,
};

/// What to change of an account. What is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserChange<'a> {
    /// The name; `Some(None)` removes it.
    pub name: Option<Option<&'a str>>,
    /// The role.
    pub role: Option<Role>,
    /// All groups that the user is in afterwards.
    pub groups: Option<&'a [String]>,
    /// Groups to add to those of the user.
    pub add_groups: &'a [String],
    /// Groups to remove from those of the user.
    pub remove_groups: &'a [String],
    /// Whether the account is disabled.
    pub is_disabled: Option<bool>,
    /// Whether the address counts as verified.
    pub is_email_verified: Option<bool>,
}

/// The reason why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeUserError {
    /// The caller may not do this.
    #[error(transparent)]
    Administrator(#[from] AdministratorError),
    /// There is no such account.
    #[error("no such user")]
    NoSuchUser,
    /// Nobody gives a group to themselves.
    #[error("nobody can give themselves a role or a group")]
    OwnRights,
    /// The account is the last one that can administer.
    #[error("this is the last administrator")]
    LastAdministrator,
    /// The text can't be the name of an account.
    #[error(transparent)]
    InvalidName(#[from] NameError),
    /// The texts can't be the groups of a user.
    #[error(transparent)]
    InvalidGroup(#[from] GroupError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The groups of a user, before and after a change.
struct Groups {
    before: BTreeSet<String>,
    after: BTreeSet<String>,
}

impl Groups {
    fn added(&self) -> Vec<String> {
        self.after.difference(&self.before).cloned().collect()
    }

    fn removed(&self) -> Vec<String> {
        self.before.difference(&self.after).cloned().collect()
    }
}

impl Auth {
    /// Changes an account: all that is named, or nothing. When an account is disabled, its sessions end, its pending
    /// links become invalid, and its owner is notified.
    ///
    /// # Errors
    /// [`ChangeUserError`].
    pub async fn change_user(
        &self,
        by: &Administrator,
        id: i64,
        change: UserChange<'_>,
    ) -> Result<ManagedUser, ChangeUserError> {
        let name = match change.name {
            Some(Some(name)) => Some(Some(Name::parse(name)?.into_string())),
            Some(None) => Some(None),
            None => None,
        };
        let listed = change.groups.map(Group::parse_all).transpose()?;
        let added = Group::parse_all(change.add_groups)?;
        let removed = Group::parse_all(change.remove_groups)?;
        let management = self.begin_managing(by, Some(id)).await?;
        let before = management.user.clone();
        let before = before.ok_or(ChangeUserError::NoSuchUser)?;
        let groups = find_groups(&management.tx, id).await?;
        let mut after = listed.unwrap_or_else(|| groups.clone());
        after.extend(added);
        after.retain(|group| !removed.contains(group));
        Group::check_number(&after)?;
        let groups = Groups {
            before: groups,
            after,
        };
        if by.user_id() == Some(id) && !groups.added().is_empty() {
            return Err(ChangeUserError::OwnRights);
        }
        let now = self.db.clock().now();
        let mut user = before.clone();
        if let Some(name) = name {
            user.name = name;
        }
        if let Some(role) = change.role {
            role.as_str().clone_into(&mut user.role);
        }
        match change.is_email_verified {
            Some(true) if user.email_verified_at.is_none() => user.email_verified_at = Some(now),
            Some(false) if user.email_verified_at.is_some() => {
                user.email_verified_at = None;
                // Else the account would count as one that nobody ever used, and be deleted.
                user.is_provisioned = true;
            }
            _ => {}
        }
        match change.is_disabled {
            Some(true) if user.disabled_at.is_none() => user.disabled_at = Some(now),
            Some(false) => user.disabled_at = None,
            _ => {}
        }
        if !administers(&user) && management.is_last(&before) {
            return Err(ChangeUserError::LastAdministrator);
        }
        let mut tx = management.tx;
        if user != before {
            tx.set_managed(&user).await?;
        }
        tx.add_groups(id, &groups.added()).await?;
        tx.delete_groups(id, &groups.removed()).await?;
        self.record_changes(&mut tx, &before, &user, &groups)
            .await?;
        let sessions = tx.count_sessions([id], self.policy.idle()).await?;
        let count = sessions.get(&id).copied().unwrap_or_default();
        let changed = ManagedUser::of(user, groups.after.into_iter().collect(), count);
        tx.commit().await?;
        Ok(changed)
    }

    /// Records what a change of an account did, and does what follows from it.
    async fn record_changes(
        &self,
        tx: &mut UnitOfWork<'_>,
        before: &user::Model,
        user: &user::Model,
        groups: &Groups,
    ) -> Result<(), DbError> {
        let (was_verified, is_verified) = (
            before.email_verified_at.is_some(),
            user.email_verified_at.is_some(),
        );
        let is_other_role = user.role != before.role;
        let (added, removed) = (groups.added(), groups.removed());
        let fields: Vec<_> = [
            ("email_verified", was_verified && !is_verified),
            ("groups", !added.is_empty() || !removed.is_empty()),
            ("name", user.name != before.name),
            ("role", is_other_role),
        ]
        .into_iter()
        .filter_map(|(field, is_other)| is_other.then_some(field))
        .collect();
        if !fields.is_empty() {
            let update = Update {
                fields: &fields,
                role: is_other_role.then_some(&*user.role),
                groups_added: &added,
                groups_removed: &removed,
            };
            tx.record(Event::UserUpdated {
                user_id: user.id,
                update,
            })
            .await?;
        }
        if is_verified && !was_verified {
            tx.delete_verifications_of_address(user).await?;
            tx.record(Event::EmailVerified { user_id: user.id }).await?;
        }
        match (before.disabled_at, user.disabled_at) {
            (None, Some(_)) => {
                tx.delete_email_verifications(user.id).await?;
                tx.delete_reset_token(user.id).await?;
                Tokens::withdraw(tx, Purpose::Invitation, user.id).await?;
                tx.record(Event::UserDisabled { user }).await?;
                self.end_sessions(tx, user.id, None, "account disabled")
                    .await?;
                tx.set_newest_session(user.id, None).await
            }
            (Some(_), None) => tx.record(Event::UserEnabled { user_id: user.id }).await,
            _ => Ok(()),
        }
    }
}

async fn find_groups(tx: &UnitOfWork<'_>, user_id: i64) -> Result<BTreeSet<String>, DbError> {
    let groups = tx.find_groups([user_id]).await?.into_iter();
    Ok(groups.map(|membership| membership.name).collect())
}
