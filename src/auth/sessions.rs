//! Sessions: who is signed in, from where, and for how long.

use std::{collections::BTreeSet, error::Error, net::IpAddr};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{session, user};
use uuid::Uuid;

use super::{
    Auth, Client, DbError, Email, FreshSessionError, HashingError, Policy, ThrottleError,
    client::network_of,
    credentials::{ConfirmError, Confirmed},
    event::Event,
    password::PasswordHash,
    token::{Token, TokenDigest, TokenKind},
};
use crate::db::{Transaction, Value};

/// How long after its owner gave the password a session may do what can't be undone.
const FRESH: TimeDelta = TimeDelta::minutes(10);

/// How many sessions an account has at most: the oldest ends where another begins.
const MOST_SESSIONS: u64 = 100;

/// How exactly is known when a session was last used, where its idle limit doesn't ask for more.
const LAST_SEEN_STEP: TimeDelta = TimeDelta::minutes(1);

/// How many expired sessions are swept at once: a transaction of a few milliseconds.
const SWEEP: u64 = 100;

/// A sign-in that has not ended, as its owner may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Names it, and opens nothing.
    pub id: Uuid,
    /// When its owner signed in.
    pub created_at: DateTime<Utc>,
    /// When its owner last gave the password.
    pub authenticated_at: DateTime<Utc>,
    /// When it was last used: by the current request, or, of another session, give or take a minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends if it is not used again.
    pub expires_at: DateTime<Utc>,
    /// The address from which its owner signed in.
    pub ip: Option<String>,
    /// What the browser or program said of itself then.
    pub user_agent: Option<String>,
    /// The methods by which its owner signed in, sorted.
    pub methods: Vec<String>,
}

impl Session {
    pub(super) fn of(row: session::Model, policy: Policy) -> Self {
        Self {
            id: row.id,
            created_at: row.created_at,
            authenticated_at: row.authenticated_at,
            last_seen_at: row.last_seen_at,
            expires_at: expires_at(&row, policy),
            methods: row.methods(),
            ip: row.ip,
            user_agent: row.user_agent,
        }
    }

    /// Whether its owner gave the password so lately that it may do what can't be undone.
    pub(super) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now < self.authenticated_at + FRESH
    }
}

/// When a session ends if it is not used again.
fn expires_at(row: &session::Model, policy: Policy) -> DateTime<Utc> {
    row.expires_at.min(row.last_seen_at + policy.idle())
}

/// The session that a token opened, and whose it is: what every method for somebody who is signed in asks for.
#[derive(Clone, Debug)]
pub struct CurrentSession {
    /// The session.
    pub session: Session,
    /// The account of its owner.
    pub user: user::Model,
    /// The address that the request comes from, where it is known.
    pub ip: Option<IpAddr>,
    pub(super) token_digest: TokenDigest,
}

impl CurrentSession {
    /// The network that the request comes from.
    pub(super) fn network(&self) -> String {
        network_of(self.ip)
    }
}

/// A session with a new token, which is not to be had again.
#[derive(Debug)]
pub struct SignedIn {
    /// The session, and whose it is.
    pub current: CurrentSession,
    /// What opens it.
    pub token: Token,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Unknown address or wrong password: one variant, so that no caller can tell them apart.
    #[error("wrong email or password")]
    InvalidCredentials,
    /// There were too many guesses.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// The password could not be hashed: too much to do, most likely.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The database has no answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<ConfirmError> for SignInError {
    fn from(err: ConfirmError) -> Self {
        match err {
            ConfirmError::Throttle(err) => err.into(),
            ConfirmError::Hashing(err) => err.into(),
            ConfirmError::Db(err) => err.into(),
        }
    }
}

/// Why a token opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It never did, or the session is over.
    #[error("not signed in")]
    NotSignedIn,
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for SessionError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::NotSignedIn,
            err => Self::Db(err),
        }
    }
}

/// Why a session was not ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    /// The caller has none of this id.
    #[error("no such session")]
    NoSuchSession,
    /// The database has no answer.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for EndSessionError {
    fn from(err: DbError) -> Self {
        match err {
            DbError::NoResultFound => Self::NoSuchSession,
            err => Self::Db(err),
        }
    }
}

