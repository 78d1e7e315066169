//! Which pages in a browser may call the service: its own, and those of the allowed origins.
//!
//! A page of anybody's can make a browser send a request, with the cookies that it has for us. Browsers
//! say where a request comes from, and who is no browser rides on nobody's cookie.

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};
use url::Url;

use super::{
    caller,
    problem::{CROSS_SITE_REQUEST, Problem},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a page of an allowed origin may send, and read, beyond what every page may.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("content-type, authorization, x-request-id");
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");

/// How long a browser may remember that, in seconds.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may call the service.
#[derive(Clone, Debug)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    /// The service's own origin and the others, which are written as browsers write them.
    pub(super) fn new(own: &Url, others: &[String]) -> Self {
        let own = own.origin().ascii_serialization();
        // A variable that is set to nothing is a list with an empty text in it.
        let others = others.iter().filter(|origin| !origin.is_empty()).cloned();
        Self(others.chain([own]).collect())
    }

    /// The origin that a request comes from, if it is one of these: compared letter by letter.
    fn of(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut given = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (given.next(), given.next()) else {
            return None;
        };
        let is_listed = self
            .0
            .iter()
            .any(|listed| listed.as_bytes() == origin.as_bytes());
        is_listed.then(|| origin.clone())
    }

    /// Refuses a request that changes something and that a browser sends for a page of somebody else's.
    pub(super) fn check(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        let changes_nothing =
            [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        // A browser adds no token by itself, and where there is one the cookie is ignored.
        let has_token = caller::bearers(headers).any(|held| !held.is_empty());
        if changes_nothing || has_token {
            return Ok(());
        }
        let mut sites = headers.get_all(SEC_FETCH_SITE).iter().peekable();
        let is_ours = if sites.peek().is_some() {
            sites.all(|site| site == "same-origin" || site == "none")
        } else {
            !headers.contains_key(header::ORIGIN)
        };
        if is_ours || self.of(headers).is_some() {
            return Ok(());
        }
        Err(Problem::new(
            &CROSS_SITE_REQUEST,
            "A browser sent this for a page of another site, which is not on the list of allowed origins.",
        ))
    }

    /// Answers the question whether a page may send a request, if that is what a request asks.
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

    /// The headers by which a page of an allowed origin may read the answer; none for strangers.
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
