//! Accounts.

#![expect(clippy::unused_async, reason = "poem-openapi awaits every operation")]

use std::convert::Infallible;

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::Json,
    types::{Example, MaybeUndefined, Password},
};
use zeroize::Zeroizing;

use super::{
    account::User,
    body::Body,
    problem::{Problem, Refusal, Refused, problems, types},
    sessions::Session,
    tag::Tag,
    values::{OrNull, absent_or_null},
};
use crate::{
    auth::{
        self, Auth, ChangeEmailError, ChangePasswordError, CloseAccountError, DbError, EmailError,
        GroupError, NameError, PasswordError, RegisterError, Unavailable, UpdateProfileError,
        WeakPassword,
    },
    http::{Caller, Client},
};

pub(super) struct UsersApi {
    auth: Auth,
}

/// The email address and the password of a new account.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Registration {
    /// The email address, which identifies the account. It is stored in lower case, and an international domain in its
    /// ASCII form.
    email: String,
    /// A password that is hard to guess, for example a few unrelated words. It can contain any character except NUL. At
    /// most 1024 bytes.
    password: Password,
}

impl Example for Registration {
    /// An example that works in Swagger UI.
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            password: Password("correct horse battery".to_owned()),
        }
    }
}

#[derive(ApiResponse)]
enum Registered {
    /// The account is created.
    #[oai(status = 201)]
    Created(Json<User>),
    /// Accepted. The service is configured not to reveal which addresses have an account, so it sends an email. The
    /// link in it creates the account with this password. If the address already has an account, the email says so.
    #[oai(status = 202)]
    Accepted,
}

#[derive(ApiResponse)]
enum Shown {
    /// The account of the caller.
    #[oai(status = 200)]
    Ok(Json<User>),
}

/// The changes of the profile. Omitted fields stay as they are.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct ProfileChange {
    /// The display name: 1 to 100 characters, without control characters. Spaces before and after it are removed.
    /// `null` removes the name.
    // `MaybeUndefined` distinguishes null from an omitted field. `OrNull` documents that the value can be null.
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
    /// The account after the change.
    #[oai(status = 200)]
    Ok(Json<User>),
}

/// The current password and the new one.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct PasswordChange {
    /// The current password.
    current_password: Password,
    /// The new password. The rules are those of registration.
    new_password: Password,
}

impl Example for PasswordChange {
    /// An example that works in Swagger UI.
    fn example() -> Self {
        Self {
            current_password: Password("correct horse battery".to_owned()),
            new_password: Password("incorrect donkey charger".to_owned()),
        }
    }
}

