//! Faces: the JSON API for programs, and the pages for people.

use std::time::Duration;

use poem::{
    Response,
    http::{HeaderValue, StatusCode},
};

/// The properties in which the faces of the service differ.
#[derive(Clone, Copy)]
pub(crate) struct Face {
    /// Makes the answer to a request that failed before or while an operation handled it.
    pub(crate) refuse: fn(&Failure) -> Response,
    /// The `Content-Security-Policy` of answers that do not set their own.
    pub(crate) content_security_policy: &'static str,
    /// Whether pages of allowed origins may read its answers.
    pub(crate) is_shared: bool,
    /// The longest body of a request, in bytes.
    pub(crate) longest_body: usize,
}

/// The reason why a request failed before an operation could answer it, or while it did. Each face adds its own advice.
/// The sentence is the same.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("No operation has this path.")]
    NoSuchPath,
    #[error("There is nothing of this name.")]
    NoSuchObject,
    /// Carries the value of the `Allow` header.
    #[error("Use one of the methods that the Allow header lists.")]
    MethodNotAllowed(HeaderValue),
    #[error(
        "A browser sent this for a page of another site, which is not on the list of allowed origins."
    )]
    CrossSite,
    #[error("The request can't be understood.")]
    Malformed,
    #[error("The body broke off before its end.")]
    BodyBrokenOff,
    #[error("The body of a request is at most {} KiB long.", .0 / 1024)]
    BodyTooLarge(usize),
    #[error("The body must be JSON.")]
    UnsupportedMediaType,
    #[error("The body stopped coming.")]
    BodyStopped,
    #[error("The body came too slowly.")]
    BodySlow,
    #[error("Too much is being received.")]
    NoRoomForBody,
    #[error("Too many requests are being answered.")]
    TooManyRequests,
    #[error("The request took too long. It may have been carried out all the same.")]
    TimedOut,
    /// An internal error. The log contains it under this request id.
    #[error("The request id is {0}.")]
    Internal(String),
}

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NoSuchObject => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Malformed | Self::BodyBrokenOff => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyStopped | Self::BodySlow => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoomForBody | Self::TooManyRequests | Self::TimedOut => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// When a retry makes sense, if it does.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let is_overload = self.status() == StatusCode::SERVICE_UNAVAILABLE;
        is_overload.then_some(Duration::from_secs(1))
    }
}