impl Auth {
    /// Opens a session for the owner of these credentials: always a new one, with a new token.
    ///
    /// A refusal is the same, and takes the same time, for an address that has no account and for a wrong password, as
    /// for texts that can be neither. A stored hash whose cost is not the policy's is replaced.
    ///
    /// # Errors
    /// [`SignInError`]; after [`SignInError::Db`] with an error that is temporary there may be a session that nobody has
    /// the token of.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        client: Client,
    ) -> Result<SignedIn, SignInError> {
        let email = Email::parse(email).ok();
        // No account has an empty address: the same question, whatever was given.
        let address = email.as_ref().map_or("", Email::as_str);
        let guessed = email.as_ref().map(Email::as_str);
        let found = match self.db.find_user_by([("email", address)]).await {
            Ok(user) => Some(user),
            Err(DbError::NoResultFound) => None,
            Err(err) => return Err(err.into()),
        };
        let user_id = found.as_ref().map(|user| user.id);
        let confirmed = self.guess(guessed, password, found, &client).await?;
        let Some(Confirmed { tx, user, rehashed }) = confirmed else {
            let reason = match (user_id, guessed) {
                (Some(_), _) => "wrong password",
                (None, Some(_)) => "no account",
                (None, None) => "no address",
            };
            Event::SignInRefused { user_id, reason }.log(&client.network());
            return Err(SignInError::InvalidCredentials);
        };
        Ok(self.open(tx, user, rehashed, client).await?)
    }

    /// Opens a session for a user whose row the transaction holds on to.
    async fn open(
        &self,
        tx: Transaction,
        mut user: user::Model,
        rehashed: Option<PasswordHash>,
        client: Client,
    ) -> Result<SignedIn, DbError> {
        let client = client.storable();
        let token = Token::generate(TokenKind::Session);
        let token_digest = token.digest();
        let now = self.db.clock().now();
        let session = session::Model {
            id: Uuid::new_v4(),
            user_id: user.id,
            token_digest: token_digest.as_str().to_owned(),
            created_at: now,
            authenticated_at: now,
            last_seen_at: now,
            expires_at: now + self.policy.lifetime(),
            ip: client.ip.map(|ip| ip.to_string()),
            user_agent: client.user_agent.clone(),
            methods: Some("password".to_owned()),
        };
        self.note_client(&tx, &user, &client).await?;
        let id = session.id.to_string();
        let mut changes = vec![
            ("session_id", Value::from(&*id)),
            ("last_signed_in_at", now.into()),
        ];
        if let Some(hash) = rehashed {
            changes.push(("hashed_password", hash.as_str().into()));
            hash.as_str().clone_into(&mut user.hashed_password);
        }
        user.session_id = Some(id);
        user.last_signed_in_at = Some(now);
        tx.add_session(session.clone()).await?;
        tx.delete_oldest_sessions(user.id, MOST_SESSIONS).await?;
        tx.update_user(user.id, changes).await?;
        tx.commit().await?;
        self.posted.notify_one();
        let (user_id, session_id) = (user.id, session.id);
        let opened = Event::SessionOpened {
            user_id,
            session_id,
        };
        opened.log(&client.network());
        let session = Session::of(session, self.policy);
        let current = CurrentSession {
            session,
            user,
            ip: client.ip,
            token_digest,
        };
        Ok(SignedIn { current, token })
    }

    /// Who shows this token, and by which session: what every request of somebody who is signed in begins with.
    ///
    /// The session is returned as used just now. It is one question to the database. That the session was used, and from which
    /// network, is noted beside it, at most once a minute.
    ///
    /// # Errors
    /// [`SessionError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn check_session(
        &self,
        token: &Token,
        ip: Option<IpAddr>,
    ) -> Result<CurrentSession, SessionError> {
        let token_digest = token.digest();
        let (mut row, user) = self.db.find_session(token_digest.as_str()).await?;
        let now = self.db.clock().now();
        if expires_at(&row, self.policy) <= now {
            return Err(SessionError::NotSignedIn);
        }
        if row.last_seen_at + self.last_seen_step() <= now {
            let network = network_of(ip);
            self.last_seen
                .note(row.id, network, &self.throttle, self.last_seen_step());
        }
        // The answer counts this use, though it is written later. Another replica's clock may be ahead.
        row.last_seen_at = row.last_seen_at.max(now);
        let session = Session::of(row, self.policy);
        Ok(CurrentSession {
            session,
            user,
            ip,
            token_digest,
        })
    }

    /// How exactly is known when a session was last used: exactly enough that none ends while it is in use.
    fn last_seen_step(&self) -> TimeDelta {
        LAST_SEEN_STEP.min(self.policy.idle() / 4)
    }

    /// The sessions of the caller that are not over, the newest first. The caller's own is as the check of it found it.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sessions(&self, current: &CurrentSession) -> Result<Vec<Session>, DbError> {
        let now = self.db.clock().now();
        let sessions = self.db.find_sessions(current.user.id).await?.into_iter();
        Ok(sessions
            .map(|row| {
                if row.id == current.session.id {
                    current.session.clone()
                } else {
                    Session::of(row, self.policy)
                }
            })
            .filter(|session| now < session.expires_at)
            .collect())
    }

    /// Ends the caller's session.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sign_out(&self, current: &CurrentSession) -> Result<(), DbError> {
        match self.end_session(current, current.session.id).await {
            // Somebody else has ended it at the same moment.
            Ok(()) | Err(EndSessionError::NoSuchSession) => Ok(()),
            Err(EndSessionError::Db(err)) => Err(err),
        }
    }

    /// Ends a session of the caller's.
    ///
    /// # Errors
    /// [`EndSessionError`].
    pub async fn end_session(
        &self,
        current: &CurrentSession,
        id: Uuid,
    ) -> Result<(), EndSessionError> {
        let tx = self.db.begin().await?;
        let user = tx.lock_user(current.user.id).await?;
        tx.delete_session(user.id, id).await?;
        self.name_newest_session(&tx, &user).await?;
        tx.commit().await?;
        let (user_id, session_id) = (user.id, Some(id));
        let ended = Event::SessionEnded {
            user_id,
            session_id,
        };
        ended.log(&current.network());
        Ok(())
    }

    /// Ends the session that a browser showed when it signed in again: it has the token of another one now. Source: OWASP
    /// ASVS 5.0, 7.2.4.
    ///
    /// Should the database not answer, that is logged: the new session is open already.
    pub async fn end_former_session(&self, token: &Token, client: &Client) {
        let ended = match self.check_session(token, client.ip).await {
            Ok(former) => self.sign_out(&former).await,
            Err(SessionError::NotSignedIn) => Ok(()),
            Err(SessionError::Db(err)) => Err(err),
        };
        if let Err(err) = ended {
            let error = &err as &dyn Error;
            tracing::warn!(error, "the former session of a browser goes on");
        }
    }

    /// Ends all sessions of the caller, who has given the password in the last 10 minutes: signed out everywhere.
    ///
    /// # Errors
    /// [`FreshSessionError`].
    pub async fn end_all_sessions(
        &self,
        current: &CurrentSession,
    ) -> Result<(), FreshSessionError> {
        let (tx, user) = self.begin_fresh(current).await?;
        tx.delete_sessions(user.id, None).await?;
        self.name_newest_session(&tx, &user).await?;
        tx.commit().await?;
        let (user_id, session_id) = (user.id, None);
        let ended = Event::SessionEnded {
            user_id,
            session_id,
        };
        ended.log(&current.network());
        Ok(())
    }

    /// Deletes some of the sessions that are over, and says whether there may be more. The service calls it in the
    /// background; a program without one calls it now and then.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn sweep_sessions(&self) -> Result<bool, DbError> {
        let idle = self.policy.idle();
        let expired = self.db.find_expired_sessions(idle, SWEEP).await?;
        if expired.is_empty() {
            return Ok(false);
        }
        let (ids, owners): (Vec<_>, BTreeSet<_>) =
            expired.iter().map(|row| (row.id, row.user_id)).unzip();
        let tx = self.db.begin().await?;
        let users = tx.lock_users(owners).await?;
        tx.delete_expired_sessions(&ids, idle).await?;
        for user in &users {
            self.name_newest_session(&tx, user).await?;
        }
        tx.commit().await?;
        Ok(ids.len() as u64 == SWEEP)
    }

    /// Has the row of a user, which the transaction holds on to, name the newest session that is left.
    pub(super) async fn name_newest_session(
        &self,
        tx: &Transaction,
        user: &user::Model,
    ) -> Result<(), DbError> {
        let newest = match tx.find_newest_session(user.id, self.policy.idle()).await {
            Ok(session) => Some(session.id.to_string()),
            Err(DbError::NoResultFound) => None,
            Err(err) => return Err(err),
        };
        if newest == user.session_id {
            return Ok(());
        }
        tx.update_user(user.id, [("session_id", newest)]).await
    }
}
