//! Sessions: how they are opened, checked and ended.

use std::error::Error;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{session, user};
use uuid::Uuid;

use super::{
    account::Account,
    attempts::Confirmed,
    audit::Actor,
    client::Client,
    email::Email,
    event::Event,
    kernel::Auth,
    passwords::PasswordHash,
    policy::Policy,
    tokens::{Token, TokenDigest, TokenKind},
    unavailable::{Unavailable, db_error_is_unavailable},
    unit_of_work::UnitOfWork,
};
use crate::db::{DbError, Transaction};

/// How long a session may do irreversible operations after its owner gave the password.
const FRESH: TimeDelta = TimeDelta::minutes(10);

/// How many sessions an account has at most. A new session beyond that ends the oldest.
const MOST_SESSIONS: u64 = 100;

/// The accuracy of the time at which a session was last used, unless its idle limit requires a finer one.
const LAST_SEEN_STEP: TimeDelta = TimeDelta::minutes(1);

/// A session that has not ended, as its owner may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The id of the session. It gives no access.
    pub id: Uuid,
    /// When its owner signed in.
    pub created_at: DateTime<Utc>,
    /// When its owner last gave the password.
    pub authenticated_at: DateTime<Utc>,
    /// When it was last used. The session of the current request is accurate, others to a minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends if it is not used again.
    pub expires_at: DateTime<Utc>,
    /// The address of the client that signed in.
    pub ip: Option<String>,
    /// The `User-Agent` of the client that signed in.
    pub user_agent: Option<String>,
    /// The methods of the sign-in, sorted.
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

    /// Whether its owner gave the password recently enough for irreversible operations.
    pub(super) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now < self.authenticated_at + FRESH
    }
}

/// When a session ends if it is not used again.
fn expires_at(row: &session::Model, policy: Policy) -> DateTime<Utc> {
    row.expires_at.min(row.last_seen_at + policy.idle())
}

/// A method by which a person signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    /// The password of the account.
    Password,
}

impl Method {
    /// Its name in the rows of sessions.
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
        }
    }
}

/// The evidence for which a session is opened.
#[derive(Debug)]
pub(super) struct Evidence {
    /// The methods, sorted.
    methods: Vec<Method>,
    /// The hash to store instead, if the stored one does not match the policy.
    rehashed: Option<PasswordHash>,
}

impl Evidence {
    /// Evidence by the right password of the account.
    pub(super) fn password(rehashed: Option<PasswordHash>) -> Self {
        Self {
            methods: vec![Method::Password],
            rehashed,
        }
    }

    fn methods(&self) -> String {
        let names = self.methods.iter().map(|method| method.as_str());
        names.collect::<Vec<_>>().join(",")
    }
}

/// The session of a valid token, with its owner. Every operation of a signed-in caller requires it.
#[derive(Clone, Debug)]
pub struct CurrentSession {
    /// The session.
    pub session: Session,
    pub(super) user: user::Model,
    /// The client that the request comes from.
    pub(super) client: Client,
    pub(super) token_digest: TokenDigest,
}

impl CurrentSession {
    /// The account of its owner.
    #[must_use]
    pub fn account(&self) -> Account {
        self.user.clone().into()
    }

    /// Who acts by this session.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            user_id: self.user.id,
            session_id: Some(self.session.id),
        }
    }
}

/// A session with a new token. The token can't be read again later.
#[derive(Debug)]
pub struct SignedIn {
    /// The session, and its owner.
    pub current: CurrentSession,
    /// The token of the session.
    pub token: Token,
}

/// The reason why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Unknown address or wrong password. This is one variant, so that callers can't tell them apart.
    #[error("wrong email or password")]
    InvalidCredentials,
    /// The operation could not be carried out. A session may exist whose token nobody has.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

db_error_is_unavailable!(SignInError);

/// The reason why a token opens no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The token is unknown, or its session has ended.
    #[error("not signed in")]
    NotSignedIn,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The reason why a session was not ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    /// The caller has no session with this id.
    #[error("no such session")]
    NoSuchSession,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The reason why an operation that requires a fresh session was refused.
#[derive(Debug, thiserror::Error)]
pub enum FreshSessionError {
    /// The session has ended during the request.
    #[error("not signed in")]
    NotSignedIn,
    /// The password was given too long ago.
    #[error("the password was not given in the last 10 minutes")]
    SignInAgain,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<SessionError> for FreshSessionError {
    fn from(err: SessionError) -> Self {
        match err {
            SessionError::NotSignedIn => Self::NotSignedIn,
            SessionError::Db(err) => Self::Db(err),
        }
    }
}

impl Auth {
    /// Signs in with an address and a password. Always opens a new session, with a new token.
    ///
    /// A refusal is the same, and takes the same time, for an address without an account, for a wrong password, and for
    /// texts that can be neither. A stored hash whose cost does not match the policy is replaced.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        client: &Client,
    ) -> Result<SignedIn, SignInError> {
        let email = Email::parse(email).ok();
        let address = email.as_ref().map(Email::as_str);
        // No account has an empty address. So the same query runs for every input.
        let found = self.db.find_user_by_email(address.unwrap_or("")).await?;
        let user_id = found.as_ref().map(|user| user.id);
        let is_disabled = found
            .as_ref()
            .is_some_and(|user| user.disabled_at.is_some());
        let confirmed = self.confirm(address, password, found, client).await?;
        let Some(Confirmed { tx, user, rehashed }) = confirmed else {
            let reason = match (user_id, address) {
                (Some(_), _) if is_disabled => "disabled account",
                (Some(_), _) => "wrong password",
                (None, Some(_)) => "no account",
                (None, None) => "no address",
            };
            let refused = Event::SessionRefused { user_id, reason };
            self.record(refused, None, client).await?;
            return Err(SignInError::InvalidCredentials);
        };
        let evidence = Evidence::password(rehashed);
        Ok(self.open_session(tx, user, evidence, client).await?)
    }

