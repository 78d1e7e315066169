//! Addresses that are shown to be their owners'.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    types::{Example, Password},
};
use zeroize::Zeroizing;

use super::{
    Tag,
    body::Body,
    caller::{Caller, MaybeCaller},
    client::Client,
    problem::{
        DATABASE_UNAVAILABLE, EMAIL_TAKEN, INVALID_TOKEN, NOT_SIGNED_IN, Operation, Problem,
        ProblemType, Refused, WRONG_PASSWORD,
    },
};
use crate::auth::{
    Auth, RefuseError, RequestVerificationError, UndoEmailChangeError, VerifyEmailError,
};

pub(super) struct EmailVerificationApi {
    auth: Auth,
}

/// The token that was mailed.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Verification {
    /// The token in the link of the newest letter.
    token: Password,
    /// The password of the account: not necessary for who is signed in to it. For a registration that waits, the one that was
    /// given with it.
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

/// The token of what is refused.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Refusal {
    /// The token in the link of the newest letter.
    token: Password,
}

impl Example for Refusal {
    fn example() -> Self {
        Self {
            token: Password("bienvenue_verification_…".to_owned()),
        }
    }
}

/// The token of a change that is taken back.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Undo {
    /// The token in the link of the email to the former address.
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
    /// The former address is the account's again, and every session has ended.
    #[oai(status = 204)]
    NoContent,
}

#[derive(ApiResponse)]
enum Requested {
    /// A letter is on its way, and the links of earlier ones are dead.
    #[oai(status = 202)]
    Accepted,
    /// The address is verified already.
    #[oai(status = 204)]
    NoContent,
}

#[derive(ApiResponse)]
enum Verified {
    /// The address is the account's, and verified.
    #[oai(status = 204)]
    NoContent,
}

#[derive(ApiResponse)]
enum Undone {
    /// What somebody else began is undone.
    #[oai(status = 204)]
    NoContent,
}

struct Request;
impl Operation for Request {
    const PROBLEMS: &'static [&'static ProblemType] = &[];
    const NEEDS_SESSION: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

struct Verify;
impl Operation for Verify {
    const PROBLEMS: &'static [&'static ProblemType] = &[
        &INVALID_TOKEN,
        &NOT_SIGNED_IN,
        &WRONG_PASSWORD,
        &EMAIL_TAKEN,
        &DATABASE_UNAVAILABLE,
    ];
    const TAKES_BODY: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

struct Refuse;
impl Operation for Refuse {
    const PROBLEMS: &'static [&'static ProblemType] = &[&INVALID_TOKEN, &DATABASE_UNAVAILABLE];
    const TAKES_BODY: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

struct UndoChange;
impl Operation for UndoChange {
    const PROBLEMS: &'static [&'static ProblemType] =
        &[&INVALID_TOKEN, &EMAIL_TAKEN, &DATABASE_UNAVAILABLE];
    const TAKES_BODY: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

impl From<UndoEmailChangeError> for Problem {
    fn from(err: UndoEmailChangeError) -> Self {
        match err {
            UndoEmailChangeError::InvalidToken => Self::invalid_token(),
            UndoEmailChangeError::AlreadyExists(_) => Self::new(&EMAIL_TAKEN, err.to_string()),
            UndoEmailChangeError::Throttle(err) => err.into(),
            UndoEmailChangeError::Db(err) => err.into(),
        }
    }
}

impl From<RequestVerificationError> for Problem {
    fn from(err: RequestVerificationError) -> Self {
        match err {
            RequestVerificationError::NotSignedIn => Self::not_signed_in(),
            RequestVerificationError::Throttle(err) => err.into(),
            RequestVerificationError::Db(err) => err.into(),
        }
    }
}

impl From<VerifyEmailError> for Problem {
    fn from(err: VerifyEmailError) -> Self {
        match err {
            VerifyEmailError::InvalidToken => Self::invalid_token(),
            VerifyEmailError::NotSignedIn => Self::not_signed_in(),
            VerifyEmailError::WrongPassword => Self::wrong_password(),
            VerifyEmailError::AlreadyExists(_) => Self::new(&EMAIL_TAKEN, err.to_string()),
            VerifyEmailError::Hashing(err) => err.into(),
            VerifyEmailError::Throttle(err) => err.into(),
            VerifyEmailError::Db(err) => err.into(),
        }
    }
}

impl From<RefuseError> for Problem {
    fn from(err: RefuseError) -> Self {
        match err {
            RefuseError::InvalidToken => Self::invalid_token(),
            RefuseError::Throttle(err) => err.into(),
            RefuseError::Db(err) => err.into(),
        }
    }
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
    /// Mails a new link by which the caller's address is verified.
    #[oai(
        path = "/email-verification",
        method = "post",
        operation_id = "request_email_verification",
        tag = "Tag::Letters"
    )]
    async fn request_email_verification(
        &self,
        caller: Caller,
        client: Client,
    ) -> Result<Requested, Refused<Request>> {
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
    /// Shows that the letter arrived, and so verifies the address of an account, gives an account the address that it was to
    /// have, or opens the account that somebody registered, whichever the letter was about. Besides its token it takes a session
    /// of the account, or its password: whoever only reads the mail can't confirm what somebody else began.
    #[oai(
        path = "/email-verification",
        method = "put",
        operation_id = "verify_email",
        tag = "Tag::Letters"
    )]
    async fn verify_email(
        &self,
        caller: MaybeCaller,
        client: Client,
        verification: Body<Verification>,
    ) -> Result<Verified, Refused<Verify>> {
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
    /// Gives the account the address back that it had before: for the reader of the email that told the former address of the
    /// change, for 7 days. The former address is verified then, every session ends, and waiting changes and tokens are dead. The
    /// password stays: choose a new one with a reset.
    #[oai(
        path = "/email-verification/undo",
        method = "post",
        operation_id = "undo_email_change",
        tag = "Tag::Letters"
    )]
    async fn undo_email_change(
        &self,
        client: Client,
        undo: Body<Undo>,
    ) -> Result<TakenBack, Refused<UndoChange>> {
        let token = Zeroizing::new(undo.0.token.0);
        self.auth.undo_email_change(&token, &client.0).await?;
        Ok(TakenBack::NoContent)
    }

    /// This was not me
    ///
    /// Ends what somebody else began with the address to which the token was mailed: closes the account that was opened with it,
    /// unless it was verified before; drops the registration that waits; or takes back the change of an account's address
    /// to it, and leaves that account as it is.
    #[oai(
        path = "/email-verification/refusal",
        method = "post",
        operation_id = "refuse_email_verification",
        tag = "Tag::Letters"
    )]
    async fn refuse_email_verification(
        &self,
        client: Client,
        refusal: Body<Refusal>,
    ) -> Result<Undone, Refused<Refuse>> {
        let token = Zeroizing::new(refusal.0.token.0);
        self.auth.refuse_verification(&token, &client.0).await?;
        Ok(Undone::NoContent)
    }
}
