//! Cross-site protection: which pages in a browser may call the service. These are its own pages, and those of the
//! allowed origins.
//!
//! Any page can make a browser send a request together with the cookies of this service. Browsers tell the origin of a
//! request. A program that is not a browser can't use the cookies of another person.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};
use url::Url;

use super::caller;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a page of an allowed origin may send and read, beyond what every page may.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("content-type, authorization, x-request-id");
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");

/// How long a browser may cache the answer to a preflight, in seconds.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");

/// How many origins are reported at most: anybody can make one up.
const MOST_REPORTED: usize = 32;

/// The longest origin that is reported, in bytes.
const LONGEST_REPORTED: usize = 200;

/// The origins whose pages may call the service.
#[derive(Debug)]
pub(crate) struct Origins {
    listed: Vec<String>,
    /// Those that were refused, and have been reported.
    reported: Mutex<BTreeSet<String>>,
}

impl Origins {
    /// The service's own origin and the other ones, spelled as browsers spell them.
    pub(super) fn new(own: &Url, others: &[String]) -> Self {
        let own = own.origin().ascii_serialization();
        Self {
            listed: others.iter().cloned().chain([own]).collect(),
            reported: Mutex::default(),
        }
    }

    /// The origin of a request, if it is allowed. It must be equal byte by byte.
    fn of(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut given = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (given.next(), given.next()) else {
            return None;
        };
        let is_listed = self
            .listed
            .iter()
            .any(|listed| listed.as_bytes() == origin.as_bytes());
        is_listed.then(|| origin.clone())
    }

    /// Warns, once for each origin, that browsers keep a page from calling the service. Its developer sees only what the
    /// browser says.
    pub(super) fn report(&self, request: &Request) {
        let Some(origin) = request.headers().get(header::ORIGIN) else {
            return;
        };
        if self.of(request.headers()).is_some() || origin.len() > LONGEST_REPORTED {
            return;
        }
        // Only visible ASCII characters are a text.
        let Ok(origin) = origin.to_str() else { return };
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() < MOST_REPORTED && reported.insert(origin.to_owned()) {
            tracing::warn!(
                origin,
                "a page of this origin called the service, and browsers refuse it: it is not on the list. If it is one of your \
                 pages, add its origin to BIENVENUE_ALLOWED_ORIGINS"
            );
        }
    }

    /// Whether a browser sends this request for a page of another site that is not allowed. Requests that change
    /// nothing are never cross-site here.
    pub(crate) fn is_cross_site(&self, request: &Request) -> bool {
        let headers = request.headers();
        let changes_nothing =
            [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        // A browser never adds a Bearer token by itself, and with one the cookie is ignored.
        let has_token = caller::bearers(headers).any(|held| !held.is_empty());
        if changes_nothing || has_token {
            return false;
        }
        let mut sites = headers.get_all(SEC_FETCH_SITE).iter().peekable();
        let is_ours = if sites.peek().is_some() {
            sites.all(|site| site == "same-origin" || site == "none")
        } else {
            !headers.contains_key(header::ORIGIN)
        };
        !is_ours && self.of(headers).is_none()
    }

    /// Answers a preflight: the request by which a browser asks whether a page may send another one. `None` for every
    /// other request.
    pub(super) fn preflight(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        let is_preflight = request.method() == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
        if self.of(headers).is_some() {
            let answer = response.headers_mut();
            answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            answer.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
        }
        Some(response)
    }

    /// The headers that let a page of an allowed origin read the answer. `None` for other origins.
    pub(super) fn headers_for(&self, request: &Request) -> Option<[(HeaderName, HeaderValue); 3]> {
        let origin = self.of(request.headers())?;
        let yes = HeaderValue::from_static("true");
        Some([
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
            (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS),
        ])
    }
}
