//! The export of all data about a user.

use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};
use uuid::Uuid;

use super::{
    audit::OwnAuditEvent,
    problem::Refused,
    tag::Tag,
    values::{OrNull, Time},
};
use crate::{
    auth::{self, Auth, Export, FreshSessionError},
    http::Caller,
};

pub(super) struct ExportApi {
    auth: Auth,
}

/// All data that the service stores about a user, except hashes.
#[derive(Object)]
struct AccountExport {
    /// When this export was created.
    exported_at: Time,
    /// The account.
    user: ExportedUser,
    /// The sessions, newest first. Expired sessions are deleted within two minutes.
    sessions: Vec<ExportedSession>,
    /// The networks that the user used in the last 30 days, the most recent first.
    known_clients: Vec<ExportedClient>,
    /// Addresses that are waiting for confirmation, newest first.
    email_verifications: Vec<ExportedVerification>,
    /// Outstanding one-time tokens for links in emails, newest first.
    one_time_tokens: Vec<ExportedToken>,
    /// Emails to the address or about the account, newest first. They are kept for two days.
    mails: Vec<ExportedMail>,
    /// The security events of the account, newest first: the last 10,000.
    audit_events: Vec<OwnAuditEvent>,
}

/// All stored data of an account.
#[derive(Object)]
struct ExportedUser {
    /// The id of the account. It never changes and is never given to another account.
    id: i64,
    /// The email address, in its normalized form.
    email: String,
    /// The display name, chosen by the user.
    name: OrNull<String>,
    /// What the user may do.
    role: String,
    /// The groups that the user is in, sorted.
    groups: Vec<String>,
    /// When an administrator disabled the account.
    disabled_at: OrNull<Time>,
    /// Whether an administrator created the account.
    is_provisioned: bool,
    /// When the user proved that emails to this address arrive.
    email_verified_at: OrNull<Time>,
    /// The id of the newest session.
    session_id: OrNull<String>,
    /// When the link for a password reset expires, if there is one.
    reset_token_expires_at: OrNull<Time>,
    /// When the user last signed in.
    last_signed_in_at: OrNull<Time>,
    /// When the account was created.
    created_at: Time,
    /// When any of this was last changed.
    updated_at: Time,
}

/// All stored data of a session.
#[derive(Object)]
struct ExportedSession {
    /// The id of the session.
    id: Uuid,
    /// When the user signed in.
    created_at: Time,
    /// When the user last entered the password.
    authenticated_at: Time,
    /// When the session was last used, to within a minute.
    last_seen_at: Time,
    /// When the session ends, even if it is in use.
    expires_at: Time,
    /// The IP address of the sign-in, if it is known.
    ip: OrNull<String>,
    /// The `User-Agent` header of the sign-in.
    user_agent: OrNull<String>,
    /// The authentication methods of the sign-in, sorted.
    methods: Vec<String>,
}

/// A network that the user used.
#[derive(Object)]
struct ExportedClient {
    /// The IPv4 address, or the first 64 bits of the IPv6 address. Empty if it is not known.
    network: String,
    /// Empty, except in data of older versions: the `User-Agent` header.
    user_agent: String,
    /// When the user last signed in from this network.
    last_signed_in_at: OrNull<Time>,
    /// When the user last used a session from this network, to within an hour.
    last_used_at: OrNull<Time>,
}

/// An address that is waiting for confirmation.
#[derive(Object)]
struct ExportedVerification {
    /// The current address of the account, or the one that is to replace it.
    email: String,
    /// When the verification was requested.
    created_at: Time,
    /// When the link in the email expires. `null` until the email was sent.
    token_expires_at: OrNull<Time>,
}

/// A one-time token for a link in an email.
#[derive(Object)]
struct ExportedToken {
    /// What the token is for: `undo-email-change` restores the former address of the account.
    purpose: String,
    /// The data of the action: the former address.
    data: String,
    /// When the token was requested.
    created_at: Time,
    /// When the link expires.
    expires_at: OrNull<Time>,
}

