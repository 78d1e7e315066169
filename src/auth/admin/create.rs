//! How administrators open accounts.

use std::collections::BTreeSet;

use entity::user;

use super::{
    administrator::{Administrator, AdministratorError, Management},
    search::ManagedUser,
};
use crate::{
    auth::{
        email::{Email, EmailError},
        event::Event,
        group::{Group, GroupError},
        kernel::Auth,
        name::{Name, NameError},
        passwords::{Password, PasswordError, WeakPassword},
        role::Role,
        tokens::Purpose,
        unavailable::{Unavailable, db_error_is_unavailable},
    },
    db::{DbError, SessionCount},
};

/// An account to open.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewUser<'a> {
    /// The address.
    pub email: &'a str,
    /// The password. Without one, the owner gets an email with a link to choose one.
    pub password: Option<&'a str>,
    /// The name.
    pub name: Option<&'a str>,
    /// The role.
    pub role: Role,
    /// The groups.
    pub groups: &'a [String],
    /// Whether the address counts as verified.
    pub is_email_verified: bool,
}

/// The reason why no account was opened.
#[derive(Debug, thiserror::Error)]
pub enum CreateUserError {
    /// The caller may not do this.
    #[error(transparent)]
    Administrator(#[from] AdministratorError),
    /// The text can't be the address of an account.
    #[error(transparent)]
    InvalidEmail(#[from] EmailError),
    /// The text can't be the password of an account.
    #[error(transparent)]
    InvalidPassword(#[from] PasswordError),
    /// The password is too weak.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// The text can't be the name of an account.
    #[error(transparent)]
    InvalidName(#[from] NameError),
    /// The texts can't be the groups of a user.
    #[error(transparent)]
    InvalidGroup(#[from] GroupError),
    /// There is an account with this address.
    #[error("User {0} already exists")]
    AlreadyExists(Email),
    /// The operation could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

db_error_is_unavailable!(CreateUserError);

/// The parts of an account to open, each as it can be stored.
struct Parts {
    email: Email,
    name: Option<String>,
    groups: BTreeSet<String>,
}

impl Auth {
    /// Opens an account, in every mode of registration. An account without a password gets an invitation: an email with
    /// a link by which its owner chooses one, within 7 days. Until then no password is right. For an account with a
    /// password whose address is not verified, an email with a link to verify it is sent.
    ///
    /// # Errors
    /// [`CreateUserError`].
    pub async fn create_user(
        &self,
        by: &Administrator,
        new: NewUser<'_>,
    ) -> Result<ManagedUser, CreateUserError> {
        self.check_fresh_administrator(by)?;
        let parts = Parts {
            email: Email::parse(new.email)?,
            name: new
                .name
                .map(Name::parse)
                .transpose()?
                .map(Name::into_string),
            groups: Group::parse_all(new.groups)?,
        };
        let (address, client) = (parts.email.as_str(), by.client());
        if self.db.find_user_by_email(address).await?.is_some() {
            return Err(CreateUserError::AlreadyExists(parts.email));
        }
        let hash = match new.password {
            Some(password) => {
                let password = Password::parse(password)?;
                password.check_length(self.policy)?;
                Some(self.passwords.hash_new(password, address, client).await??)
            }
            None => None,
        };
        let Management { mut tx, .. } = self.begin_managing(by, None).await?;
        let hash = hash.as_ref().map_or("", |hash| hash.as_str());
        let added = match tx.add_user(address, hash).await {
            Err(DbError::Conflict(_)) => return Err(CreateUserError::AlreadyExists(parts.email)),
            added => added?,
        };
        let user = user::Model {
            name: parts.name,
            role: new.role.as_str().to_owned(),
            email_verified_at: new.is_email_verified.then_some(added.created_at),
            is_provisioned: true,
            ..added
        };
        tx.set_managed(&user).await?;
        let groups: Vec<_> = parts.groups.into_iter().collect();
        tx.add_groups(user.id, &groups).await?;
        let (mut invitation, mut verification) = (None, None);
        if new.password.is_none() {
            let purpose = Purpose::Invitation;
            let id = self
                .tokens
                .request(&tx, purpose, user.id, &user.email)
                .await?;
            invitation = Some(id);
        } else if !new.is_email_verified {
            verification = Some(Self::add_verification(&tx, &user).await?);
        }
        tx.record(Event::UserCreated {
            user: &user,
            invitation,
            verification,
        })
        .await?;
        tx.commit().await?;
        Ok(ManagedUser::of(user, groups, SessionCount::default()))
    }
}
