//! The reset of forgotten passwords.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    types::{Example, Password},
};
use zeroize::Zeroizing;

use super::{
    body::Body,
    problem::{Refused, problems},
    tag::Tag,
};
use crate::{
    auth::{
        Auth, EmailError, PasswordError, RequestResetError, ResetPasswordError, Unavailable,
        WeakPassword,
    },
    http::Client,
};

pub(super) struct PasswordResetApi {
    auth: Auth,
}

/// The account whose password is forgotten.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct ResetRequest {
    /// The email address of the account.
    email: String,
}

impl Example for ResetRequest {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
        }
    }
}

/// A new password, and the token that permits the change.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct PasswordReset {
    /// The token from the link in the newest email.
    token: Password,
    /// The new password. The rules are those of registration.
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
    /// Accepted. If an account has this address, an email will be sent. The response does not say whether it has.
    #[oai(status = 202)]
    Accepted,
}

#[derive(ApiResponse)]
enum Reset {
    /// The password is changed, and every session has ended. Sign in with the new password.
    #[oai(status = 204)]
    NoContent,
}

problems! {
    RequestResetError: ;
        InvalidEmail(EmailError) in "email",
        Unavailable(Unavailable)
}

problems! {
    ResetPasswordError:
        InvalidToken => INVALID_TOKEN;
        InvalidPassword(PasswordError) in "new_password",
        WeakPassword(WeakPassword) in "new_password",
        Unavailable(Unavailable)
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
    /// Sends an email with a link to choose a new password, if an account has this address. If not, the response and
    /// its duration are the same.
    #[oai(
        path = "/password-reset",
        method = "post",
        operation_id = "request_password_reset",
        tag = "Tag::Email"
    )]
    async fn request_password_reset(
        &self,
        client: Client,
        request: Body<ResetRequest>,
    ) -> Result<Requested, Refused<RequestResetError>> {
        self.auth
            .request_password_reset(&request.0.email, &client.0)
            .await?;
        Ok(Requested::Accepted)
    }

    /// Choose a new password
    ///
    /// Sets the password of the account that the token belongs to. The token works once, for half an hour, and only
    /// until a newer one is sent. It stays valid if the new password is refused. Every session ends, and no new session
    /// is opened.
    #[oai(
        path = "/password-reset",
        method = "put",
        operation_id = "reset_password",
        tag = "Tag::Email"
    )]
    async fn reset_password(
        &self,
        client: Client,
        reset: Body<PasswordReset>,
    ) -> Result<Reset, Refused<ResetPasswordError>> {
        let token = Zeroizing::new(reset.0.token.0);
        let new_password = Zeroizing::new(reset.0.new_password.0);
        self.auth
            .reset_password(&token, &new_password, &client.0)
            .await?;
        Ok(Reset::NoContent)
    }
}
