//! Export of all data that is kept about an account.
//!
//! Each row is destructured field by field. A new column does not compile until the code says whether the export
//! includes it.

use chrono::{DateTime, Utc};
use entity::{
    email_verification, known_client, one_time_token, outgoing_mail, session, user, user_group,
};
use uuid::Uuid;

use super::{
    audit::AuditEvent,
    event::Event,
    kernel::Auth,
    sessions::{CurrentSession, FreshSessionError},
};

/// How many events an export has at most: more than an account has, unless a program signs in without pause.
const MOST_EVENTS: u64 = 10_000;

/// All data that is kept about an account, except hashes and digests.
#[derive(Clone, Debug)]
pub struct Export {
    /// When the export was made.
    pub exported_at: DateTime<Utc>,
    /// The account.
    pub user: ExportedUser,
    /// Its sessions, newest first. Expired sessions that are not deleted yet are included.
    pub sessions: Vec<ExportedSession>,
    /// The networks that its owner used lately, the last used first.
    pub known_clients: Vec<ExportedClient>,
    /// Pending email verifications, newest first.
    pub email_verifications: Vec<ExportedVerification>,
    /// Pending one-time tokens, newest first.
    pub one_time_tokens: Vec<ExportedToken>,
    /// Emails to the address of the account, or about it, newest first.
    pub mails: Vec<ExportedMail>,
    /// The events of the audit log about the account, newest first.
    pub audit_events: Vec<AuditEvent>,
}

/// An account.
#[derive(Clone, Debug)]
pub struct ExportedUser {
    /// The id, which never changes.
    pub id: i64,
    /// The address.
    pub email: String,
    /// The name that the owner chose.
    pub name: Option<String>,
    /// The role.
    pub role: String,
    /// The groups that the user is in, sorted.
    pub groups: Vec<String>,
    /// When an administrator disabled the account.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Whether an administrator opened the account.
    pub is_provisioned: bool,
    /// When the owner proved that emails to the address arrive.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// The id of the newest session.
    pub session_id: Option<String>,
    /// When the link that resets the password expires.
    pub reset_token_expires_at: Option<DateTime<Utc>>,
    /// When the owner last signed in.
    pub last_signed_in_at: Option<DateTime<Utc>>,
    /// When the account was opened.
    pub created_at: DateTime<Utc>,
    /// When any field was last changed.
    pub updated_at: DateTime<Utc>,
}

impl ExportedUser {
    fn of(row: user::Model, groups: Vec<user_group::Model>) -> Self {
        let user::Model {
            id,
            email,
            hashed_password: _,
            session_id,
            reset_token: _,
            reset_token_expires_at,
            email_verified_at,
            last_signed_in_at,
            name,
            role,
            disabled_at,
            is_provisioned,
            created_at,
            updated_at,
        } = row;
        Self {
            id,
            email,
            name,
            role,
            groups: groups.into_iter().map(|row| row.name).collect(),
            disabled_at,
            is_provisioned,
            email_verified_at,
            session_id,
            reset_token_expires_at,
            last_signed_in_at,
            created_at,
            updated_at,
        }
    }
}

/// A session.
#[derive(Clone, Debug)]
pub struct ExportedSession {
    /// The id.
    pub id: Uuid,
    /// When the owner signed in.
    pub created_at: DateTime<Utc>,
    /// When the owner last gave the password.
    pub authenticated_at: DateTime<Utc>,
    /// When it was last used, accurate to a minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends, even if it is used.
    pub expires_at: DateTime<Utc>,
    /// The address of the client that signed in.
    pub ip: Option<String>,
    /// The `User-Agent` of the client that signed in.
    pub user_agent: Option<String>,
    /// The methods of the sign-in, sorted.
    pub methods: Vec<String>,
}

impl From<session::Model> for ExportedSession {
    fn from(row: session::Model) -> Self {
        let methods = row.methods();
        let session::Model {
            id,
            user_id: _,
            token_digest: _,
            created_at,
            authenticated_at,
            last_seen_at,
            expires_at,
            ip,
            user_agent,
            methods: _,
        } = row;
        Self {
            id,
            created_at,
            authenticated_at,
            last_seen_at,
            expires_at,
            ip,
            user_agent,
            methods,
        }
    }
}

