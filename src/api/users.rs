//! Accounts.

#![expect(clippy::unused_async, reason = "poem-openapi awaits every operation")]

use entity::user;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::Json,
    types::{Example, MaybeUndefined, Password},
};
use zeroize::Zeroizing;

use super::{
    Tag,
    body::Body,
    caller::Caller,
    client::Client,
    problem::{
        DATABASE_UNAVAILABLE, EMAIL_TAKEN, INVALID_EMAIL, INVALID_NAME, INVALID_PASSWORD,
        Operation, Problem, ProblemType, REGISTRATION_CLOSED, Refused, SIGN_IN_AGAIN,
        WEAK_PASSWORD, WRONG_PASSWORD,
    },
    sessions::Session,
    values::{OrNull, Time},
};
use crate::auth::{
    self, Auth, ChangeEmailError, ChangePasswordError, EmailError, FreshSessionError,
    RegisterError, SetNameError,
};

pub(super) struct UsersApi {
    auth: Auth,
}

/// Whom to open an account for.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Registration {
    /// The address, which becomes the name of the account. Kept in lower case, an international domain
    /// in its ASCII form.
    email: String,
    /// A password that is hard to guess: a few words that don't belong together are one. Any characters
    /// but NUL, at most 1024 bytes.
    password: Password,
}

impl Example for Registration {
    /// One that works when it is tried out.
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            password: Password("correct horse battery".to_owned()),
        }
    }
}

/// An account.
#[derive(Object)]
pub(super) struct User {
    /// Never changes, and is never given to another account.
    id: i64,
    /// The address, in the form in which it is kept.
    email: String,
    /// Whether the owner has shown that mail to this address arrives.
    email_verified: bool,
    /// What the owner wants to be called.
    name: OrNull<String>,
    /// When the account was opened.
    created_at: Time,
}

impl From<user::Model> for User {
    fn from(user: user::Model) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified: user.email_verified_at.is_some(),
            name: user.name.into(),
            created_at: user.created_at.into(),
        }
    }
}

#[derive(ApiResponse)]
enum Registered {
    /// The account is open.
    #[oai(status = 201)]
    Created(Json<User>),
    /// Where the service keeps to itself who has an account: a letter is on its way. The account opens when its link is used,
    /// with this password; if the address has an account already, the letter says so to its owner.
    #[oai(status = 202)]
    Accepted,
}

#[derive(ApiResponse)]
enum Shown {
    /// The account of the caller.
    #[oai(status = 200)]
    Ok(Json<User>),
}

/// What to change of the profile. A field that is left out stays as it is.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct ProfileChange {
    /// What the owner wants to be called: 1 to 100 characters without control characters. Spaces around them are removed.
    /// `null` removes the name.
    // `MaybeUndefined` tells null from a field that is left out; `OrNull` documents that it can be null.
    name: MaybeUndefined<OrNull<String>>,
}

impl Example for ProfileChange {
    fn example() -> Self {
        Self {
            name: MaybeUndefined::Value(Some("Ada Lovelace".to_owned()).into()),
        }
    }
}

#[derive(ApiResponse)]
enum ProfileChanged {
    /// The account as it is now.
    #[oai(status = 200)]
    Ok(Json<User>),
}

/// Which password to change, and to what.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct PasswordChange {
    /// The password as it is.
    current_password: Password,
    /// The password as it is to be, for which the rules of registration hold.
    new_password: Password,
}

impl Example for PasswordChange {
    /// One that works when it is tried out.
    fn example() -> Self {
        Self {
            current_password: Password("correct horse battery".to_owned()),
            new_password: Password("incorrect donkey charger".to_owned()),
        }
    }
}

