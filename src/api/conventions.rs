//! What holds for every request, whatever its path: its size and its time are limited, every failure is
//! a problem, and every answer has a request id and the headers that keep browsers careful.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _};
use poem::{
    Body, Endpoint, IntoResponse as _, Request, Response,
    error::{MethodNotAllowedError, NotFoundError},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
};
use poem_openapi::error::ParsePathError;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    client,
    docs::Document,
    origins::Origins,
    pages,
    problem::{
        BODY_TOO_LARGE, INTERNAL_ERROR, MALFORMED_REQUEST, METHOD_NOT_ALLOWED, NOT_FOUND,
        OVERLOADED, Problem, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE,
    },
    public_url::PublicUrl,
};
use crate::{
    config::TrustedProxies,
    shares::{Share, Shares},
};

/// The longest body, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// How long one waits for the next piece of a body.
const BODY_PAUSE: Duration = Duration::from_secs(10);

/// How much longer a body may take for each KiB of it that has come.
const BODY_KIBIBYTE: Duration = Duration::from_secs(1);

/// How long the body of a request may take to come at most, and then the answer to be found.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// The longest request id that is taken from the caller.
const LONGEST_REQUEST_ID: usize = 64;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers of every answer that does not set its own.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (header::VARY, HeaderValue::from_static("Origin")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
];

/// Answers a request as all requests are answered.
pub(super) async fn apply<E: Endpoint>(
    routes: Arc<E>,
    request: Request,
    edge: Arc<Edge>,
) -> poem::Result<Response> {
    let begun = Instant::now();
    edge.public_url.check(&request);
    let cors = edge.origins.headers_for(&request);
    let id = request_id(&request);
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
    );
    let mut response = AssertUnwindSafe(answer(routes, request, &edge))
        .catch_unwind()
        .instrument(span.clone())
        .await
        // The panic has been reported where it happened.
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        let id = id.to_str().unwrap_or_default();
        let detail = format!("The request id is {id}.");
        response = Problem::new(&INTERNAL_ERROR, detail).into_response();
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    if let Some(value) = edge.public_url.strict_transport_security() {
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    if let Some(cors) = cors {
        response.headers_mut().extend(cors);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    span.in_scope(|| tracing::debug!(status, ?took, "answered"));
    Ok(response)
}

/// What judges every request before an operation does.
pub(super) struct Edge {
    pub(super) allowed: Allowed,
    pub(super) origins: Origins,
    pub(super) public_url: PublicUrl,
    pub(super) proxies: TrustedProxies,
    /// Requests that have come whole, and may be answered at the same time.
    pub(super) places: Arc<Shares>,
    /// Bytes of bodies, until their requests are answered.
    pub(super) bodies: Arc<Shares>,
}

/// How many requests are answered at the same time; those that come then are refused at once.
pub(super) const MOST_REQUESTS: usize = 1024;

/// How much memory the bodies of all requests take, in bytes.
pub(super) const MOST_BODY_BYTES: usize = 16 * 1024 * 1024;

async fn answer<E: Endpoint>(routes: Arc<E>, request: Request, edge: &Edge) -> Response {
    if let Some(response) = edge.origins.preflight(&request) {
        return response;
    }
    let network = Some(client::network(&request, &edge.proxies).into());
    let mut place = edge.places.share_of(network.clone());
    let mut room = edge.bodies.share_of(network);
    let request = match with_whole_body(request, &mut room).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    if let Err(problem) = edge.origins.check(&request) {
        // A method that there is not is that first of all.
        let refusal = edge.allowed.refusal(&method, &path);
        return refusal.unwrap_or_else(|| problem.into_response());
    }
    // Whoever looks after the service is told how it is however busy it is.
    let is_health = path.starts_with("/health/");
    if place.take(1).is_err() && !is_health {
        return overloaded("Too many requests are being answered.").into_response();
    }
    match tokio::time::timeout(REQUEST_LIMIT, routes.call(request)).await {
        Ok(Ok(response)) => response.into_response(),
        Ok(Err(err)) if err.is_from_response() => err.into_response(),
        Ok(Err(err)) if err.is::<MethodNotAllowedError>() => edge
            .allowed
            .refusal(&method, &path)
            .unwrap_or_else(|| problem_of(&err).into_response()),
        Ok(Err(err)) => problem_of(&err).into_response(),
        Err(_) => {
            overloaded("The request took too long. It may have been carried out all the same.")
                .into_response()
        }
    }
}

fn overloaded(detail: &'static str) -> Problem {
    Problem::new(&OVERLOADED, detail).retry_after(Duration::from_secs(1))
}

/// The caller's own request id, if it is harmless, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let is_harmless = |id: &&HeaderValue| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len())
            && id
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    };
    if let Some(id) = request.headers().get(REQUEST_ID).filter(is_harmless) {
        return id.clone();
    }
    let mut text = Uuid::encode_buffer();
    let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).expect("a UUID has hexadecimal digits and hyphens")
}

