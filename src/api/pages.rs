//! The pages that the links in letters lead to, for those who have no frontend of their own yet.
//!
//! Each takes the token from the fragment of its address and calls the API, as a frontend would. They know nothing that
//! the API does not say.

use poem::{
    Request, Response, Route,
    endpoint::make_sync,
    get,
    http::{HeaderMap, header},
};

use super::client;
use crate::auth::Language;

/// The paths of the pages, and of what they are made of.
pub(super) const PATHS: [&str; 5] = [
    "/verify-email",
    "/reset-password",
    "/undo-email-change",
    "/pages/page.css",
    "/pages/page.js",
];

/// What a page may do: load from this service, and call it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page, in each language.
struct Page {
    english: &'static str,
    french: &'static str,
}

const VERIFY_EMAIL: Page = Page {
    english: include_str!("pages/verify-email.en.html"),
    french: include_str!("pages/verify-email.fr.html"),
};

const RESET_PASSWORD: Page = Page {
    english: include_str!("pages/reset-password.en.html"),
    french: include_str!("pages/reset-password.fr.html"),
};

const UNDO_EMAIL_CHANGE: Page = Page {
    english: include_str!("pages/undo-email-change.en.html"),
    french: include_str!("pages/undo-email-change.fr.html"),
};

/// Adds the pages.
pub(super) fn add_to(route: Route) -> Route {
    let page = |page: &'static Page| get(make_sync(move |request| page.answer(&request)));
    let asset = |content_type: &'static str, content: &'static str| {
        get(make_sync(move |_| {
            Response::builder()
                .content_type(content_type)
                .header(header::CACHE_CONTROL, "public, max-age=3600")
                .body(content)
        }))
    };
    let [
        verify_email,
        reset_password,
        undo_email_change,
        style,
        script,
    ] = PATHS;
    route
        .at(verify_email, page(&VERIFY_EMAIL))
        .at(reset_password, page(&RESET_PASSWORD))
        .at(undo_email_change, page(&UNDO_EMAIL_CHANGE))
        .at(
            style,
            asset("text/css; charset=utf-8", include_str!("pages/page.css")),
        )
        .at(
            script,
            asset(
                "text/javascript; charset=utf-8",
                include_str!("pages/page.js"),
            ),
        )
}

impl Page {
    fn answer(&self, request: &Request) -> Response {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .header(header::VARY, "Origin, Accept-Language")
            .body(self.in_language_of(request.headers()))
    }

    fn in_language_of(&self, headers: &HeaderMap) -> &'static str {
        match client::language(headers) {
            Language::English => self.english,
            Language::French => self.french,
        }
    }
}
