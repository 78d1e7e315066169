//! HTTP in, HTTP out: decode, call one method of [`Auth`], encode.
//!
//! Statuses, headers and JSON are known here and nowhere else. What holds for every request, whatever
//! its path, is in `conventions`.

mod body;
mod conventions;
mod docs;
mod origins;
mod problem;
mod service;
mod users;

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use poem::{Endpoint, EndpointExt as _, Response, Route};
use poem_openapi::{OpenApiService, Tags};
use serde_json::Value;

use crate::auth::Auth;
use conventions::{Allowed, Edge};
use docs::Document;
pub(crate) use origins::Origins;
use service::ServiceApi;
use users::UsersApi;

/// What belongs together in the documentation.
#[derive(Tags)]
enum Tag {
    /// Opening and keeping an account.
    Accounts,
    /// The service itself: is it up, and what do its problems mean?
    Service,
}

/// A time as the API gives all times: RFC 3339 in UTC, with a `Z`.
#[expect(clippy::unnecessary_wraps, reason = "the signature is poem-openapi's")]
fn time(time: &DateTime<Utc>) -> Option<Value> {
    Some(time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into())
}

/// All operations.
type Operations = (ServiceApi, UsersApi);

/// Everything that is answered, at every path.
pub(crate) fn endpoint(auth: &Auth, origins: Origins) -> impl Endpoint<Output = Response> + use<> {
    let operations: Operations = (ServiceApi::new(auth.clone()), UsersApi::new(auth.clone()));
    let document = Document::of::<Operations>();
    let edge = Arc::new(Edge {
        allowed: Allowed::by(&document),
        origins,
    });
    let operations = OpenApiService::new(operations, "", "");
    document
        .add_to(Route::new())
        .nest_no_strip("/", operations)
        .around(move |routes, request| conventions::apply(routes, request, Arc::clone(&edge)))
}

/// The OpenAPI document, as JSON. It depends on nothing but this version of the program.
#[must_use]
pub fn openapi_document() -> String {
    Document::of::<Operations>().to_json()
}