#[derive(ApiResponse)]
enum PasswordChanged {
    /// Changed, for a caller that sent the token: the session, with its new token.
    #[oai(status = 200)]
    Ok(Json<Session>),
    /// Changed, for a caller that sent the cookie.
    #[oai(status = 204)]
    NoContent(
        /// The cookie with the new token.
        #[oai(header = "Set-Cookie")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The account is closed, and everything that hung on it is gone.
    #[oai(status = 204)]
    NoContent(
        /// Clears the cookie, where there was one.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}

/// Which address the account is to have.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct EmailChange {
    /// The new address.
    email: String,
    /// The password of the account.
    password: Password,
}

impl Example for EmailChange {
    /// One that works when it is tried out.
    fn example() -> Self {
        Self {
            email: "ada.lovelace@example.com".to_owned(),
            password: Password("correct horse battery".to_owned()),
        }
    }
}

#[derive(ApiResponse)]
enum EmailChangeRequested {
    /// Understood. Letters are on their way to the new address, with the link that confirms it, and to the old one.
    #[oai(status = 202)]
    Accepted,
}

struct Register;
impl Operation for Register {
    const PROBLEMS: &'static [&'static ProblemType] = &[
        &REGISTRATION_CLOSED,
        &EMAIL_TAKEN,
        &INVALID_EMAIL,
        &WEAK_PASSWORD,
        &INVALID_PASSWORD,
        &DATABASE_UNAVAILABLE,
    ];
    const TAKES_BODY: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

/// An operation that shows the account of who is signed in.
struct Show;
impl Operation for Show {
    const PROBLEMS: &'static [&'static ProblemType] = &[];
    const NEEDS_SESSION: bool = true;
}

struct ChangeProfile;
impl Operation for ChangeProfile {
    const PROBLEMS: &'static [&'static ProblemType] = &[&INVALID_NAME];
    const NEEDS_SESSION: bool = true;
    const TAKES_BODY: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

struct ChangePassword;
impl Operation for ChangePassword {
    const PROBLEMS: &'static [&'static ProblemType] =
        &[&WRONG_PASSWORD, &WEAK_PASSWORD, &INVALID_PASSWORD];
    const NEEDS_SESSION: bool = true;
    const TAKES_BODY: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

struct ChangeEmail;
impl Operation for ChangeEmail {
    const PROBLEMS: &'static [&'static ProblemType] = &[&WRONG_PASSWORD, &INVALID_EMAIL];
    const NEEDS_SESSION: bool = true;
    const TAKES_BODY: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

struct Delete;
impl Operation for Delete {
    const PROBLEMS: &'static [&'static ProblemType] = &[&SIGN_IN_AGAIN];
    const NEEDS_SESSION: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

impl From<EmailError> for Problem {
    fn from(err: EmailError) -> Self {
        // Every operation that takes an address calls the field so.
        Self::new(&INVALID_EMAIL, err.to_string()).in_field("email")
    }
}

impl From<RegisterError> for Problem {
    fn from(err: RegisterError) -> Self {
        match err {
            RegisterError::Closed => Self::new(
                &REGISTRATION_CLOSED,
                "Accounts are opened by whoever runs this service.",
            ),
            RegisterError::InvalidEmail(err) => err.into(),
            RegisterError::InvalidPassword(err) => Self::invalid_password("password", err),
            RegisterError::WeakPassword(err) => Self::weak_password("password", &err),
            RegisterError::AlreadyExists(_) => Self::new(&EMAIL_TAKEN, err.to_string()),
            RegisterError::Hashing(err) => err.into(),
            RegisterError::Throttle(err) => err.into(),
            RegisterError::Db(err) => err.into(),
        }
    }
}

impl From<SetNameError> for Problem {
    fn from(err: SetNameError) -> Self {
        match err {
            SetNameError::NotSignedIn => Self::not_signed_in(),
            SetNameError::InvalidName(err) => {
                Self::new(&INVALID_NAME, err.to_string()).in_field("name")
            }
            SetNameError::Db(err) => err.into(),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(err: ChangePasswordError) -> Self {
        match err {
            ChangePasswordError::NotSignedIn => Self::not_signed_in(),
            ChangePasswordError::WrongPassword => Self::wrong_password(),
            ChangePasswordError::InvalidPassword(err) => {
                Self::invalid_password("new_password", err)
            }
            ChangePasswordError::WeakPassword(err) => Self::weak_password("new_password", &err),
            ChangePasswordError::Hashing(err) => err.into(),
            ChangePasswordError::Throttle(err) => err.into(),
            ChangePasswordError::Db(err) => err.into(),
        }
    }
}

impl From<ChangeEmailError> for Problem {
    fn from(err: ChangeEmailError) -> Self {
        match err {
            ChangeEmailError::InvalidEmail(err) => err.into(),
            ChangeEmailError::WrongPassword => Self::wrong_password(),
            ChangeEmailError::Hashing(err) => err.into(),
            ChangeEmailError::Throttle(err) => err.into(),
            ChangeEmailError::Db(err) => err.into(),
        }
    }
}

impl From<FreshSessionError> for Problem {
    fn from(err: FreshSessionError) -> Self {
        match err {
            FreshSessionError::NotSignedIn => Self::not_signed_in(),
            FreshSessionError::SignInAgain => Self::new(
                &SIGN_IN_AGAIN,
                "Sign in again first: this needs the password to have been given in the last 10 minutes.",
            ),
            FreshSessionError::Db(err) => err.into(),
        }
    }
}

impl UsersApi {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl UsersApi {
    /// Register
    ///
    /// Opens an account. An address can have one: in whatever case it is typed, it is the same address. A letter is mailed to
    /// it, in the language of the request, by whose link its owner verifies it.
    #[oai(
        path = "/users",
        method = "post",
        operation_id = "register",
        tag = "Tag::Accounts"
    )]
    async fn register(
        &self,
        client: Client,
        registration: Body<Registration>,
    ) -> Result<Registered, Refused<Register>> {
        let Registration { email, password } = registration.0;
        let password = Zeroizing::new(password.0);
        Ok(
            match self.auth.register(&email, &password, &client.0).await? {
                auth::Registered::Opened(user) => Registered::Created(Json(user.into())),
                auth::Registered::Waits => Registered::Accepted,
            },
        )
    }

    /// Who am I?
    ///
    /// The account of the caller.
    #[oai(
        path = "/users/me",
        method = "get",
        operation_id = "get_account",
        tag = "Tag::Accounts"
    )]
    async fn get_account(&self, caller: Caller) -> Result<Shown, Refused<Show>> {
        Ok(Shown::Ok(Json(caller.current.user.into())))
    }

