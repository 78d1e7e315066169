//! The edge: the rules that hold for every request, whatever its face and path.
//!
//! It limits the size and the time of a request. It turns every failure into an answer of the face. It adds a request
//! id and security headers to every answer.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _};
use poem::{
    Body, Endpoint, EndpointExt as _, PathPattern, Request, Response, Route,
    endpoint::make,
    error::{MethodNotAllowedError, NotFoundError},
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use poem_openapi::error::ParsePathError;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    client::{self, REQUEST_ID},
    context::Context,
    face::{Face, Failure},
    options::HttpOptions,
    public_url::PublicUrl,
    routes::{Allowed, Routes, shape},
    shares::{Share, Shares},
};
use crate::auth::Auth;

/// The timeout for the next piece of a body.
const BODY_PAUSE: Duration = Duration::from_secs(10);

/// How much longer a body may take for each KiB of it that has arrived.
const BODY_KIBIBYTE: Duration = Duration::from_secs(1);

/// The longest time in which the body of a request must arrive, and then the timeout of the answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// The longest request id that is accepted from a caller, in bytes.
const LONGEST_REQUEST_ID: usize = 64;

/// The headers of every answer, unless the answer sets its own.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
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

/// The steps before and after every operation.
pub(crate) struct Edge {
    context: Arc<Context>,
    public_url: PublicUrl,
    /// The permits of requests that have arrived completely and are being answered.
    places: Arc<Shares>,
    /// The bytes of bodies, until their requests are answered.
    bodies: Arc<Shares>,
}

/// Joins all faces to one endpoint. The first one answers every path that no other face has.
pub(crate) fn faces(
    edge: &Arc<Edge>,
    (face, routes): (Face, Routes),
    others: Vec<(Face, Routes)>,
) -> impl Endpoint<Output = Response> + use<> {
    let mut all = Route::new();
    for (face, routes) in others {
        let paths = routes.paths().to_vec();
        let endpoint = Arc::new(Arc::clone(edge).around(face, routes).boxed());
        for path in paths {
            all = all.at(path, Arc::clone(&endpoint));
        }
    }
    let rest = Arc::clone(edge).around(face, routes);
    all.nest_no_strip("/", rest).map_to_response()
}

impl Edge {
    pub(crate) fn new(auth: &Auth, options: &HttpOptions) -> Arc<Self> {
        Arc::new(Self {
            context: Arc::new(Context::new(auth, options)),
            public_url: PublicUrl::new(options),
            places: Shares::new(MOST_REQUESTS),
            bodies: Shares::new(MOST_BODY_BYTES),
        })
    }

    /// Puts the paths of a face behind the edge.
    fn around(self: Arc<Self>, face: Face, routes: Routes) -> impl Endpoint<Output = Response> {
        let (routes, allowed) = routes.into_parts();
        let routes = Arc::new((routes, allowed));
        make(move |request| {
            let (edge, routes) = (Arc::clone(&self), Arc::clone(&routes));
            async move {
                let (routes, allowed) = &*routes;
                let response = edge.apply(&face, routes, allowed, request).await;
                Ok::<_, poem::Error>(response)
            }
        })
        .map_to_response()
    }

    /// Answers a request of a face.
    async fn apply<E: Endpoint<Output = Response>>(
        &self,
        face: &Face,
        routes: &E,
        allowed: &Allowed,
        mut request: Request,
    ) -> Response {
        let begun = Instant::now();
        self.public_url.check(&request);
        let origins = &self.context.origins;
        origins.report(&request);
        let cors = origins.headers_for(&request).filter(|_| face.is_shared);
        let id = request_id(&request);
        let span = tracing::info_span!(
            "request",
            id = id.to_str().unwrap_or_default(),
            method = %request.method(),
            path = request.uri().path(),
        );
        request.headers_mut().insert(REQUEST_ID, id.clone());
        request.set_data(Arc::clone(&self.context));
        // The router that chose the face has set a pattern, and the router of the face would append to it.
        request.extensions_mut().remove::<PathPattern>();
        let answered = AssertUnwindSafe(self.answer(face, routes, request))
            .catch_unwind()
            .instrument(span.clone())
            .await;
        let internal = || {
            let id = id.to_str().unwrap_or_default();
            (face.refuse)(&Failure::Internal(id.to_owned()))
        };
        let mut response = match answered {
            Ok(Ok(response)) if response.status() != StatusCode::INTERNAL_SERVER_ERROR => response,
            Ok(Err(err)) => match failure_of(&err, allowed, face) {
                Some(failure) => (face.refuse)(&failure),
                None => span.in_scope(|| {
                    tracing::error!(error = &err as &dyn std::error::Error, "internal error");
                    internal()
                }),
            },
            // The error was logged where it occurred.
            Ok(Ok(_)) | Err(_) => internal(),
        };
        let headers = response.headers_mut();
        for (name, value) in HEADERS {
            headers.entry(name).or_insert(value);
        }
        let policy = HeaderValue::from_static(face.content_security_policy);
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(policy);
        if let Some(value) = self.public_url.strict_transport_security() {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
        }
        if let Some(cors) = cors {
            headers.extend(cors);
        }
        headers.insert(REQUEST_ID, id);
        let (status, took) = (response.status().as_u16(), begun.elapsed());
        let duration_ms = took.as_secs_f64() * 1000.0;
        span.in_scope(|| tracing::debug!(status, duration_ms, "answered"));
        response
    }