    /// Opens a session for a user whose row the transaction has locked, and commits. Every session is opened here.
    async fn open_session(
        &self,
        mut tx: UnitOfWork<'_>,
        mut user: user::Model,
        evidence: Evidence,
        client: &Client,
    ) -> Result<SignedIn, DbError> {
        let token = Token::generate(TokenKind::Session);
        let token_digest = token.digest();
        let now = self.db.clock().now();
        let methods = evidence.methods();
        let session = session::Model {
            id: Uuid::new_v4(),
            user_id: user.id,
            token_digest: token_digest.as_str().to_owned(),
            created_at: now,
            authenticated_at: now,
            last_seen_at: now,
            expires_at: now + self.policy.lifetime(),
            ip: client.ip.map(|ip| ip.to_string()),
            user_agent: client.storable_user_agent(),
            methods: Some(methods.clone()),
        };
        tx.act_as(user.id, session.id);
        tx.record(Event::SessionOpened {
            user: &user,
            session_id: session.id,
            methods: &methods,
            is_new_network: Self::note_client(&tx, &user, client).await?,
            client,
        })
        .await?;
        tx.add_session(session.clone()).await?;
        let oldest = tx.find_oldest_sessions(user.id, MOST_SESSIONS).await?;
        self.end_each(&mut tx, user.id, oldest, "too many sessions")
            .await?;
        tx.set_signed_in(user.id, session.id).await?;
        if let Some(hash) = evidence.rehashed {
            tx.set_password_hash(user.id, hash.as_str()).await?;
            hash.as_str().clone_into(&mut user.hashed_password);
        }
        tx.commit().await?;
        user.session_id = Some(session.id.to_string());
        user.last_signed_in_at = Some(now);
        let current = CurrentSession {
            session: Session::of(session, self.policy),
            user,
            client: client.clone(),
            token_digest,
        };
        Ok(SignedIn { current, token })
    }