#[derive(ApiResponse)]
enum PasswordChanged {
    /// The password is changed, for a caller that sent the token: the session with its new token.
    #[oai(status = 200)]
    Ok(Json<Session>),
    /// The password is changed, for a caller that sent the cookie.
    #[oai(status = 204)]
    NoContent(
        /// The cookie with the new token.
        #[oai(header = "Set-Cookie")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The account is closed, and all its data is deleted.
    #[oai(status = 204)]
    NoContent(
        /// Deletes the cookie, if the request had one.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}

/// The new email address of the account.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct EmailChange {
    /// The new address.
    email: String,
    /// The password of the account.
    password: Password,
}

impl Example for EmailChange {
    /// An example that works in Swagger UI.
    fn example() -> Self {
        Self {
            email: "ada.lovelace@example.com".to_owned(),
            password: Password("correct horse battery".to_owned()),
        }
    }
}

#[derive(ApiResponse)]
enum EmailChangeRequested {
    /// Accepted. Emails will be sent to the new address, with a link to confirm it, and to the old one.
    #[oai(status = 202)]
    Accepted,
}

/// The errors of invalid addresses, names and passwords. Their sentence is shown to the person who typed the value.
macro_rules! invalid_values {
    ($($error:ident => $problem:ident;)*) => {$(
        impl From<$error> for Problem {
            fn from(err: $error) -> Self {
                Self::new(&types::$problem, err.to_string())
            }
        }

        impl Refusal for $error {
            fn problems() -> Vec<&'static types::ProblemType> {
                vec![&types::$problem]
            }
        }
    )*};
}

invalid_values! {
    EmailError => INVALID_EMAIL;
    GroupError => INVALID_GROUP;
    NameError => INVALID_NAME;
    PasswordError => INVALID_PASSWORD;
    WeakPassword => WEAK_PASSWORD;
}

problems! {
    RegisterError:
        Closed => REGISTRATION_CLOSED,
        AlreadyExists => EMAIL_TAKEN;
        InvalidEmail(EmailError) in "email",
        InvalidPassword(PasswordError) in "password",
        WeakPassword(WeakPassword) in "password",
        Unavailable(Unavailable)
}

problems! {
    UpdateProfileError:
        NotSignedIn => NOT_SIGNED_IN;
        InvalidName(NameError) in "name",
        Db(DbError)
}

problems! {
    CloseAccountError:
        NotSignedIn => NOT_SIGNED_IN,
        SignInAgain => SIGN_IN_AGAIN,
        LastAdministrator => LAST_ADMIN;
        Db(DbError)
}

problems! {
    ChangePasswordError:
        NotSignedIn => NOT_SIGNED_IN,
        WrongPassword => WRONG_PASSWORD;
        InvalidPassword(PasswordError) in "new_password",
        WeakPassword(WeakPassword) in "new_password",
        Unavailable(Unavailable)
}

problems! {
    ChangeEmailError:
        WrongPassword => WRONG_PASSWORD;
        InvalidEmail(EmailError) in "email",
        Unavailable(Unavailable)
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
    /// Creates an account. Each email address can have one account; upper and lower case make no difference. An email
    /// with a link to verify the address is sent, in the language of the request.
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
    ) -> Result<Registered, Refused<RegisterError>> {
        let Registration { email, password } = registration.0;
        let password = Zeroizing::new(password.0);
        Ok(
            match self.auth.register(&email, &password, &client.0).await? {
                auth::Registered::Opened(account) => Registered::Created(Json(account.into())),
                auth::Registered::Waits => Registered::Accepted,
            },
        )
    }

    /// Who am I?
    ///
    /// Returns the account of the caller.
    #[oai(
        path = "/users/me",
        method = "get",
        operation_id = "get_account",
        tag = "Tag::Accounts"
    )]
    async fn get_account(&self, caller: Caller) -> Result<Shown, Refused<Infallible>> {
        Ok(Shown::Ok(Json(caller.current.account().into())))
    }

    /// Change my profile
    ///
    /// Changes the given fields and returns the account. An empty object changes nothing.
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
    ) -> Result<ProfileChanged, Refused<UpdateProfileError>> {
        let name = absent_or_null(change.0.name);
        let change = auth::ProfileChange {
            name: name.as_ref().map(Option::as_deref),
        };
        let account = self.auth.update_profile(&caller.current, change).await?;
        Ok(ProfileChanged::Ok(Json(account.into())))
    }

    /// Change my password
    ///
    /// Ends every other session of the caller. This session continues with a new token, and its old token becomes
    /// invalid.
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
    ) -> Result<PasswordChanged, Refused<ChangePasswordError>> {
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
    /// The address changes when the link in the email to the new address is used. Until then nothing changes. The old
    /// address is notified. A newer request replaces an older one; a request for the current address cancels it. If the
    /// new address belongs to another account, the response is the same, and an email notifies the owner of that
    /// account instead.
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
    ) -> Result<EmailChangeRequested, Refused<ChangeEmailError>> {
        let EmailChange { email, password } = change.0;
        let password = Zeroizing::new(password.0);
        self.auth
            .request_email_change(&caller.current, &email, &password, &client.0)
            .await?;
        Ok(EmailChangeRequested::Accepted)
    }

    /// Close my account
    ///
    /// Closes the account for good and deletes all its data. The password must have been entered in the last 10
    /// minutes, at sign-in or at a password change. The last administrator can't close the account.
    #[oai(
        path = "/users/me",
        method = "delete",
        operation_id = "delete_account",
        tag = "Tag::Accounts"
    )]
    async fn delete_account(&self, caller: Caller) -> Result<Deleted, Refused<CloseAccountError>> {
        self.auth.delete_user(&caller.current).await?;
        Ok(Deleted::NoContent(caller.cookie_cleared()))
    }
}
