//! The problem types.

use poem::http::StatusCode;
use serde_json::{Value, json};

/// A type of failure, the same in every operation.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::api) struct ProblemType {
    pub(in crate::api) name: &'static str,
    pub(in crate::api) status: StatusCode,
    pub(in crate::api) title: &'static str,
    pub(in crate::api) explanation: &'static str,
    pub(in crate::api) remedy: &'static str,
    /// The detail, if it is always the same.
    pub(in crate::api) detail: Option<&'static str>,
}

/// Declares the problem types and the list of all of them.
macro_rules! problem_types {
    ($($constant:ident: $name:literal, $status:ident, $title:literal, $explanation:literal, $remedy:literal $(, $detail:literal)?;)*) => {
        $(pub(in crate::api) const $constant: ProblemType = ProblemType {
            name: $name,
            status: StatusCode::$status,
            title: $title,
            explanation: $explanation,
            remedy: $remedy,
            detail: [$($detail)?].as_slice().first().copied(),
        };)*

        /// All problem types.
        pub(in crate::api) const ALL: &[ProblemType] = &[$($constant),*];
    };
}

problem_types! {
    MALFORMED_REQUEST: "malformed-request", BAD_REQUEST,
        "The request can't be understood",
        "The body is not a JSON object, or a field is missing, repeated, unknown or of the wrong type. Or a parameter \
         of the URL is unknown or has the wrong form.",
        "Compare the request with the documentation of the operation. `errors` names each field of the body, \
         or each parameter, that is wrong.";
    INVALID_TOKEN: "invalid-token", BAD_REQUEST,
        "This link is not good any more",
        "The one-time token is unknown, was used before, has expired, or was replaced by a newer one.",
        "Offer to send a new email. Only the link in the newest one works.",
        "This link was used, has expired, or was replaced by a newer one. Ask for another email.";
    NOT_SIGNED_IN: "not-signed-in", UNAUTHORIZED,
        "Nobody is signed in",
        "The request has no session token, or the session of its token has expired or was ended.",
        "Sign in with `POST /sessions`. Then send the cookie that it sets, or its token as `Authorization: Bearer`; \
         where there is such a header the cookie is ignored.",
        "Sign in first: the request shows no session that is good.";
    INVALID_CREDENTIALS: "invalid-credentials", UNAUTHORIZED,
        "Wrong email or password",
        "No account has this email address and this password. The answer does not say which of the two is wrong, so that \
         it can't be used to find out which addresses have an account.",
        "Ask for both again, and offer a password reset.",
        "There is no account with this email address and this password.";
    WRONG_PASSWORD: "wrong-password", FORBIDDEN,
        "Wrong password",
        "This change must be confirmed with the current password of the account, and the password in the request is \
         a different one.",
        "Ask for the current password again. The session stays open.",
        "This is not the password of the account.";
    SIGN_IN_AGAIN: "sign-in-again", FORBIDDEN,
        "The password must be given again",
        "This operation is allowed only within 10 minutes after the password was given, and this session is past that.",
        "Ask for the password, sign in again with `POST /sessions`, and repeat the request with the new session.",
        "Sign in again first: this needs the password to have been given in the last 10 minutes.";
    FORBIDDEN: "forbidden", FORBIDDEN,
        "Not allowed",
        "This operation is for administrators, or nobody may do it to their own account.",
        "Hide the operation from users who are not administrators, or ask another administrator.",
        "Only administrators can do this.";
    REGISTRATION_CLOSED: "registration-closed", FORBIDDEN,
        "Registration is closed",
        "This service does not let people register. Its operator opens accounts.",
        "Hide the registration form, and tell people to ask the operator for an account.",
        "The operator of this service opens accounts.";
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
    LAST_ADMIN: "last-admin", CONFLICT,
        "This is the last administrator",
        "Without this account nobody could administer the service: it can't be disabled, demoted, deleted or closed.",
        "Make somebody else an administrator first.",
        "This is the last administrator. Make somebody else an administrator first.";
    USER_DISABLED: "user-disabled", CONFLICT,
        "The account is disabled",
        "An administrator disabled this account. Nobody can sign in to it or reset its password.",
        "Enable the account first.",
        "This account is disabled. Enable it first.";
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
    INVALID_GROUP: "invalid-group", UNPROCESSABLE_ENTITY,
        "These can't be the groups of a user",
        "The name of a group has 1 to 64 characters of `a-z 0-9 . _ -`, and a user is in 100 groups at most.",
        "Ask for other groups, and show `detail` beside the field that `errors` names.";
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
    /// Returns the `type` of these problems: the path of their explanation.
    pub(in crate::api) fn uri(&self) -> String {
        format!("/problems/{}", self.name)
    }

    /// Returns an example for the document.
    pub(in crate::api) fn example(&self) -> Value {
        json!({
            "type": self.uri(),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail.unwrap_or(self.explanation),
        })
    }
}
