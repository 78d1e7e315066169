//! The verification of email addresses.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    types::{Example, Password},
};
use zeroize::Zeroizing;

use super::{
    body::Body,
    problem::{Refused, problems},
    security::MaybeCaller,
    tag::Tag,
};
use crate::{
    auth::{
        Auth, RefuseError, RequestVerificationError, Unavailable, UndoEmailChangeError,
        VerifyEmailError,
    },
    http::{Caller, Client},
};

pub(super) struct EmailVerificationApi {
    auth: Auth,
}

/// A one-time token from an email, and the password if it is needed.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Verification {
    /// The token from the link in the newest email.
    token: Password,
    /// The password of the account. Not needed if the request has a session of the account. For a pending registration:
    /// the password that was given at the registration.
    #[oai(skip_serializing_if_is_none)]
    password: Option<Password>,
}

impl Example for Verification {
    fn example() -> Self {
        Self {
            token: Password("bienvenue_verification_…".to_owned()),
            password: None,
        }
    }
}

/// The one-time token of a request that the owner of the address refuses.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Refusal {
    /// The token from the link in the newest email.
    token: Password,
}

impl Example for Refusal {
    fn example() -> Self {
        Self {
            token: Password("bienvenue_verification_…".to_owned()),
        }
    }
}

/// The one-time token that reverts a change of the email address.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Undo {
    /// The token from the link in the email to the former address.
    token: Password,
}

impl Example for Undo {
    fn example() -> Self {
        Self {
            token: Password("bienvenue_undo_…".to_owned()),
        }
    }
}

#[derive(ApiResponse)]
enum TakenBack {
    /// The account has its former address again, and every session has ended.
    #[oai(status = 204)]
    NoContent,
}

#[derive(ApiResponse)]
enum Requested {
    /// A new email will be sent. Links in earlier emails no longer work.
    #[oai(status = 202)]
    Accepted,
    /// The address is already verified.
    #[oai(status = 204)]
    NoContent,
}

#[derive(ApiResponse)]
enum Verified {
    /// The address belongs to the account and is verified.
    #[oai(status = 204)]
    NoContent,
}

#[derive(ApiResponse)]
enum Undone {
    /// What was started with this address without its owner's consent is undone.
    #[oai(status = 204)]
    NoContent,
}

problems! {
    UndoEmailChangeError:
        InvalidToken => INVALID_TOKEN,
        AlreadyExists => EMAIL_TAKEN;
        Unavailable(Unavailable)
}

problems! {
    RequestVerificationError:
        NotSignedIn => NOT_SIGNED_IN;
        Unavailable(Unavailable)
}

problems! {
    VerifyEmailError:
        InvalidToken => INVALID_TOKEN,
        NotSignedIn => NOT_SIGNED_IN,
        WrongPassword => WRONG_PASSWORD,
        AlreadyExists => EMAIL_TAKEN;
        Unavailable(Unavailable)
}

problems! {
    RefuseError:
        InvalidToken => INVALID_TOKEN;
        Unavailable(Unavailable)
}

impl EmailVerificationApi {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl EmailVerificationApi {
    /// Mail the link again
    ///
    /// Sends a new email with a link that verifies the caller's address.
    #[oai(
        path = "/email-verification",
        method = "post",
        operation_id = "request_email_verification",
        tag = "Tag::Email"
    )]
    async fn request_email_verification(
        &self,
        caller: Caller,
        client: Client,
    ) -> Result<Requested, Refused<RequestVerificationError>> {
        let is_posted = self
            .auth
            .request_verification(&caller.current, &client.0)
            .await?;
        Ok(if is_posted {
            Requested::Accepted
        } else {
            Requested::NoContent
        })
    }

    /// Verify an address
    ///
    /// Confirms an email address with the token from an email. Depending on the email, this verifies the address of an
    /// account, replaces the address of an account, or creates a registered account. The request also needs a session
    /// of the account or its password. So access to the mailbox alone is not enough to confirm what another person
    /// started.
    #[oai(
        path = "/email-verification",
        method = "put",
        operation_id = "verify_email",
        tag = "Tag::Email"
    )]
    async fn verify_email(
        &self,
        caller: MaybeCaller,
        client: Client,
        verification: Body<Verification>,
    ) -> Result<Verified, Refused<VerifyEmailError>> {
        let token = Zeroizing::new(verification.0.token.0);
        let password = verification.0.password.map(|text| Zeroizing::new(text.0));
        let current = caller.0.as_ref().map(|caller| &caller.current);
        let password = password.as_ref().map(|text| text.as_str());
        self.auth
            .verify_email(&token, current, password, &client.0)
            .await?;
        Ok(Verified::NoContent)
    }

    /// Take a change of the address back
    ///
    /// Restores the former address of an account, with the token from the email that notified that address of the
    /// change. The token is valid for 7 days. Afterwards the former address is verified, every session has ended, and
    /// pending changes and tokens are invalid. The password stays the same: choose a new one with a password reset.
    #[oai(
        path = "/email-verification/undo",
        method = "post",
        operation_id = "undo_email_change",
        tag = "Tag::Email"
    )]
    async fn undo_email_change(
        &self,
        client: Client,
        undo: Body<Undo>,
    ) -> Result<TakenBack, Refused<UndoEmailChangeError>> {
        let token = Zeroizing::new(undo.0.token.0);
        self.auth.undo_email_change(&token, &client.0).await?;
        Ok(TakenBack::NoContent)
    }

    /// This was not me
    ///
    /// Undoes what another person started with the email address that received the token. It closes an account that was
    /// created with this address, unless it was verified before. Or it deletes a pending registration. Or it cancels a
    /// pending change of an account's address to this one, and leaves that account as it is.
    #[oai(
        path = "/email-verification/refusal",
        method = "post",
        operation_id = "refuse_email_verification",
        tag = "Tag::Email"
    )]
    async fn refuse_email_verification(
        &self,
        client: Client,
        refusal: Body<Refusal>,
    ) -> Result<Undone, Refused<RefuseError>> {
        let token = Zeroizing::new(refusal.0.token.0);
        self.auth.refuse_verification(&token, &client.0).await?;
        Ok(Undone::NoContent)
    }
}