/// A network that the owner used.
#[derive(Clone, Debug)]
pub struct ExportedClient {
    /// The IPv4 address, or the first 64 bits of the IPv6 address. Empty if it is not known.
    pub network: String,
    /// Empty, except in rows of older versions.
    pub user_agent: String,
    /// When the owner last signed in from there.
    pub last_signed_in_at: Option<DateTime<Utc>>,
    /// When the owner last used a session from there, accurate to an hour.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl From<known_client::Model> for ExportedClient {
    fn from(row: known_client::Model) -> Self {
        let known_client::Model {
            user_id: _,
            network,
            user_agent,
            last_signed_in_at,
            last_used_at,
        } = row;
        // A network from which no sign-in came, only the use of a session, has this time.
        let is_sign_in = last_signed_in_at > DateTime::UNIX_EPOCH;
        Self {
            network,
            user_agent,
            last_signed_in_at: is_sign_in.then_some(last_signed_in_at),
            last_used_at,
        }
    }
}

/// A pending email verification.
#[derive(Clone, Debug)]
pub struct ExportedVerification {
    /// The address of the account, or the requested new one.
    pub email: String,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When the link expires, once it was sent.
    pub token_expires_at: Option<DateTime<Utc>>,
}

impl From<email_verification::Model> for ExportedVerification {
    fn from(row: email_verification::Model) -> Self {
        let email_verification::Model {
            id: _,
            user_id: _,
            email,
            token_digest: _,
            token_expires_at,
            created_at,
        } = row;
        Self {
            email,
            created_at,
            token_expires_at,
        }
    }
}

/// A pending one-time token.
#[derive(Clone, Debug)]
pub struct ExportedToken {
    /// What the token is for.
    pub purpose: String,
    /// The data that belongs to the purpose.
    pub data: String,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When the link expires.
    pub expires_at: Option<DateTime<Utc>>,
}

impl From<one_time_token::Model> for ExportedToken {
    fn from(row: one_time_token::Model) -> Self {
        let one_time_token::Model {
            id: _,
            purpose,
            token_digest: _,
            user_id: _,
            data,
            tries: _,
            created_at,
            expires_at,
        } = row;
        Self {
            purpose,
            data,
            created_at,
            expires_at,
        }
    }
}

/// An email.
#[derive(Clone, Debug)]
pub struct ExportedMail {
    /// Its kind.
    pub kind: String,
    /// The address that it goes to.
    pub recipient: String,
    /// Its language.
    pub language: String,
    /// The address of the client that it tells about.
    pub ip: Option<String>,
    /// The family of the browser that it tells about.
    pub client: Option<String>,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When it was sent or given up.
    pub finished_at: Option<DateTime<Utc>>,
}

impl From<outgoing_mail::Model> for ExportedMail {
    fn from(row: outgoing_mail::Model) -> Self {
        let outgoing_mail::Model {
            id: _,
            kind,
            recipient,
            language,
            user_id: _,
            subject_id: _,
            ip,
            client,
            created_at,
            due_at: _,
            attempts: _,
            refusals: _,
            last_error: _,
            finished_at,
        } = row;
        Self {
            kind,
            recipient,
            language,
            ip,
            client,
            created_at,
            finished_at,
        }
    }
}

impl Auth {
    /// Exports all data that is kept about the caller. The session must be fresh: the password was given in the last 10
    /// minutes.
    ///
    /// # Errors
    /// [`FreshSessionError`].
    pub async fn export(&self, current: &CurrentSession) -> Result<Export, FreshSessionError> {
        self.check_fresh(current)?;
        let (db, user) = (&self.db, &current.user);
        let groups = db.find_groups([user.id]).await?;
        let export = Export {
            exported_at: db.clock().now(),
            user: ExportedUser::of(user.clone(), groups),
            sessions: all(db.find_sessions(user.id).await?),
            known_clients: all(db.find_known_clients(user.id).await?),
            email_verifications: all(db.find_email_verifications(user.id).await?),
            one_time_tokens: all(db.find_one_time_tokens(user.id).await?),
            mails: all(db.find_mails(user).await?),
            audit_events: self
                .own_audit_events(current, MOST_EVENTS, None)
                .await?
                .events,
        };
        let user_id = user.id;
        let exported = Event::UserExported { user_id };
        self.record(exported, Some(current.actor()), &current.client)
            .await?;
        Ok(export)
    }
}

/// Converts rows to their exported form.
fn all<R, E: From<R>>(rows: Vec<R>) -> Vec<E> {
    rows.into_iter().map(Into::into).collect()
}