/// An email.
#[derive(Object)]
struct ExportedMail {
    /// The kind of the email.
    kind: String,
    /// The address that it is sent to.
    recipient: String,
    /// The language of the email.
    language: String,
    /// The IP address of the client that the email mentions.
    ip: OrNull<String>,
    /// The browser that the email is about, by its family: `Firefox on Linux`.
    client: OrNull<String>,
    /// When the email was requested.
    created_at: Time,
    /// When the email was sent or given up.
    finished_at: OrNull<Time>,
}

impl From<Export> for AccountExport {
    fn from(export: Export) -> Self {
        Self {
            exported_at: export.exported_at.into(),
            user: export.user.into(),
            sessions: all(export.sessions),
            known_clients: all(export.known_clients),
            email_verifications: all(export.email_verifications),
            one_time_tokens: all(export.one_time_tokens),
            mails: all(export.mails),
            audit_events: all(export.audit_events),
        }
    }
}

/// Converts rows to their form in the response.
fn all<R, E: From<R>>(rows: Vec<R>) -> Vec<E> {
    rows.into_iter().map(Into::into).collect()
}

impl From<auth::ExportedClient> for ExportedClient {
    fn from(client: auth::ExportedClient) -> Self {
        Self {
            network: client.network,
            user_agent: client.user_agent,
            last_signed_in_at: client.last_signed_in_at.into(),
            last_used_at: client.last_used_at.into(),
        }
    }
}

impl From<auth::ExportedVerification> for ExportedVerification {
    fn from(verification: auth::ExportedVerification) -> Self {
        Self {
            email: verification.email,
            created_at: verification.created_at.into(),
            token_expires_at: verification.token_expires_at.into(),
        }
    }
}

impl From<auth::ExportedToken> for ExportedToken {
    fn from(token: auth::ExportedToken) -> Self {
        Self {
            purpose: token.purpose,
            data: token.data,
            created_at: token.created_at.into(),
            expires_at: token.expires_at.into(),
        }
    }
}

impl From<auth::ExportedMail> for ExportedMail {
    fn from(mail: auth::ExportedMail) -> Self {
        Self {
            kind: mail.kind,
            recipient: mail.recipient,
            language: mail.language,
            ip: mail.ip.into(),
            client: mail.client.into(),
            created_at: mail.created_at.into(),
            finished_at: mail.finished_at.into(),
        }
    }
}

impl From<auth::ExportedUser> for ExportedUser {
    fn from(user: auth::ExportedUser) -> Self {
        Self {
            id: user.id,
            email: user.email,
            name: user.name.into(),
            role: user.role,
            groups: user.groups,
            disabled_at: user.disabled_at.into(),
            is_provisioned: user.is_provisioned,
            email_verified_at: user.email_verified_at.into(),
            session_id: user.session_id.into(),
            reset_token_expires_at: user.reset_token_expires_at.into(),
            last_signed_in_at: user.last_signed_in_at.into(),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

impl From<auth::ExportedSession> for ExportedSession {
    fn from(session: auth::ExportedSession) -> Self {
        Self {
            id: session.id,
            methods: session.methods,
            created_at: session.created_at.into(),
            authenticated_at: session.authenticated_at.into(),
            last_seen_at: session.last_seen_at.into(),
            expires_at: session.expires_at.into(),
            ip: session.ip.into(),
            user_agent: session.user_agent.into(),
        }
    }
}

#[derive(ApiResponse)]
enum Exported {
    /// All data, as JSON.
    #[oai(status = 200)]
    Ok(Json<AccountExport>),
}

impl ExportApi {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl ExportApi {
    /// Take my data
    ///
    /// Returns all data that the service stores about the caller, except hashes of passwords and tokens. The password
    /// must have been entered in the last 10 minutes.
    #[oai(
        path = "/users/me/export",
        method = "get",
        operation_id = "export_account",
        tag = "Tag::Accounts"
    )]
    async fn export_account(&self, caller: Caller) -> Result<Exported, Refused<FreshSessionError>> {
        let export = self.auth.export(&caller.current).await?;
        Ok(Exported::Ok(Json(export.into())))
    }
}
