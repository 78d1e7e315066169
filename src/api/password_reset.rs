//! Passwords that are forgotten.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    types::{Example, Password},
};
use zeroize::Zeroizing;

use super::{
    Tag,
    body::Body,
    client::Client,
    problem::{
        DATABASE_UNAVAILABLE, INVALID_EMAIL, INVALID_PASSWORD, INVALID_TOKEN, Operation, Problem,
        ProblemType, Refused, WEAK_PASSWORD,
    },
};
use crate::auth::{Auth, RequestResetError, ResetPasswordError};

pub(super) struct PasswordResetApi {
    auth: Auth,
}

/// Whose password is forgotten.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct ResetRequest {
    /// The address of the account.
    email: String,
}

impl Example for ResetRequest {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
        }
    }
}

/// A new password, and the token that allows it.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct PasswordReset {
    /// The token in the link of the newest letter.
    token: Password,
    /// The password as it is to be, for which the rules of registration hold.
    new_password: Password,
}

impl Example for PasswordReset {
    fn example() -> Self {
        Self {
            token: Password("bienvenue_reset_…".to_owned()),
            new_password: Password("incorrect donkey charger".to_owned()),
        }
    }
}

#[derive(ApiResponse)]
enum Requested {
    /// Understood. If the address has an account, a letter is on its way; whether it has is not said.
    #[oai(status = 202)]
    Accepted,
}

#[derive(ApiResponse)]
enum Reset {
    /// The password is set, and every session has ended. Sign in with it.
    #[oai(status = 204)]
    NoContent,
}

struct Request;
impl Operation for Request {
    const PROBLEMS: &'static [&'static ProblemType] = &[&INVALID_EMAIL, &DATABASE_UNAVAILABLE];
    const TAKES_BODY: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

struct Set;
impl Operation for Set {
    const PROBLEMS: &'static [&'static ProblemType] = &[
        &INVALID_TOKEN,
        &WEAK_PASSWORD,
        &INVALID_PASSWORD,
        &DATABASE_UNAVAILABLE,
    ];
    const TAKES_BODY: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

impl From<RequestResetError> for Problem {
    fn from(err: RequestResetError) -> Self {
        match err {
            RequestResetError::InvalidEmail(err) => err.into(),
            RequestResetError::Throttle(err) => err.into(),
            RequestResetError::Db(err) => err.into(),
        }
    }
}

impl From<ResetPasswordError> for Problem {
    fn from(err: ResetPasswordError) -> Self {
        match err {
            ResetPasswordError::InvalidToken => Self::invalid_token(),
            ResetPasswordError::InvalidPassword(err) => Self::invalid_password("new_password", err),
            ResetPasswordError::WeakPassword(err) => Self::weak_password("new_password", &err),
            ResetPasswordError::Hashing(err) => err.into(),
            ResetPasswordError::Throttle(err) => err.into(),
            ResetPasswordError::Db(err) => err.into(),
        }
    }
}

impl PasswordResetApi {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl PasswordResetApi {
    /// Forgotten password
    ///
    /// Mails a link by which a new password can be chosen, if the address has an account. The answer, and the time that it
    /// takes, is the same if it has none.
    #[oai(
        path = "/password-reset",
        method = "post",
        operation_id = "request_password_reset",
        tag = "Tag::Letters"
    )]
    async fn request_password_reset(
        &self,
        client: Client,
        request: Body<ResetRequest>,
    ) -> Result<Requested, Refused<Request>> {
        self.auth
            .request_password_reset(&request.0.email, &client.0)
            .await?;
        Ok(Requested::Accepted)
    }

    /// Choose a new password
    ///
    /// Sets the password of the account to which the token was mailed. The token works once, for half an hour, and only until a
    /// newer one is mailed; after a password that is refused it works still. Every session ends, and nobody is signed in.
    #[oai(
        path = "/password-reset",
        method = "put",
        operation_id = "reset_password",
        tag = "Tag::Letters"
    )]
    async fn reset_password(
        &self,
        client: Client,
        reset: Body<PasswordReset>,
    ) -> Result<Reset, Refused<Set>> {
        let token = Zeroizing::new(reset.0.token.0);
        let new_password = Zeroizing::new(reset.0.new_password.0);
        self.auth
            .reset_password(&token, &new_password, &client.0)
            .await?;
        Ok(Reset::NoContent)
    }
}
