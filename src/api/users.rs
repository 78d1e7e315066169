//! Accounts.

use chrono::{DateTime, Utc};
use entity::user;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::Json,
    types::{Example, Password},
};
use zeroize::Zeroizing;

use super::{
    Tag,
    body::Body,
    problem::{
        DATABASE_UNAVAILABLE, EMAIL_TAKEN, INVALID_EMAIL, INVALID_PASSWORD, Operation, Problem,
        ProblemType, Refused, WEAK_PASSWORD,
    },
    time,
};
use crate::auth::{Auth, PasswordError, RegisterError};

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
struct User {
    /// Never changes, and is never given to another account.
    id: i64,
    /// The address, in the form in which it is kept.
    email: String,
    /// Whether the owner has shown that mail to this address arrives.
    email_verified: bool,
    /// When the account was opened.
    #[oai(serialize_with = "time")]
    created_at: DateTime<Utc>,
}

impl From<user::Model> for User {
    fn from(user: user::Model) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified: user.email_verified_at.is_some(),
            created_at: user.created_at,
        }
    }
}

#[derive(ApiResponse)]
enum Registered {
    /// The account is open.
    #[oai(status = 201)]
    Created(Json<User>),
}

struct Register;
impl Operation for Register {
    const PROBLEMS: &'static [&'static ProblemType] = &[
        &EMAIL_TAKEN,
        &INVALID_EMAIL,
        &WEAK_PASSWORD,
        &INVALID_PASSWORD,
        &DATABASE_UNAVAILABLE,
    ];
    const TAKES_BODY: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

impl From<RegisterError> for Problem {
    fn from(err: RegisterError) -> Self {
        match err {
            RegisterError::InvalidEmail(err) => Self::new(&INVALID_EMAIL, err.to_string()),
            RegisterError::InvalidPassword(err @ PasswordError::Cost(_)) => Self::internal(&err),
            RegisterError::InvalidPassword(err) => Self::new(&INVALID_PASSWORD, err.to_string()),
            RegisterError::WeakPassword(err) => Self::new(&WEAK_PASSWORD, err.to_string()),
            RegisterError::AlreadyExists(_) => Self::new(&EMAIL_TAKEN, err.to_string()),
            RegisterError::Overloaded(wait) => Self::overloaded(wait),
            RegisterError::Hashing(err) => Self::internal(&err),
            RegisterError::Db(err) => err.into(),
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
    /// Opens an account. An address can have one: in whatever case it is typed, it is the same address.
    #[oai(
        path = "/users",
        method = "post",
        operation_id = "register",
        tag = "Tag::Accounts"
    )]
    async fn register(
        &self,
        registration: Body<Registration>,
    ) -> Result<Registered, Refused<Register>> {
        let Registration { email, password } = registration.0;
        let password = Zeroizing::new(password.0);
        let user = self.auth.register_user(&email, &password).await?;
        Ok(Registered::Created(Json(user.into())))
    }
}
