//! What a request that failed is answered with: problems, as RFC 9457 has them.

use std::{borrow::Cow, error::Error, fmt::Write as _, marker::PhantomData, time::Duration};

use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    registry::{
        MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
    },
    types::{ToJSON as _, Type as _},
};

use crate::auth::{DbError, HashingError, PasswordError, ThrottleError, WeakPassword};

/// The media type of every problem.
pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// A kind of failure, the same wherever it happens.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProblemType {
    pub(super) name: &'static str,
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    pub(super) explanation: &'static str,
    pub(super) remedy: &'static str,
}

/// Declares the problem types, and the list of them all.
macro_rules! problem_types {
    ($($constant:ident: $name:literal, $status:ident, $title:literal, $explanation:literal, $remedy:literal;)*) => {
        $(pub(super) const $constant: ProblemType = ProblemType {
            name: $name,
            status: StatusCode::$status,
            title: $title,
            explanation: $explanation,
            remedy: $remedy,
        };)*

        /// Every problem type there is.
        pub(super) const ALL: &[ProblemType] = &[$($constant),*];
    };
}

problem_types! {
    MALFORMED_REQUEST: "malformed-request", BAD_REQUEST,
        "The request can't be understood",
        "The body is not a JSON object, or a field is missing, repeated, unknown or of the wrong type. Or a parameter \
         of the URL is unknown or has the wrong form.",
        "Compare the request with the documentation of the operation. For a body, `errors` names each field \
         that is wrong.";
    INVALID_TOKEN: "invalid-token", BAD_REQUEST,
        "This link is not good any more",
        "The one-time token is unknown, was used before, has expired, or was replaced by a newer one.",
        "Offer to send a new email. Only the link in the newest one works.";
    NOT_SIGNED_IN: "not-signed-in", UNAUTHORIZED,
        "Nobody is signed in",
        "The request has no session token, or the session of its token has expired or was ended.",
        "Sign in with `POST /sessions`. Then send the cookie that it sets, or its token as `Authorization: Bearer`; \
         where there is such a header the cookie is ignored.";
    INVALID_CREDENTIALS: "invalid-credentials", UNAUTHORIZED,
        "Wrong email or password",
        "No account has this email address and this password. The answer does not say which of the two is wrong, so that \
         it can't be used to find out which addresses have an account.",
        "Ask for both again, and offer a password reset.";
    WRONG_PASSWORD: "wrong-password", FORBIDDEN,
        "Wrong password",
        "This change must be confirmed with the current password of the account, and the password in the request is \
         a different one.",
        "Ask for the current password again. The session stays open.";
    SIGN_IN_AGAIN: "sign-in-again", FORBIDDEN,
        "The password must be given again",
        "This operation is allowed only within 10 minutes after the password was given, and this session is past that.",
        "Ask for the password, sign in again with `POST /sessions`, and repeat the request with the new session.";
    REGISTRATION_CLOSED: "registration-closed", FORBIDDEN,
        "Registration is closed",
        "This service does not let people register. Its operator opens accounts.",
        "Hide the registration form, and tell people to ask the operator for an account.";
    CROSS_SITE_REQUEST: "cross-site-request", FORBIDDEN,
        "This page may not call the service",
        "The browser reports that a page of another origin sent the request, and that origin is not on the list of \
         allowed origins.",
        "Send the request from a page of the service's own origin, or ask the operator to add your page's origin to \
         `BIENVENUE_ALLOWED_ORIGINS`.";
    NOT_FOUND: "not-found", NOT_FOUND,
        "There is nothing here",
        "No operation has this path, or the object that the path names does not exist.",
        "Check the path and the ids in it. Paths have no slash at the end.";
    METHOD_NOT_ALLOWED: "method-not-allowed", METHOD_NOT_ALLOWED,
        "This path has no such method",
        "The path exists, but it does not support the method of the request.",
        "Use one of the methods that the `Allow` header lists.";
    REQUEST_TIMEOUT: "request-timeout", REQUEST_TIMEOUT,
        "The request did not arrive in time",
        "The body of the request did not arrive completely in time. Nothing was changed.",
        "Send the request again.";
    EMAIL_TAKEN: "email-taken", CONFLICT,
        "There is an account with this email address",
        "Each email address can have only one account, and this address already has one.",
        "Offer to sign in, or to reset the password.";
    BODY_TOO_LARGE: "body-too-large", PAYLOAD_TOO_LARGE,
        "The body is too large",
        "The body of the request is larger than 64 KiB.",
        "Send a smaller body. No operation needs one as large as that.";
    UNSUPPORTED_MEDIA_TYPE: "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE,
        "The body must be JSON",
        "The `Content-Type` header is missing, or is not `application/json`.",
        "Send JSON, with the header `Content-Type: application/json`.";
    INVALID_EMAIL: "invalid-email", UNPROCESSABLE_ENTITY,
        "This is no email address that an account can have",
        "The address is not of the form name@example.com, or has parts that are not supported: quotes, comments, \
         letters outside ASCII before the @, or an IP address instead of a domain.",
        "Ask for the address again, and show `detail` beside the field that `errors` names: it says what is wrong.";
    INVALID_NAME: "invalid-name", UNPROCESSABLE_ENTITY,
        "This is not a name that an account can have",
        "A name has 1 to 100 characters, not counting spaces around it, and no line breaks or other control characters.",
        "Ask for another name, and show `detail` beside the field that `errors` names. To remove the name, send `null`.";
    WEAK_PASSWORD: "weak-password", UNPROCESSABLE_ENTITY,
        "This password is not good enough",
        "The new password is too short, too easy to guess, or known from a data breach.",
        "Ask for another password, and show `detail` beside the field that `errors` names: it says what is wrong. A few \
         words that don't belong together make a good password.";
    INVALID_PASSWORD: "invalid-password", UNPROCESSABLE_ENTITY,
        "This can't be a password",
        "The new password is longer than 1024 bytes of UTF-8, or has a NUL character.",
        "Ask for another password, and show `detail` beside the field that `errors` names.";
    TOO_MANY_REQUESTS: "too-many-requests", TOO_MANY_REQUESTS,
        "Too many tries",
        "There were too many attempts for this account or from this network, so that further attempts are refused for a \
         while. Open sessions stay open.",
        "Try again after the number of seconds in the `Retry-After` header. A forgotten password can be reset meanwhile.";
    INTERNAL_ERROR: "internal-error", INTERNAL_SERVER_ERROR,
        "Something went wrong on our side",
        "An unexpected error happened in the service. Its log has the cause, under the request id.",
        "Send the request id in `detail` to the operator of the service.";
    OVERLOADED: "overloaded", SERVICE_UNAVAILABLE,
        "Too much to do at the moment",
        "The service has more requests than it can answer in time, so this one was refused or stopped.",
        "Try again after the number of seconds in the `Retry-After` header.";
    DATABASE_UNAVAILABLE: "database-unavailable", SERVICE_UNAVAILABLE,
        "The database does not answer",
        "The service is running but can't use its database at the moment, or is still starting.",
        "Try again after the number of seconds in the `Retry-After` header.";
}