    /// Finds the session of a token, and its owner. Every request of a signed-in caller begins with this.
    ///
    /// It sends one query to the database. The returned session counts as used just now. A background task records the
    /// time of use and the network, at most once a minute.
    ///
    /// # Errors
    /// [`SessionError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn check_session(
        &self,
        token: &Token,
        client: Client,
    ) -> Result<CurrentSession, SessionError> {
        let token_digest = token.digest();
        let found = self.db.find_session(token_digest.as_str()).await?;
        let (mut row, user) = found.ok_or(SessionError::NotSignedIn)?;
        let now = self.db.clock().now();
        if expires_at(&row, self.policy) <= now || user.disabled_at.is_some() {
            return Err(SessionError::NotSignedIn);
        }
        if row.last_seen_at + self.last_seen_step() <= now {
            let network = client.network();
            self.last_seen
                .note(row.id, network, &self.throttle, self.last_seen_step());
        }
        // The answer includes this use, although it is written later. The clock of another replica may be ahead.
        row.last_seen_at = row.last_seen_at.max(now);
        Ok(CurrentSession {
            session: Session::of(row, self.policy),
            user,
            client,
            token_digest,
        })
    }

    /// The accuracy of the time at which a session was last used: fine enough that no session ends while it is in use.
    fn last_seen_step(&self) -> TimeDelta {
        LAST_SEEN_STEP.min(self.policy.idle() / 4)
    }

    /// The sessions of the caller that have not ended, newest first. The caller's own session is as
    /// [`Auth::check_session`] returned it.
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
            // A concurrent request has already ended it.
            Ok(()) | Err(EndSessionError::NoSuchSession) => Ok(()),
            Err(EndSessionError::Db(err)) => Err(err),
        }
    }

    /// Ends one of the caller's sessions.
    ///
    /// # Errors
    /// [`EndSessionError`].
    pub async fn end_session(
        &self,
        current: &CurrentSession,
        id: Uuid,
    ) -> Result<(), EndSessionError> {
        let reason = if id == current.session.id {
            "signed out"
        } else {
            "ended by its owner"
        };
        self.end_one(current, id, reason).await
    }

    async fn end_one(
        &self,
        current: &CurrentSession,
        id: Uuid,
        reason: &'static str,
    ) -> Result<(), EndSessionError> {
        let mut tx = self.begin(&current.client).await?;
        tx.act_as(current.user.id, current.session.id);
        let user = tx.lock_user(current.user.id).await?;
        let user = user.ok_or(EndSessionError::NoSuchSession)?;
        if !tx.delete_session(user.id, id).await? {
            return Err(EndSessionError::NoSuchSession);
        }
        self.name_newest_session(&tx, &user).await?;
        tx.record(Event::SessionEnded {
            user_id: user.id,
            session_id: id,
            reason,
        })
        .await?;
        Ok(tx.commit().await?)
    }

    /// Ends the session whose token a browser sent when it signed in again. The browser has the token of the new
    /// session now. Source: OWASP ASVS 5.0, 7.2.4.
    ///
    /// A failure of the database is only logged, because the new session is already open.
    pub async fn end_former_session(&self, token: &Token, client: &Client) {
        let ended = match self.check_session(token, client.clone()).await {
            Ok(former) => {
                self.end_one(&former, former.session.id, "replaced by a new sign-in")
                    .await
            }
            Err(SessionError::NotSignedIn) => Err(EndSessionError::NoSuchSession),
            Err(SessionError::Db(err)) => Err(err.into()),
        };
        if let Err(EndSessionError::Db(err)) = ended {
            let error = &err as &dyn Error;
            tracing::warn!(
                error,
                "the previous session of a browser could not be ended"
            );
        }
    }

    /// Ends all sessions of the caller. The session must be fresh: the password was given in the last 10 minutes.
    ///
    /// # Errors
    /// [`FreshSessionError`].
    pub async fn end_all_sessions(
        &self,
        current: &CurrentSession,
    ) -> Result<(), FreshSessionError> {
        let (mut tx, user) = self.begin_fresh(current).await?;
        self.end_sessions(&mut tx, user.id, None, "signed out everywhere")
            .await?;
        self.name_newest_session(&tx, &user).await?;
        Ok(tx.commit().await?)
    }

    /// Ends all sessions of a user, whose row the transaction has locked, except `spared`. Each is an event.
    pub(super) async fn end_sessions(
        &self,
        tx: &mut UnitOfWork<'_>,
        user_id: i64,
        spared: Option<Uuid>,
        reason: &'static str,
    ) -> Result<(), DbError> {
        let mut ended = tx.find_sessions(user_id).await?;
        ended.retain(|session| Some(session.id) != spared);
        self.end_each(tx, user_id, ended, reason).await
    }

    /// Ends these sessions of a user, whose row the transaction has locked. Each is an event, except those that have
    /// expired and are only not deleted yet.
    async fn end_each(
        &self,
        tx: &mut UnitOfWork<'_>,
        user_id: i64,
        sessions: Vec<session::Model>,
        reason: &'static str,
    ) -> Result<(), DbError> {
        if sessions.is_empty() {
            return Ok(());
        }
        tx.delete_these_sessions(sessions.iter().map(|session| session.id))
            .await?;
        let now = self.db.clock().now();
        let ended = sessions
            .iter()
            .filter(|session| now < expires_at(session, self.policy));
        for session in ended {
            tx.record(Event::SessionEnded {
                user_id,
                session_id: session.id,
                reason,
            })
            .await?;
        }
        Ok(())
    }

    /// Stores the id of the newest remaining session in the row of a user, which the transaction has locked.
    pub(super) async fn name_newest_session(
        &self,
        tx: &Transaction,
        user: &user::Model,
    ) -> Result<(), DbError> {
        let newest = tx.find_newest_session(user.id, self.policy.idle()).await?;
        let newest = newest.map(|session| session.id);
        if newest.map(|id| id.to_string()) == user.session_id {
            return Ok(());
        }
        tx.set_newest_session(user.id, newest).await
    }

    /// Begins a transaction for a caller, and locks the row of the user.
    pub(super) async fn begin_as<'a>(
        &'a self,
        current: &'a CurrentSession,
    ) -> Result<(UnitOfWork<'a>, user::Model), SessionError> {
        let mut tx = self.begin(&current.client).await?;
        tx.act_as(current.user.id, current.session.id);
        let user = tx.lock_user(current.user.id).await?;
        // The session may have ended since the request began.
        let session = tx.find_session(current.token_digest.as_str()).await?;
        match (user, session) {
            (Some(user), Some(_)) => Ok((tx, user)),
            _ => Err(SessionError::NotSignedIn),
        }
    }

    /// Like [`Auth::begin_as`], for a caller whose session is fresh.
    pub(super) async fn begin_fresh<'a>(
        &'a self,
        current: &'a CurrentSession,
    ) -> Result<(UnitOfWork<'a>, user::Model), FreshSessionError> {
        self.check_fresh(current)?;
        Ok(self.begin_as(current).await?)
    }

    /// Refuses a caller whose session is not fresh.
    pub(super) fn check_fresh(&self, current: &CurrentSession) -> Result<(), FreshSessionError> {
        if current.session.is_fresh(self.db.clock().now()) {
            Ok(())
        } else {
            Err(FreshSessionError::SignInAgain)
        }
    }
}
