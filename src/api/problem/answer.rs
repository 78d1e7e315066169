//! Problems in responses.

use std::{borrow::Cow, convert::Infallible, error::Error, time::Duration};

use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{Object, types::ToJSON as _};

use super::types::{
    BODY_TOO_LARGE, CROSS_SITE_REQUEST, DATABASE_UNAVAILABLE, INTERNAL_ERROR, MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED, NOT_FOUND, OVERLOADED, ProblemType, REQUEST_TIMEOUT, TOO_MANY_REQUESTS,
    UNSUPPORTED_MEDIA_TYPE,
};
use crate::{
    auth::{DbError, Unavailable},
    http::Failure,
};

/// The media type of every problem.
pub(in crate::api) const CONTENT_TYPE: &str = "application/problem+json";

/// A failure.
#[derive(Debug)]
pub(in crate::api) struct Problem {
    of: &'static ProblemType,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(in crate::api) fn new(
        of: &'static ProblemType,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            of,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// A fault of the service. The cause is logged here and not sent to the client.
    pub(in crate::api) fn internal(err: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = err, "internal error");
        Self::new(&INTERNAL_ERROR, "The fault has been written down.")
    }

    /// The database is missing or can't be used.
    pub(in crate::api) fn unavailable(detail: &'static str) -> Self {
        Self::new(&DATABASE_UNAVAILABLE, detail).retry_after(Duration::from_secs(1))
    }

    /// Names the wrong fields of the body.
    pub(in crate::api) fn with_errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    /// Names the wrong field of the body, with `detail` as the reason.
    pub(in crate::api) fn in_field(self, field: &str) -> Self {
        let error = FieldError {
            field: field.to_owned(),
            message: self.detail.clone().into_owned(),
        };
        self.with_errors(vec![error])
    }

    /// Sets when a retry makes sense: in whole seconds, at least one.
    pub(in crate::api) fn retry_after(self, wait: Duration) -> Self {
        let wait = Some(wait.max(Duration::from_secs(1)));
        Self {
            retry_after: wait,
            ..self
        }
    }
}

impl From<Infallible> for Problem {
    fn from(err: Infallible) -> Self {
        match err {}
    }
}

impl From<Unavailable> for Problem {
    fn from(err: Unavailable) -> Self {
        match err {
            Unavailable::RateLimited(wait) => Self::new(
                &TOO_MANY_REQUESTS,
                "This was tried too often. Try again later.",
            )
            .retry_after(wait),
            Unavailable::Overloaded(wait) => Self::new(
                &OVERLOADED,
                "Too many requests are waiting. Try again a little later.",
            )
            .retry_after(wait),
            Unavailable::HashingFailed => Self::internal(&err),
            Unavailable::Db(err) => err.into(),
        }
    }
}

impl From<DbError> for Problem {
    fn from(err: DbError) -> Self {
        if err.is_temporary() {
            tracing::warn!(error = &err as &dyn Error, "no answer from the database");
            Self::unavailable("The database does not answer. Try again a little later.")
        } else {
            Self::internal(&err)
        }
    }
}

/// A failure that occurred outside an operation.
impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        let of = match failure {
            Failure::NoSuchPath | Failure::NoSuchObject => &NOT_FOUND,
            Failure::MethodNotAllowed(_) => &METHOD_NOT_ALLOWED,
            Failure::CrossSite => &CROSS_SITE_REQUEST,
            Failure::Malformed | Failure::BodyBrokenOff => &MALFORMED_REQUEST,
            Failure::BodyTooLarge(_) => &BODY_TOO_LARGE,
            Failure::UnsupportedMediaType => &UNSUPPORTED_MEDIA_TYPE,
            Failure::BodyStopped | Failure::BodySlow => &REQUEST_TIMEOUT,
            Failure::NoRoomForBody | Failure::TooManyRequests | Failure::TimedOut => &OVERLOADED,
            Failure::Internal(_) => &INTERNAL_ERROR,
        };
        let problem = Self::new(of, failure.to_string());
        match failure.retry_after() {
            Some(wait) => problem.retry_after(wait),
            None => problem,
        }
    }
}

/// Builds the response to a request that failed before an operation could answer it.
pub(in crate::api) fn refuse(failure: &Failure) -> Response {
    let mut response = Problem::from(failure).into_response();
    if let Failure::MethodNotAllowed(allow) = failure {
        response.headers_mut().insert(header::ALLOW, allow.clone());
    }
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: self.of.uri(),
            title: self.of.title.to_owned(),
            status: self.of.status.as_u16(),
            detail: self.detail.into_owned(),
            errors: (!self.errors.is_empty()).then_some(self.errors),
        };
        let mut response = Response::builder()
            .status(self.of.status)
            .content_type(CONTENT_TYPE)
            .body(body.to_json_string());
        if self.of.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        poem::Error::from_response(problem.into_response())
    }
}

/// A failed request, as RFC 9457 describes it. Distinguish failures by `type`, which never changes.
#[derive(Object)]
#[oai(rename = "Problem")]
pub(in crate::api) struct ProblemBody {
    /// The type of the problem: `/problems/` and its name. `GET` this path for an explanation.
    r#type: String,
    /// A short summary of the type.
    title: String,
    /// The HTTP status of the response.
    status: u16,
    /// What happened this time, in a sentence for a person.
    detail: String,
    /// The wrong fields of the body, if they are the problem.
    #[oai(skip_serializing_if_is_none)]
    errors: Option<Vec<FieldError>>,
}

/// A wrong field of the body.
#[derive(Object, Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct FieldError {
    /// The name of the field.
    pub(in crate::api) field: String,
    /// What is wrong with it.
    pub(in crate::api) message: String,
}
