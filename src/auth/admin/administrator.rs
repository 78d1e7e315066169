//! Administrators, and the transaction in which they manage accounts.

use entity::user;

use crate::{
    auth::{
        client::Client,
        kernel::Auth,
        role::Role,
        sessions::{CurrentSession, FreshSessionError},
        unit_of_work::UnitOfWork,
    },
    db::DbError,
};

/// An administrator: a caller, or the operator.
#[derive(Clone, Debug)]
pub enum Administrator {
    /// A signed-in administrator. Only [`Auth::administrator`] says that a caller is one.
    SignedIn(Box<CurrentSession>),
    /// The operator, on the command line, with access to the database.
    Operator(Client),
}

/// The reason why a caller may not administer.
#[derive(Debug, thiserror::Error)]
pub enum AdministratorError {
    /// The session has ended during the request.
    #[error("not signed in")]
    NotSignedIn,
    /// The caller is not an administrator.
    #[error("only administrators can do this")]
    Forbidden,
    /// The password was given too long ago.
    #[error("the password was not given in the last 10 minutes")]
    SignInAgain,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<FreshSessionError> for AdministratorError {
    fn from(err: FreshSessionError) -> Self {
        match err {
            FreshSessionError::NotSignedIn => Self::NotSignedIn,
            FreshSessionError::SignInAgain => Self::SignInAgain,
            FreshSessionError::Db(err) => Self::Db(err),
        }
    }
}

impl Administrator {
    /// The client that the request comes from.
    pub(super) fn client(&self) -> &Client {
        match self {
            Self::SignedIn(current) => &current.client,
            Self::Operator(client) => client,
        }
    }

    /// The id of the administrator's own account.
    pub(super) fn user_id(&self) -> Option<i64> {
        match self {
            Self::SignedIn(current) => Some(current.user.id),
            Self::Operator(_) => None,
        }
    }
}

/// A transaction of an administrator. The rows of all administrators are locked, and that of the account in question.
pub(super) struct Management<'a> {
    pub(super) tx: UnitOfWork<'a>,
    /// The account in question, if it exists.
    pub(super) user: Option<user::Model>,
    rows: Vec<user::Model>,
}

impl Management<'_> {
    /// Whether an account is the last one that can administer.
    pub(super) fn is_last(&self, user: &user::Model) -> bool {
        is_last_administrator(&self.rows, user)
    }
}

/// Whether the owner of an account can administer. Somebody who was invited can't before choosing a password.
pub(super) fn administers(user: &user::Model) -> bool {
    Role::of(user) == Role::Admin && user.disabled_at.is_none() && !user.hashed_password.is_empty()
}

/// Whether an account is the last one that can administer, among the locked rows of all administrators.
pub(in crate::auth) fn is_last_administrator(rows: &[user::Model], user: &user::Model) -> bool {
    let mut all = rows.iter().filter(|row| administers(row));
    all.next().is_some_and(|row| row.id == user.id) && all.next().is_none()
}

impl Auth {
    /// Checks that a caller is an administrator.
    ///
    /// # Errors
    /// [`AdministratorError::Forbidden`].
    pub fn administrator(
        &self,
        current: CurrentSession,
    ) -> Result<Administrator, AdministratorError> {
        match Role::of(&current.user) {
            Role::Admin => Ok(Administrator::SignedIn(Box::new(current))),
            Role::User => Err(AdministratorError::Forbidden),
        }
    }

    /// Checks that an administrator may change something: the password was given in the last 10 minutes.
    ///
    /// # Errors
    /// [`AdministratorError::SignInAgain`].
    pub fn check_fresh_administrator(&self, by: &Administrator) -> Result<(), AdministratorError> {
        match by {
            Administrator::SignedIn(current) => Ok(self.check_fresh(current)?),
            Administrator::Operator(_) => Ok(()),
        }
    }

    /// Begins a transaction in which an administrator manages an account. Every row that decides whether that is allowed
    /// is locked: two administrators who demote each other at the same moment come one after the other.
    pub(super) async fn begin_managing<'a>(
        &'a self,
        by: &'a Administrator,
        user_id: Option<i64>,
    ) -> Result<Management<'a>, AdministratorError> {
        self.check_fresh_administrator(by)?;
        let mut tx = self.begin(by.client()).await?;
        let ids: Vec<_> = by.user_id().into_iter().chain(user_id).collect();
        let rows = tx.lock_users_and_role(&ids, Role::Admin.as_str()).await?;
        if let Administrator::SignedIn(current) = by {
            tx.act_as(current.user.id, current.session.id);
            // Both may have ended since the request began.
            let session = tx.find_session(current.token_digest.as_str()).await?;
            let own = rows.iter().find(|row| row.id == current.user.id);
            let own = own.filter(|own| session.is_some() && own.disabled_at.is_none());
            let own = own.ok_or(AdministratorError::NotSignedIn)?;
            if Role::of(own) != Role::Admin {
                return Err(AdministratorError::Forbidden);
            }
        }
        let user = rows.iter().find(|row| Some(row.id) == user_id).cloned();
        Ok(Management { tx, user, rows })
    }
}