    /// Change my profile
    ///
    /// Changes the fields that are given, and answers with the account. An empty object changes nothing.
    #[oai(
        path = "/users/me",
        method = "patch",
        operation_id = "update_account",
        tag = "Tag::Accounts"
    )]
    async fn update_account(
        &self,
        caller: Caller,
        change: Body<ProfileChange>,
    ) -> Result<ProfileChanged, Refused<ChangeProfile>> {
        let name = match change.0.name {
            MaybeUndefined::Undefined => {
                return Ok(ProfileChanged::Ok(Json(caller.current.user.into())));
            }
            MaybeUndefined::Null => None,
            MaybeUndefined::Value(name) => name.into_option(),
        };
        let user = self.auth.set_name(&caller.current, name.as_deref()).await?;
        Ok(ProfileChanged::Ok(Json(user.into())))
    }

    /// Change my password
    ///
    /// Every other session of the caller ends. This one goes on with a new token: what opened it before opens nothing.
    #[oai(
        path = "/users/me/password",
        method = "put",
        operation_id = "change_password",
        tag = "Tag::Accounts"
    )]
    async fn change_password(
        &self,
        caller: Caller,
        client: Client,
        change: Body<PasswordChange>,
    ) -> Result<PasswordChanged, Refused<ChangePassword>> {
        let current_password = Zeroizing::new(change.0.current_password.0);
        let new_password = Zeroizing::new(change.0.new_password.0);
        let signed_in = self
            .auth
            .change_password(&caller.current, &current_password, &new_password, &client.0)
            .await?;
        Ok(match caller.cookie_holding(&signed_in.token) {
            Some(cookie) => PasswordChanged::NoContent(cookie),
            None => PasswordChanged::Ok(Json(
                Session::current(signed_in.current.session).with_token(&signed_in.token),
            )),
        })
    }

    /// Change my email address
    ///
    /// Nothing changes until the link is used that is mailed to the new address. The old address is told. A newer request
    /// replaces an older one, and one for the address that the account has takes the older one back. If the new address has
    /// another account, the answer is the same, and its owner is told instead.
    #[oai(
        path = "/users/me/email",
        method = "put",
        operation_id = "change_email",
        tag = "Tag::Accounts"
    )]
    async fn change_email(
        &self,
        caller: Caller,
        client: Client,
        change: Body<EmailChange>,
    ) -> Result<EmailChangeRequested, Refused<ChangeEmail>> {
        let EmailChange { email, password } = change.0;
        let password = Zeroizing::new(password.0);
        self.auth
            .request_email_change(&caller.current, &email, &password, &client.0)
            .await?;
        Ok(EmailChangeRequested::Accepted)
    }

    /// Close my account
    ///
    /// For good, with all that hangs on it. It needs the password to have been given in the last 10 minutes: at the sign-in,
    /// or at a password change.
    #[oai(
        path = "/users/me",
        method = "delete",
        operation_id = "delete_account",
        tag = "Tag::Accounts"
    )]
    async fn delete_account(&self, caller: Caller) -> Result<Deleted, Refused<Delete>> {
        self.auth.delete_user(&caller.current).await?;
        Ok(Deleted::NoContent(caller.cookie_cleared()))
    }
}