impl ProblemType {
    /// What tells problems of this type from others: the path at which it is explained.
    pub(super) fn uri(&self) -> String {
        format!("/problems/{}", self.name)
    }
}

/// One failure.
#[derive(Debug)]
pub(super) struct Problem {
    of: &'static ProblemType,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(super) fn new(of: &'static ProblemType, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            of,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// A fault of ours, which is logged here and shown to nobody else.
    pub(super) fn internal(err: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = err, "internal error");
        Self::new(&INTERNAL_ERROR, "The fault has been written down.")
    }

    /// No session, or none that is good.
    pub(super) fn not_signed_in() -> Self {
        Self::new(
            &NOT_SIGNED_IN,
            "Sign in first: the request shows no session that is good.",
        )
    }

    /// A token of a letter that is no good.
    pub(super) fn invalid_token() -> Self {
        Self::new(
            &INVALID_TOKEN,
            "This link was used, is too old, or was replaced by a newer one. Ask for another letter.",
        )
    }

    /// What was given as the password to confirm something is not.
    pub(super) fn wrong_password() -> Self {
        Self::new(&WRONG_PASSWORD, "This is not the password of the account.")
    }

    /// A new password that no account can have, and the field of the body that held it.
    pub(super) fn invalid_password(field: &str, err: PasswordError) -> Self {
        match err {
            PasswordError::Cost(_) => Self::internal(&err),
            PasswordError::TooLong | PasswordError::Nul => {
                Self::new(&INVALID_PASSWORD, err.to_string()).in_field(field)
            }
        }
    }

    /// A new password that is too weak, and the field of the body that held it.
    pub(super) fn weak_password(field: &str, err: &WeakPassword) -> Self {
        Self::new(&WEAK_PASSWORD, err.to_string()).in_field(field)
    }

    /// No database, or none that can be used.
    pub(super) fn unavailable(detail: &'static str) -> Self {
        Self::new(&DATABASE_UNAVAILABLE, detail).retry_after(Duration::from_secs(1))
    }

    /// Says which fields of the body are wrong.
    pub(super) fn with_errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    /// Says that this field of the body is wrong, for the reason that `detail` gives.
    pub(super) fn in_field(self, field: &str) -> Self {
        let error = FieldError {
            field: field.to_owned(),
            message: self.detail.clone().into_owned(),
        };
        self.with_errors(vec![error])
    }

    /// Says when another try is worth it: in whole seconds, at least one.
    pub(super) fn retry_after(self, wait: Duration) -> Self {
        let wait = Some(wait.max(Duration::from_secs(1)));
        Self {
            retry_after: wait,
            ..self
        }
    }
}

impl From<HashingError> for Problem {
    fn from(err: HashingError) -> Self {
        match err {
            HashingError::Overloaded(wait) => Self::new(
                &OVERLOADED,
                "Too many requests are waiting. Try again a little later.",
            )
            .retry_after(wait),
            HashingError::Failed => Self::internal(&err),
        }
    }
}

