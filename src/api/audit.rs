//! The audit log, as each person sees it.

use std::borrow::Cow;

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::Json,
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    parameters::{EventCursor, Limit, Param},
    problem::Refused,
    tag::Tag,
    values::{OrNull, Time},
};
use crate::{
    auth::{self, Auth, DbError},
    http::Caller,
};

pub(super) struct AuditApi {
    auth: Auth,
}

/// The further fields of an event: an object whose keys depend on the kind alone.
pub(super) struct Detail(Map<String, Value>);

impl From<Map<String, Value>> for Detail {
    fn from(detail: Map<String, Value>) -> Self {
        Self(detail)
    }
}

impl Type for Detail {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "object".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            additional_properties: Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)))),
            ..MetaSchema::new("object")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Detail {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::Object(detail)) => Ok(Self(detail)),
            value => Err(ParseError::expected_type(value.unwrap_or_default())),
        }
    }
}

impl ToJSON for Detail {
    fn to_json(&self) -> Option<Value> {
        Some(Value::Object(self.0.clone()))
    }
}

/// Something that happened to the account of the caller.
#[derive(Object)]
pub(super) struct OwnAuditEvent {
    /// The id of the event.
    id: Uuid,
    /// When it happened.
    at: Time,
    /// What happened, for example `session.opened`. Later versions may add others.
    kind: String,
    /// The id of the account that it is about: that of the caller.
    user_id: OrNull<i64>,
    /// The id of the account that did it. Null if nobody was signed in, and no password was given.
    actor_id: OrNull<i64>,
    /// The session that was opened or has ended, or else the one by which it was done.
    session_id: OrNull<Uuid>,
    /// The application by which it was done. Null for now.
    client: OrNull<String>,
    /// The IP address of the client. Null if an administrator did it.
    ip: OrNull<String>,
    /// The `User-Agent` header of the client: at most 512 characters. Null if an administrator did it.
    user_agent: OrNull<String>,
    /// Further fields, which depend on the kind alone.
    detail: Detail,
}

impl From<auth::AuditEvent> for OwnAuditEvent {
    fn from(event: auth::AuditEvent) -> Self {
        Self {
            id: event.id,
            at: event.at.into(),
            kind: event.kind,
            user_id: event.user_id.into(),
            actor_id: event.actor_id.into(),
            session_id: event.session_id.into(),
            client: None::<String>.into(),
            ip: event.ip.into(),
            user_agent: event.user_agent.into(),
            detail: event.detail.into(),
        }
    }
}

/// Some events.
#[derive(Object)]
struct OwnAuditEvents {
    /// The events, newest first.
    events: Vec<OwnAuditEvent>,
    /// The `after` of the next request. Null at the end.
    next: OrNull<Uuid>,
}

#[derive(ApiResponse)]
enum Listed {
    /// The events, newest first.
    #[oai(status = 200)]
    Ok(Json<OwnAuditEvents>),
}

impl AuditApi {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl AuditApi {
    /// What happened to my account?
    ///
    /// Returns the security events of the caller's account, newest first: sign-ins, refused ones too, and changes.
    #[oai(
        path = "/users/me/audit-events",
        method = "get",
        operation_id = "list_own_audit_events",
        tag = "Tag::Accounts"
    )]
    async fn list_own_audit_events(
        &self,
        caller: Caller,
        /// How many events to return at most.
        limit: Param<Limit>,
        /// The `next` of an earlier response: returns the events after it.
        after: Param<EventCursor>,
    ) -> Result<Listed, Refused<DbError>> {
        let limit = Limit::or_default(limit);
        let page = self
            .auth
            .own_audit_events(&caller.current, limit, after.0.map(|after| after.0))
            .await?;
        Ok(Listed::Ok(Json(OwnAuditEvents {
            events: page.events.into_iter().map(OwnAuditEvent::from).collect(),
            next: page.next.into(),
        })))
    }
}