    async fn answer<E: Endpoint<Output = Response>>(
        &self,
        face: &Face,
        routes: &E,
        request: Request,
    ) -> poem::Result<Response> {
        if let Some(response) = self.context.origins.preflight(&request) {
            return Ok(response);
        }
        let network = Some(client::network(&request, &self.context.proxies).into());
        let mut place = self.places.share_of(network.clone());
        let mut room = self.bodies.share_of(network);
        let request = with_whole_body(request, face.longest_body, &mut room).await?;
        // Health checks are answered however busy the service is.
        let is_health = request.uri().path().starts_with("/health/");
        if place.take(1).is_err() && !is_health {
            return Err(Failure::TooManyRequests.into());
        }
        match tokio::time::timeout(REQUEST_LIMIT, routes.call(request)).await {
            Ok(Err(err)) if err.is_from_response() => Ok(err.into_response()),
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::TimedOut.into()),
        }
    }
}

/// How many requests are answered at once. Further ones are refused immediately.
const MOST_REQUESTS: usize = 1024;

/// How much memory the bodies of all requests may use, in bytes.
const MOST_BODY_BYTES: usize = 16 * 1024 * 1024;

impl From<Failure> for poem::Error {
    fn from(failure: Failure) -> Self {
        let status = failure.status();
        Self::new(failure, status)
    }
}

/// The caller's own request id if it is safe to log and return, else a new one.
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

/// Reads the whole body, up to the longest allowed one, and puts it back into the request. Memory is counted in `room`
/// as the body arrives.
async fn with_whole_body(
    mut request: Request,
    longest: usize,
    room: &mut Share,
) -> Result<Request, Failure> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or(longest);
    if announced > longest {
        return Err(Failure::BodyTooLarge(longest));
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
            if pause_ends < ends {
                Failure::BodyStopped
            } else {
                Failure::BodySlow
            }
        })?;
        let Some(piece) = next else {
            break;
        };
        let piece = piece.map_err(|_| Failure::BodyBrokenOff)?;
        let length = whole.len() + piece.len();
        if length > longest {
            return Err(Failure::BodyTooLarge(longest));
        }
        if length > whole.capacity() {
            // The capacity doubles, so that little is copied, but never exceeds what can still arrive.
            let capacity = (2 * whole.capacity()).min(announced).max(length);
            room.take(capacity - whole.capacity())
                .map_err(|_| Failure::NoRoomForBody)?;
            whole.reserve_exact(capacity - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
    request.set_body(Body::from_vec(whole));
    Ok(request)
}

/// How long a body may take of which this many bytes have arrived.
fn time_for(received: usize) -> Duration {
    let kibibytes = u32::try_from(received / 1024).unwrap_or(u32::MAX);
    (BODY_PAUSE + BODY_KIBIBYTE.saturating_mul(kibibytes)).min(REQUEST_LIMIT)
}

/// Converts an error of the service or of the framework to a failure. `None` for an internal error.
fn failure_of(err: &poem::Error, allowed: &Allowed, face: &Face) -> Option<Failure> {
    if let Some(failure) = err.downcast_ref::<Failure>() {
        return Some(failure.clone());
    }
    if err.is::<MethodNotAllowedError>() {
        // Without a pattern, only the router takes this path for one of the service. It is not documented, so it does
        // not exist.
        let pattern = err.data::<PathPattern>();
        let allow = pattern.and_then(|pattern| allowed.get(&shape(&pattern.0)));
        return Some(allow.map_or(Failure::NoSuchPath, |allow| {
            Failure::MethodNotAllowed(allow.clone())
        }));
    }
    if err.is::<NotFoundError>() {
        return Some(Failure::NoSuchPath);
    }
    // A name that can't be parsed does not exist.
    if err.is::<ParsePathError>() {
        return Some(Failure::NoSuchObject);
    }
    match err.status() {
        StatusCode::NOT_FOUND => Some(Failure::NoSuchObject),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(Failure::UnsupportedMediaType),
        StatusCode::PAYLOAD_TOO_LARGE => Some(Failure::BodyTooLarge(face.longest_body)),
        status if status.is_client_error() => Some(Failure::Malformed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_more_time_the_more_of_it_has_come_but_not_for_ever() {
        for (received, seconds) in [
            (0, 10),
            (1023, 10),
            (1024, 11),
            (19 * 1024, 29),
            (20 * 1024, 30),
            (64 * 1024, 30),
            (usize::MAX, 30),
        ] {
            assert_eq!(
                time_for(received),
                Duration::from_secs(seconds),
                "{received}"
            );
        }
    }
}
