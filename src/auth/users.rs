//! Accounts, and what their owners can do with them.

use entity::user;

use super::{
    account::Account,
    admin::is_last_administrator,
    attempts::stored_hash,
    audit::{erase_events, former_addresses},
    client::Client,
    event::{Event, NOT_CONFIRMED, Update},
    kernel::Auth,
    name::{Name, NameError},
    passwords::{Password, PasswordError, Replacement, WeakPassword},
    role::Role,
    sessions::{CurrentSession, FreshSessionError, Session, SessionError, SignedIn},
    tokens::{Purpose, Token, TokenKind, Tokens},
    unavailable::{Unavailable, db_error_is_unavailable},
};
use crate::db::{DbError, Transaction};

/// The reason why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The session has ended during the request.
    #[error("not signed in")]
    NotSignedIn,
    /// The current password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The new password can't be the password of an account.
    #[error(transparent)]
    InvalidPassword(#[from] PasswordError),
    /// The new password is too weak.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// The operation could not be carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

db_error_is_unavailable!(ChangePasswordError);

/// The reason why an account was not closed.
#[derive(Debug, thiserror::Error)]
pub enum CloseAccountError {
    /// The session has ended during the request.
    #[error("not signed in")]
    NotSignedIn,
    /// The password was given too long ago.
    #[error("the password was not given in the last 10 minutes")]
    SignInAgain,
    /// The account is the last one that can administer.
    #[error("this is the last administrator")]
    LastAdministrator,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<FreshSessionError> for CloseAccountError {
    fn from(err: FreshSessionError) -> Self {
        match err {
            FreshSessionError::NotSignedIn => Self::NotSignedIn,
            FreshSessionError::SignInAgain => Self::SignInAgain,
            FreshSessionError::Db(err) => Self::Db(err),
        }
    }
}

/// What to change of a profile. What is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProfileChange<'a> {
    /// What the owner wants to be called; `Some(None)` removes the name.
    pub name: Option<Option<&'a str>>,
}

/// Why a profile was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateProfileError {
    /// The session has ended meanwhile.
    #[error("not signed in")]
    NotSignedIn,
    /// The text can't be the name of an account.
    #[error(transparent)]
    InvalidName(#[from] NameError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<SessionError> for UpdateProfileError {
    fn from(err: SessionError) -> Self {
        match err {
            SessionError::NotSignedIn => Self::NotSignedIn,
            SessionError::Db(err) => Self::Db(err),
        }
    }
}

impl Auth {
    /// Changes the password of the caller, who gives the current one. All other sessions end. This one continues with a
    /// new token, and the old token becomes invalid. A concurrent sign-in with the old password fails.
    ///
    /// # Errors
    /// [`ChangePasswordError`].
    pub async fn change_password(
        &self,
        current: &CurrentSession,
        current_password: &str,
        new_password: &str,
        client: &Client,
    ) -> Result<SignedIn, ChangePasswordError> {
        let new = Password::parse(new_password)?;
        new.check_length(self.policy)?;
        let (id, user_id) = (current.session.id, current.user.id);
        let address = &*current.user.email;
        let judged = async {
            let choice = self.throttle.begin_choice(&id.to_string(), client).await?;
            let stored = stored_hash(&current.user);
            let replacement = self
                .passwords
                .replace(stored.as_ref(), current_password, new, address, client)
                .await;
            if !matches!(replacement, Ok(Replacement::Weak(_))) {
                choice.was_not_refused().await;
            }
            match replacement? {
                Replacement::Hash(hash) => Ok(Some(hash)),
                Replacement::WrongPassword => Ok(None),
                // The current password was right, so this is not a failed attempt.
                Replacement::Weak(weak) => Err(ChangePasswordError::WeakPassword(weak)),
            }
        };
        let Some((hash, attempt)) = self.attempt(Some(address), client, judged).await? else {
            let refused = Event::SessionRefused {
                user_id: Some(user_id),
                reason: NOT_CONFIRMED,
            };
            self.record(refused, Some(current.actor()), client).await?;
            return Err(ChangePasswordError::WrongPassword);
        };
        let token = Token::generate(TokenKind::Session);
        let token_digest = token.digest();
        let mut tx = self.begin(client).await?;
        tx.act_as(user_id, id);
        let user = tx.lock_user(user_id).await?;
        let user = user.ok_or(ChangePasswordError::NotSignedIn)?;
        attempt.was_right(&tx).await?;
        // If the password was changed meanwhile, this session has ended or has another token.
        let (old, new) = (current.token_digest.as_str(), token_digest.as_str());
        if !tx.renew_session(id, old, new).await? {
            return Err(ChangePasswordError::NotSignedIn);
        }
        self.end_sessions(&mut tx, user_id, Some(id), "password changed")
            .await?;
        tx.delete_email_verifications(user_id).await?;
        Tokens::withdraw(&tx, Purpose::Invitation, user_id).await?;
        // After the sessions are deleted: a session in use could make its network known again.
        Self::forget_other_clients(&tx, user_id, client).await?;
        tx.set_password(user_id, hash.as_str()).await?;
        tx.set_newest_session(user_id, Some(id)).await?;
        self.throttle.forget_resets(&tx, &user.email).await?;
        let user = &user;
        tx.record(Event::PasswordChanged { user }).await?;
        let found = tx.find_session(new).await?;
        let (session, user) = found.ok_or(ChangePasswordError::NotSignedIn)?;
        tx.commit().await?;
        let current = CurrentSession {
            session: Session::of(session, self.policy),
            user,
            client: client.clone(),
            token_digest,
        };
        Ok(SignedIn { current, token })
    }

    /// Changes the profile of the caller, all that is named or nothing, and returns the account as it is then.
    ///
    /// # Errors
    /// [`UpdateProfileError`].
    pub async fn update_profile(
        &self,
        current: &CurrentSession,
        change: ProfileChange<'_>,
    ) -> Result<Account, UpdateProfileError> {
        let name = match change.name {
            Some(Some(name)) => Some(Some(Name::parse(name)?.into_string())),
            Some(None) => Some(None),
            None => None,
        };
        let (mut tx, before) = self.begin_as(current).await?;
        let mut user = before.clone();
        if let Some(name) = name {
            user.name = name;
        }
        if user != before {
            tx.set_profile(&user).await?;
            let update = Update {
                fields: &["name"],
                ..Update::default()
            };
            let user_id = user.id;
            tx.record(Event::UserUpdated { user_id, update }).await?;
        }
        tx.commit().await?;
        Ok(user.into())
    }

    /// Deletes the account of the caller and everything that belongs to it. The session must be fresh: the password was
    /// given in the last 10 minutes.
    ///
    /// # Errors
    /// [`CloseAccountError`].
    pub async fn delete_user(&self, current: &CurrentSession) -> Result<(), CloseAccountError> {
        self.check_fresh(current)?;
        let mut tx = self.begin(&current.client).await?;
        let id = current.user.id;
        tx.act_as(id, current.session.id);
        // All administrators are locked in the order of their ids. If each of them closed the own account at the same
        // moment, one would stay. Somebody who became one at this moment counts as the last.
        let rows = match Role::of(&current.user) {
            Role::Admin => tx.lock_users_and_role(&[id], Role::Admin.as_str()).await?,
            Role::User => tx.lock_users([id]).await?,
        };
        let session = tx.find_session(current.token_digest.as_str()).await?;
        let user = rows.iter().find(|row| row.id == id && session.is_some());
        let user = user.ok_or(CloseAccountError::NotSignedIn)?;
        if is_last_administrator(&rows, user) {
            return Err(CloseAccountError::LastAdministrator);
        }
        self.end_sessions(&mut tx, id, None, "account deleted")
            .await?;
        Self::erase(&tx, user).await?;
        tx.erase_recorded();
        let (user_id, reason) = (id, "closed by its owner");
        tx.record(Event::UserDeleted { user_id, reason }).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes, in a transaction, an account and every row that names its address or a former one. Rows that refer to the
    /// account are deleted with it. Of its events, the personal fields are erased. The deletion is to be recorded after
    /// this.
    pub(super) async fn erase(tx: &Transaction, user: &user::Model) -> Result<(), DbError> {
        let former = former_addresses(tx, user).await?;
        tx.delete_user(user.id).await?;
        for address in former.iter().chain([&user.email]) {
            // An account that only claimed the address deletes nothing of other accounts.
            let of_others = *address == user.email && user.email_verified_at.is_some();
            tx.delete_mails_to(address, of_others).await?;
        }
        tx.delete_registrations_of(&user.email).await?;
        if user.email_verified_at.is_some() {
            // Another account may have asked for this address.
            tx.delete_email_verifications_of(&user.email).await?;
        }
        erase_events(tx, user.id).await
    }
}
