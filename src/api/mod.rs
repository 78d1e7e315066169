//! HTTP in, HTTP out: decode, call one method of [`Auth`], encode.
//!
//! Statuses, headers and JSON are known here and nowhere else. What holds for every request, whatever
//! its path, is in `conventions`.

mod body;
mod caller;
mod client;
mod conventions;
mod cookie;
mod docs;
mod email_verification;
mod export;
mod origins;
mod pages;
mod password_reset;
mod problem;
mod public_url;
mod service;
mod sessions;
mod users;
mod values;

use std::sync::Arc;

use poem::{Endpoint, EndpointExt as _, Request, Response, Route};
use poem_openapi::{OpenApiService, Tags};

use crate::{
    auth::Auth,
    config::{Settings, TrustedProxies},
    shares::Shares,
};
#[cfg(fuzzing)]
pub use client::client_address;
use conventions::{Allowed, Edge};
use cookie::SessionCookie;
use docs::Document;
use email_verification::EmailVerificationApi;
use export::ExportApi;
use origins::Origins;
use password_reset::PasswordResetApi;
use public_url::PublicUrl;
use service::ServiceApi;
use sessions::SessionsApi;
use users::UsersApi;

/// What belongs together in the documentation.
#[derive(Tags)]
enum Tag {
    /// Opening and keeping an account.
    Accounts,
    /// Signing in and out, on any number of devices.
    Sessions,
    /// What is proved by a letter that arrives: whose an address is, and who may replace a forgotten password.
    Letters,
    /// The service itself: is it up, and what do its problems mean?
    Service,
}

/// All operations.
type Operations = (
    ServiceApi,
    UsersApi,
    ExportApi,
    SessionsApi,
    PasswordResetApi,
    EmailVerificationApi,
);

/// What is asked to find out who sent a request, and from where. Every request has it.
struct Context {
    auth: Auth,
    cookie: SessionCookie,
    proxies: TrustedProxies,
}

impl Context {
    fn of(request: &Request) -> &Self {
        let context = request.data::<Arc<Self>>();
        context.expect("the endpoint gives it to every request")
    }
}

/// Everything that is answered, at every path.
pub(crate) fn endpoint(
    auth: &Auth,
    settings: &Settings,
) -> impl Endpoint<Output = Response> + use<> {
    let cookie = SessionCookie::new(settings.is_local(), settings.session.lifetime);
    let operations: Operations = (
        ServiceApi::new(auth.clone()),
        UsersApi::new(auth.clone()),
        ExportApi::new(auth.clone()),
        SessionsApi::new(auth.clone(), cookie),
        PasswordResetApi::new(auth.clone()),
        EmailVerificationApi::new(auth.clone()),
    );
    let context = Arc::new(Context {
        auth: auth.clone(),
        cookie,
        proxies: settings.trusted_proxies.clone().unwrap_or_default(),
    });
    let document = Document::of::<Operations>();
    let edge = Arc::new(Edge {
        allowed: Allowed::by(&document),
        origins: Origins::new(&settings.public_url, &settings.allowed_origins),
        public_url: PublicUrl::new(settings),
        proxies: context.proxies.clone(),
        places: Shares::new(conventions::MOST_REQUESTS),
        bodies: Shares::new(conventions::MOST_BODY_BYTES),
    });
    let operations = OpenApiService::new(operations, "", "").data(context);
    pages::add_to(document.add_to(Route::new()))
        .nest_no_strip("/", operations)
        .around(move |routes, request| conventions::apply(routes, request, Arc::clone(&edge)))
}

/// The OpenAPI document, as JSON. It depends on nothing but this version of the program.
#[must_use]
pub fn openapi_document() -> String {
    Document::of::<Operations>().to_json()
}
