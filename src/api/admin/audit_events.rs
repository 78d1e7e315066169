//! The audit log, as administrators see it.

use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};
use uuid::Uuid;

use super::parameters::{Ip, Kind, Moment, UserId};
use crate::{
    api::{
        audit::Detail,
        parameters::{EventCursor, Limit, Param},
        problem::Refused,
        security::Admin,
        tag::Tag,
        values::{OrNull, Time},
    },
    auth::{self, AuditFilter, Auth, DbError},
};

pub(in crate::api) struct AuditEventsApi {
    auth: Auth,
}

/// Something that happened to an account.
#[derive(Object)]
struct AuditEvent {
    /// The id of the event.
    id: Uuid,
    /// When it happened.
    at: Time,
    /// What happened, for example `session.opened`. Later versions may add others.
    kind: String,
    /// The id of the account that it is about. Null if there is none, for example for a sign-in with an unknown address.
    user_id: OrNull<i64>,
    /// The id of the account that did it. Null if nobody was signed in, and no password was given.
    actor_id: OrNull<i64>,
    /// The session that was opened or has ended, or else the one by which it was done.
    session_id: OrNull<Uuid>,
    /// The application by which it was done. Null for now.
    client_id: OrNull<String>,
    /// The IP address of the client. Null once the account is deleted.
    ip: OrNull<String>,
    /// The `User-Agent` header of the client: at most 512 characters. Null once the account is deleted.
    user_agent: OrNull<String>,
    /// The `X-Request-Id` of the request. The lines of the log have it too.
    request_id: OrNull<String>,
    /// Further fields, which depend on the kind alone. They are null once the account is deleted.
    detail: Detail,
}

impl From<auth::AuditEvent> for AuditEvent {
    fn from(event: auth::AuditEvent) -> Self {
        Self {
            id: event.id,
            at: event.at.into(),
            kind: event.kind,
            user_id: event.user_id.into(),
            actor_id: event.actor_id.into(),
            session_id: event.session_id.into(),
            client_id: event.client_id.into(),
            ip: event.ip.into(),
            user_agent: event.user_agent.into(),
            request_id: event.request_id.into(),
            detail: event.detail.into(),
        }
    }
}

/// A page of events.
#[derive(Object)]
struct AuditEvents {
    /// The events, newest first.
    events: Vec<AuditEvent>,
    /// The cursor of the next page: send it as `after`. Null at the end.
    next: OrNull<Uuid>,
}

#[derive(ApiResponse)]
enum Listed {
    /// A page of the events that match.
    #[oai(status = 200)]
    Ok(Json<AuditEvents>),
}

impl AuditEventsApi {
    pub(in crate::api) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl AuditEventsApi {
    /// Read the audit log
    ///
    /// Returns the events that match all given parameters, newest first: sign-ins, refused ones too, and changes of
    /// accounts, with who did them and from where.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a parameter of the query"
    )]
    #[oai(
        path = "/admin/audit-events",
        method = "get",
        operation_id = "list_audit_events",
        tag = "Tag::Administration"
    )]
    async fn list_audit_events(
        &self,
        _by: Admin,
        /// Only events about the account with this id. A deleted account has events too.
        user_id: Param<UserId>,
        /// Only what the account with this id did.
        actor_id: Param<UserId>,
        /// Only events of this kind.
        kind: Param<Kind>,
        /// Only events that a client with this IP address caused.
        ip: Param<Ip>,
        /// Only events at this time or later.
        since: Param<Moment>,
        /// Only events before this time.
        until: Param<Moment>,
        /// The length of the page.
        limit: Param<Limit>,
        /// The `next` of the page before.
        after: Param<EventCursor>,
    ) -> Result<Listed, Refused<DbError>> {
        let filter = AuditFilter {
            user_id: user_id.0.map(|id| id.0),
            actor_id: actor_id.0.map(|id| id.0),
            kind: kind.0.map(|kind| kind.0),
            ip: ip.0.map(|ip| ip.0.to_canonical().to_string()),
            since: since.0.map(|since| since.0),
            until: until.0.map(|until| until.0),
        };
        let (limit, after) = (Limit::or_default(limit), after.0.map(|after| after.0));
        let page = self.auth.audit_events(&filter, limit, after).await?;
        Ok(Listed::Ok(Json(AuditEvents {
            events: page.events.into_iter().map(Into::into).collect(),
            next: page.next.into(),
        })))
    }
}