/// Reads the body, as far as it may go, and puts it back. Its room is taken as it arrives.
async fn with_whole_body(mut request: Request, room: &mut Share) -> Result<Request, Problem> {
    let too_large = || {
        Problem::new(
            &BODY_TOO_LARGE,
            "The body of a request is at most 64 KiB long.",
        )
    };
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or(LONGEST_BODY);
    if announced > LONGEST_BODY {
        return Err(too_large());
    }
    let body = request.take_body();
    if body.is_empty() {
        return Ok(request);
    }
    let begun = Instant::now();
    let mut pieces = Box::pin(body.into_bytes_stream());
    let mut whole = Vec::new();
    loop {
        let pause_ends = Instant::now() + BODY_PAUSE;
        let ends = begun + time_for(whole.len());
        let next = tokio::time::timeout_at(pause_ends.min(ends), pieces.next()).await;
        let next = next.map_err(|_| {
            let detail = if pause_ends < ends {
                "The body stopped coming."
            } else {
                "The body came too slowly."
            };
            Problem::new(&REQUEST_TIMEOUT, detail)
        })?;
        let Some(piece) = next else {
            break;
        };
        let piece = piece
            .map_err(|_| Problem::new(&MALFORMED_REQUEST, "The body broke off before its end."))?;
        let length = whole.len() + piece.len();
        if length > LONGEST_BODY {
            return Err(too_large());
        }
        if length > whole.capacity() {
            // Twice what there was, so that little is copied, but no more than can still come.
            let capacity = (2 * whole.capacity()).min(announced).max(length);
            room.take(capacity - whole.capacity())
                .map_err(|_| overloaded("Too much is being received."))?;
            whole.reserve_exact(capacity - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
    request.set_body(Body::from_vec(whole));
    Ok(request)
}

/// How long a body may take, of which so many bytes have come.
fn time_for(received: usize) -> Duration {
    let kibibytes = u32::try_from(received / 1024).unwrap_or(u32::MAX);
    (BODY_PAUSE + BODY_KIBIBYTE.saturating_mul(kibibytes)).min(REQUEST_LIMIT)
}

/// The problem that an error of the framework is.
fn problem_of(err: &poem::Error) -> Problem {
    // A method of a path that only poem's router reads as ours: nothing that was documented.
    if err.is::<NotFoundError>() || err.is::<MethodNotAllowedError>() {
        return Problem::new(&NOT_FOUND, "No operation has this path.");
    }
    // Nothing has a name that is not even of the form of names.
    if err.is::<ParsePathError>() {
        return Problem::new(&NOT_FOUND, "There is nothing of this name.");
    }
    match err.status() {
        StatusCode::NOT_FOUND => Problem::new(&NOT_FOUND, "There is nothing of this name."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Problem::new(&UNSUPPORTED_MEDIA_TYPE, "The body must be JSON.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(&BODY_TOO_LARGE, "The body is too large."),
        status if status.is_client_error() => {
            Problem::new(&MALFORMED_REQUEST, "The request can't be understood.")
        }
        _ => Problem::internal(err),
    }
}

/// Which methods there are at which path.
pub(super) struct Allowed(Vec<(String, Vec<String>)>);

impl Allowed {
    pub(super) fn by(document: &Document) -> Self {
        let operations = document
            .methods()
            .map(|(path, methods)| (path.to_owned(), methods));
        let pages = Document::PAGES
            .iter()
            .chain(&pages::PATHS)
            .map(|path| ((*path).to_owned(), vec!["GET".to_owned()]));
        let with_head = |(path, mut methods): (String, Vec<String>)| {
            if methods.iter().any(|method| method == "GET") {
                methods.push("HEAD".to_owned());
            }
            (path, methods)
        };
        Self(operations.chain(pages).map(with_head).collect())
    }

    /// Refuses a method that there is not at a path that there is.
    fn refusal(&self, method: &Method, path: &str) -> Option<Response> {
        let (_, methods) = self
            .0
            .iter()
            .find(|(pattern, _)| matches_path(pattern, path))?;
        if methods.iter().any(|known| known == method.as_str()) {
            return None;
        }
        let mut response = Problem::new(
            &METHOD_NOT_ALLOWED,
            "Use one of the methods that the Allow header lists.",
        )
        .into_response();
        let allow = HeaderValue::from_str(&methods.join(", ")).expect("methods are letters");
        response.headers_mut().insert(header::ALLOW, allow);
        Some(response)
    }
}

/// Whether a path is of a pattern, of which a segment in braces stands for any one.
fn matches_path(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    pattern.split('/').all(|wanted| {
        segments
            .next()
            .is_some_and(|segment| wanted.starts_with('{') || wanted == segment)
    }) && segments.next().is_none()
}