impl From<ThrottleError> for Problem {
    fn from(err: ThrottleError) -> Self {
        match err {
            ThrottleError::TooManyRequests(wait) => Self::new(
                &TOO_MANY_REQUESTS,
                "This was tried too often. Try again later.",
            )
            .retry_after(wait),
            ThrottleError::Db(err) => err.into(),
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

/// A failed request, as RFC 9457 describes it. Tell failures apart by `type`, which never changes.
#[derive(Object)]
#[oai(rename = "Problem")]
pub(super) struct ProblemBody {
    /// What kind of problem it is: `/problems/` and its name. `GET` it to have it explained.
    r#type: String,
    /// The kind in a few words.
    title: String,
    /// The HTTP status of the answer.
    status: u16,
    /// What happened this time, in a sentence for a person.
    detail: String,
    /// The fields of the body that are wrong, when that is the problem.
    #[oai(skip_serializing_if_is_none)]
    errors: Option<Vec<FieldError>>,
}

/// A field of the body that is wrong.
#[derive(Object, Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldError {
    /// The name of the field.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) message: String,
}

/// An operation, as far as its failures go.
pub(super) trait Operation {
    /// What it can be refused with, beside what every operation can.
    const PROBLEMS: &'static [&'static ProblemType];
    /// Whether it is for those who are signed in.
    const NEEDS_SESSION: bool = false;
    /// Whether it takes a body, which can be refused for what it is.
    const TAKES_BODY: bool = false;
    /// Whether it may be tried so and so often only: it checks a password, sends mail, or takes a one-time token.
    const IS_THROTTLED: bool = false;
    /// Whether it changes something, and so is refused to pages of other sites.
    const CHANGES_SOMETHING: bool = false;
}

/// The problems that any operation can end in.
const ALWAYS: &[&ProblemType] = &[&INTERNAL_ERROR, &OVERLOADED];

/// The problems that any operation for those who are signed in can end in.
const WITH_SESSION: &[&ProblemType] = &[&NOT_SIGNED_IN, &DATABASE_UNAVAILABLE];

/// The problems that any operation that may be tried so and so often can end in.
const WITH_THROTTLE: &[&ProblemType] = &[&TOO_MANY_REQUESTS];

/// The problems that any operation that changes something can end in.
const WITH_CHANGE: &[&ProblemType] = &[&CROSS_SITE_REQUEST];

/// The problems that any operation with a body can end in.
const WITH_BODY: &[&ProblemType] = &[
    &MALFORMED_REQUEST,
    &REQUEST_TIMEOUT,
    &BODY_TOO_LARGE,
    &UNSUPPORTED_MEDIA_TYPE,
];

/// The problem that the operation `O` ended in. It is documented as what the operation says of itself.
pub(super) struct Refused<O> {
    problem: Problem,
    operation: PhantomData<fn() -> O>,
}

impl<O, E: Into<Problem>> From<E> for Refused<O> {
    fn from(err: E) -> Self {
        Self {
            problem: err.into(),
            operation: PhantomData,
        }
    }
}

impl<O> From<Refused<O>> for poem::Error {
    fn from(refused: Refused<O>) -> Self {
        refused.problem.into()
    }
}

impl<O: Operation> ApiResponse for Refused<O> {
    fn meta() -> MetaResponses {
        let mut problems = [O::PROBLEMS, ALWAYS].concat();
        for (applies, also) in [
            (O::NEEDS_SESSION, WITH_SESSION),
            (O::TAKES_BODY, WITH_BODY),
            (O::IS_THROTTLED, WITH_THROTTLE),
            (O::CHANGES_SOMETHING, WITH_CHANGE),
        ] {
            problems.extend(also.iter().filter(|_| applies));
        }
        problems.sort_by_key(|problem| problem.status.as_u16());
        let responses = problems
            .chunk_by(|one, next| one.status == next.status)
            .filter_map(document)
            .collect();
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

/// Documents the problems of one status.
fn document(problems: &[&ProblemType]) -> Option<MetaResponse> {
    let status = problems.first()?.status;
    let mut description = String::new();
    for problem in problems {
        let separator = if description.is_empty() { "" } else { " · " };
        // Writing to a String can't fail.
        let _ = write!(
            description,
            "{separator}`{}`: {}",
            problem.name, problem.title
        );
    }
    let header = |name: &str, description: &str, ty| MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: false,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new(ty))),
    };
    Some(MetaResponse {
        // The document is made a few times when the service starts, and the registry takes nothing else.
        description: description.leak(),
        status: Some(status.as_u16()),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: CONTENT_TYPE,
            schema: ProblemBody::schema_ref(),
        }],
        headers: match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => vec![header(
                "Retry-After",
                "Try again after so many seconds.",
                "integer",
            )],
            StatusCode::UNAUTHORIZED => {
                vec![header("WWW-Authenticate", "Always `Bearer`.", "string")]
            }
            _ => Vec::new(),
        },
    })
}
