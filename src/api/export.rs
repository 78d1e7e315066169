//! Everything that is kept about somebody.

use chrono::DateTime;
use entity::{email_verification, known_client, one_time_token, outgoing_mail, session, user};
use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};
use uuid::Uuid;

use super::{
    Tag,
    caller::Caller,
    problem::{Operation, ProblemType, Refused, SIGN_IN_AGAIN},
    values::{OrNull, Time},
};
use crate::auth::{Auth, Export};

pub(super) struct ExportApi {
    auth: Auth,
}

/// Everything that the service keeps about somebody, but for hashes.
#[derive(Object)]
struct AccountExport {
    /// When this was put together.
    exported_at: Time,
    /// The account.
    user: ExportedUser,
    /// Its sessions, the newest first. Those that are over are deleted within two minutes.
    sessions: Vec<ExportedSession>,
    /// The networks that its owner used within 30 days, the last used first.
    known_clients: Vec<ExportedClient>,
    /// Addresses whose owner has yet to answer a letter, the newest first.
    email_verifications: Vec<ExportedVerification>,
    /// What a link in an email can still do, once, the newest first.
    one_time_tokens: Vec<ExportedToken>,
    /// Letters to the address, or about the account, the newest first. They are kept for two days.
    mails: Vec<ExportedMail>,
}

/// An account, with all that is kept of it.
#[derive(Object)]
struct ExportedUser {
    /// Never changes, and is never given to another account.
    id: i64,
    /// The address, in the form in which it is kept.
    email: String,
    /// What its owner wants to be called.
    name: OrNull<String>,
    /// When its owner showed that mail to this address arrives.
    email_verified_at: OrNull<Time>,
    /// The newest session.
    session_id: OrNull<String>,
    /// How long the link is good that resets the password, where there is one.
    reset_token_expires_at: OrNull<Time>,
    /// When its owner last signed in.
    last_signed_in_at: OrNull<Time>,
    /// When the account was opened.
    created_at: Time,
    /// When anything of this was last changed.
    updated_at: Time,
}

/// A sign-in, with all that is kept of it.
#[derive(Object)]
struct ExportedSession {
    /// Names the session.
    id: Uuid,
    /// When its owner signed in.
    created_at: Time,
    /// When its owner last gave the password.
    authenticated_at: Time,
    /// When it was last used, give or take a minute.
    last_seen_at: Time,
    /// When it ends, however much it is used.
    expires_at: Time,
    /// The address from which its owner signed in, where it is known.
    ip: OrNull<String>,
    /// What the browser or program said of itself then.
    user_agent: OrNull<String>,
    /// The methods by which its owner signed in, sorted.
    methods: Vec<String>,
}

/// A network that its owner used.
#[derive(Object)]
struct ExportedClient {
    /// The address, of IPv6 the first 64 bits of it; empty where it is not known.
    network: String,
    /// Empty, but for what older versions kept: what the browser or program said of itself.
    user_agent: String,
    /// When the owner last signed in from there.
    last_signed_in_at: OrNull<Time>,
    /// When the owner last used a session from there, give or take an hour.
    last_used_at: OrNull<Time>,
}

/// An address that waits for its letter to be answered.
#[derive(Object)]
struct ExportedVerification {
    /// The address of the account, or the one that it is to have.
    email: String,
    /// When it was asked for.
    created_at: Time,
    /// How long the link in the letter is good, once that was sent.
    token_expires_at: OrNull<Time>,
}

/// What a link in an email can still do.
#[derive(Object)]
struct ExportedToken {
    /// What it does: `undo-email-change` gives the account its former address back.
    purpose: String,
    /// What it does it with: the former address.
    data: String,
    /// When it was made necessary.
    created_at: Time,
    /// How long the link is good.
    expires_at: OrNull<Time>,
}

/// A letter.
#[derive(Object)]
struct ExportedMail {
    /// What it is about.
    kind: String,
    /// To which address.
    recipient: String,
    /// In which language.
    language: String,
    /// The address of the client that it tells of.
    ip: OrNull<String>,
    /// When it became necessary.
    created_at: Time,
    /// When it was sent, or given up.
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
        }
    }
}

/// Rows as they are shown.
fn all<R, E: From<R>>(rows: Vec<R>) -> Vec<E> {
    rows.into_iter().map(Into::into).collect()
}

impl From<known_client::Model> for ExportedClient {
    fn from(client: known_client::Model) -> Self {
        Self {
            network: client.network,
            user_agent: client.user_agent,
            last_signed_in_at: Some(client.last_signed_in_at)
                .filter(|time| *time > DateTime::UNIX_EPOCH)
                .into(),
            last_used_at: client.last_used_at.into(),
        }
    }
}

impl From<email_verification::Model> for ExportedVerification {
    fn from(verification: email_verification::Model) -> Self {
        Self {
            email: verification.email,
            created_at: verification.created_at.into(),
            token_expires_at: verification.token_expires_at.into(),
        }
    }
}

impl From<one_time_token::Model> for ExportedToken {
    fn from(token: one_time_token::Model) -> Self {
        Self {
            purpose: token.purpose,
            data: token.data,
            created_at: token.created_at.into(),
            expires_at: token.expires_at.into(),
        }
    }
}

impl From<outgoing_mail::Model> for ExportedMail {
    fn from(mail: outgoing_mail::Model) -> Self {
        Self {
            kind: mail.kind,
            recipient: mail.recipient,
            language: mail.language,
            ip: mail.ip.into(),
            created_at: mail.created_at.into(),
            finished_at: mail.finished_at.into(),
        }
    }
}

impl From<user::Model> for ExportedUser {
    fn from(user: user::Model) -> Self {
        Self {
            id: user.id,
            email: user.email,
            name: user.name.into(),
            email_verified_at: user.email_verified_at.into(),
            session_id: user.session_id.into(),
            reset_token_expires_at: user.reset_token_expires_at.into(),
            last_signed_in_at: user.last_signed_in_at.into(),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

impl From<session::Model> for ExportedSession {
    fn from(session: session::Model) -> Self {
        Self {
            id: session.id,
            methods: session.methods(),
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
    /// Everything, as JSON.
    #[oai(status = 200)]
    Ok(Json<AccountExport>),
}

struct Take;
impl Operation for Take {
    const PROBLEMS: &'static [&'static ProblemType] = &[&SIGN_IN_AGAIN];
    const NEEDS_SESSION: bool = true;
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
    /// Everything that the service keeps about the caller, but for hashes of passwords and tokens. It needs the password to have
    /// been given in the last 10 minutes.
    #[oai(
        path = "/users/me/export",
        method = "get",
        operation_id = "export_account",
        tag = "Tag::Accounts"
    )]
    async fn export_account(&self, caller: Caller) -> Result<Exported, Refused<Take>> {
        let export = self.auth.export(&caller.current).await?;
        Ok(Exported::Ok(Json(export.into())))
    }
}
