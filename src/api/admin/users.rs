//! Accounts, as administrators manage them.

use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::Path,
    payload::Json,
    types::{Example, MaybeUndefined, Password},
};
use zeroize::Zeroizing;

use super::{
    parameters::{Address, AddressPrefix, GroupName, RoleName, State, UserCursor},
    user::{AdminUser, Role},
};
use crate::{
    api::{
        body::Body,
        parameters::{Limit, Param},
        problem::{Refused, problems},
        security::{Admin, FreshAdmin},
        tag::Tag,
        values::{OrNull, absent_or_null},
    },
    auth::{
        self, AdministratorError, Auth, ChangeUserError, CreateUserError, DbError, DeleteUserError,
        EmailError, EndSessionsError, FindUserError, GroupError, NameError, PasswordError,
        ResetUserError, Unavailable, UserSearch, WeakPassword,
    },
};

pub(in crate::api) struct AdminUsersApi {
    auth: Auth,
}

/// A page of accounts.
#[derive(Object)]
struct Users {
    /// The accounts, by id.
    users: Vec<AdminUser>,
    /// The cursor of the next page: send it as `after`. Null for the last page.
    next: OrNull<String>,
}

#[derive(ApiResponse)]
enum Listed {
    /// A page of the accounts that match.
    #[oai(status = 200)]
    Ok(Json<Users>),
}

#[derive(ApiResponse)]
enum Shown {
    /// The account.
    #[oai(status = 200)]
    Ok(Json<AdminUser>),
}

/// An account to create.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct NewUser {
    /// The email address.
    email: String,
    /// The password. Without one, the user gets an email with a link to choose one, and until then no password is right.
    #[oai(skip_serializing_if_is_none)]
    password: Option<Password>,
    /// The display name: 1 to 100 characters, or `null`.
    name: MaybeUndefined<OrNull<String>>,
    /// What the user may do.
    #[oai(default)]
    role: Role,
    /// The groups of the user: at most 100, each 1 to 64 characters of `a-z 0-9 . _ -`.
    #[oai(default)]
    groups: Vec<String>,
    /// Whether the address counts as verified.
    #[oai(default)]
    email_verified: bool,
}

impl Example for NewUser {
    fn example() -> Self {
        Self {
            email: "grace@example.com".to_owned(),
            password: None,
            name: MaybeUndefined::Value(Some("Grace Hopper".to_owned()).into()),
            role: Role::User,
            groups: vec!["engineering".to_owned()],
            email_verified: false,
        }
    }
}

#[derive(ApiResponse)]
enum Created {
    /// The account is created.
    #[oai(status = 201)]
    Created(Json<AdminUser>),
}

/// The changes of an account. Omitted fields stay as they are.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct UserChange {
    /// The display name: 1 to 100 characters. `null` removes it.
    name: MaybeUndefined<OrNull<String>>,
    /// What the user may do.
    #[oai(skip_serializing_if_is_none)]
    role: Option<Role>,
    /// All groups that the user is in from now on.
    #[oai(skip_serializing_if_is_none)]
    groups: Option<Vec<String>>,
    /// Whether the account is disabled. Disabling it ends its sessions and notifies the user.
    #[oai(skip_serializing_if_is_none)]
    disabled: Option<bool>,
    /// Whether the address counts as verified.
    #[oai(skip_serializing_if_is_none)]
    email_verified: Option<bool>,
}

impl Example for UserChange {
    fn example() -> Self {
        Self {
            name: MaybeUndefined::Undefined,
            role: None,
            groups: Some(vec!["engineering".to_owned(), "on-call".to_owned()]),
            disabled: None,
            email_verified: None,
        }
    }
}

#[derive(ApiResponse)]
enum Changed {
    /// The account after the change.
    #[oai(status = 200)]
    Ok(Json<AdminUser>),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The account is deleted, with all its data.
    #[oai(status = 204)]
    NoContent,
}

#[derive(ApiResponse)]
enum SignedOut {
    /// All sessions of the account have ended.
    #[oai(status = 204)]
    NoContent,
}

#[derive(ApiResponse)]
enum ResetRequested {
    /// Accepted. The user gets an email with a link to choose a new password.
    #[oai(status = 202)]
    Accepted,
}

problems! {
    AdministratorError:
        NotSignedIn => NOT_SIGNED_IN,
        Forbidden => FORBIDDEN,
        SignInAgain => SIGN_IN_AGAIN;
        Db(DbError)
}

problems! {
    FindUserError:
        NoSuchUser => NOT_FOUND "There is no such user.";
        Db(DbError)
}

problems! {
    CreateUserError:
        AlreadyExists => EMAIL_TAKEN;
        Administrator(AdministratorError),
        InvalidEmail(EmailError) in "email",
        InvalidPassword(PasswordError) in "password",
        WeakPassword(WeakPassword) in "password",
        InvalidName(NameError) in "name",
        InvalidGroup(GroupError) in "groups",
        Unavailable(Unavailable)
}

problems! {
    ChangeUserError:
        NoSuchUser => NOT_FOUND "There is no such user.",
        OwnRights => FORBIDDEN "Nobody can give themselves a role or a group: ask another administrator.",
        LastAdministrator => LAST_ADMIN;
        Administrator(AdministratorError),
        InvalidName(NameError) in "name",
        InvalidGroup(GroupError) in "groups",
        Db(DbError)
}

problems! {
    EndSessionsError:
        NoSuchUser => NOT_FOUND "There is no such user.";
        Administrator(AdministratorError),
        Db(DbError)
}

problems! {
    ResetUserError:
        NoSuchUser => NOT_FOUND "There is no such user.",
        Disabled => USER_DISABLED;
        Administrator(AdministratorError),
        Db(DbError)
}

problems! {
    DeleteUserError:
        NoSuchUser => NOT_FOUND "There is no such user.",
        LastAdministrator => LAST_ADMIN;
        Administrator(AdministratorError),
        Db(DbError)
}

impl AdminUsersApi {
    pub(in crate::api) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl AdminUsersApi {
    /// Find accounts
    ///
    /// Returns the accounts that match all given parameters, page by page, in the order of their ids. A new account comes
    /// last, so no account is missed or repeated.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a parameter of the query"
    )]
    #[oai(
        path = "/admin/users",
        method = "get",
        operation_id = "list_users",
        tag = "Tag::Administration"
    )]
    async fn list_users(
        &self,
        _by: Admin,
        /// Only the account with this email address.
        email: Param<Address>,
        /// Only accounts whose email address begins like this.
        email_prefix: Param<AddressPrefix>,
        /// Only accounts in this state. A disabled account is verified or unverified as well.
        state: Param<State>,
        /// Only accounts with this role.
        role: Param<RoleName>,
        /// Only accounts in this group.
        group: Param<GroupName>,
        /// The length of the page.
        limit: Param<Limit>,
        /// The `next` of the page before.
        after: Param<UserCursor>,
    ) -> Result<Listed, Refused<DbError>> {
        let search = UserSearch {
            email: email.0.map(|email| email.0),
            email_prefix: email_prefix.0.map(|prefix| prefix.0),
            state: state.0.map(|state| state.0),
            role: role.0.map(|role| role.0),
            group: group.0.map(|group| group.0),
        };
        let after = after.0.map(|cursor| cursor.0);
        let limit = Limit::or_default(limit);
        let found = self.auth.search_users(&search, after, limit).await?;
        Ok(Listed::Ok(Json(Users {
            users: found.users.into_iter().map(Into::into).collect(),
            next: found.next.map(|id| id.to_string()).into(),
        })))
    }

    /// Create an account
    ///
    /// Works in every mode of registration. Without a password, the user is invited by email to choose one.
    #[oai(
        path = "/admin/users",
        method = "post",
        operation_id = "create_user",
        tag = "Tag::Administration"
    )]
    async fn create_user(
        &self,
        by: FreshAdmin,
        user: Body<NewUser>,
    ) -> Result<Created, Refused<CreateUserError>> {
        let user = user.0;
        let password = user.password.map(|password| Zeroizing::new(password.0));
        let name = absent_or_null(user.name).flatten();
        let new = auth::NewUser {
            email: &user.email,
            password: password.as_ref().map(|password| &***password),
            name: name.as_deref(),
            role: user.role.into(),
            groups: &user.groups,
            is_email_verified: user.email_verified,
        };
        let user = self.auth.create_user(&by.0, new).await?;
        Ok(Created::Created(Json(user.into())))
    }

    /// Show an account
    ///
    /// Returns an account.
    #[oai(
        path = "/admin/users/:id",
        method = "get",
        operation_id = "get_user",
        tag = "Tag::Administration"
    )]
    async fn get_user(
        &self,
        _by: Admin,
        /// The `id` of the account.
        id: Path<i64>,
    ) -> Result<Shown, Refused<FindUserError>> {
        let user = self.auth.find_user(*id).await?;
        Ok(Shown::Ok(Json(user.into())))
    }

    /// Change an account
    ///
    /// Changes the given fields and returns the account. An empty object changes nothing. Nobody can give themselves a role
    /// or a group, and the last administrator can't be demoted or disabled.
    #[oai(
        path = "/admin/users/:id",
        method = "patch",
        operation_id = "update_user",
        tag = "Tag::Administration"
    )]
    async fn update_user(
        &self,
        by: FreshAdmin,
        /// The `id` of the account.
        id: Path<i64>,
        change: Body<UserChange>,
    ) -> Result<Changed, Refused<ChangeUserError>> {
        let change = change.0;
        let name = absent_or_null(change.name);
        let change = auth::UserChange {
            name: name.as_ref().map(Option::as_deref),
            role: change.role.map(Into::into),
            groups: change.groups.as_deref(),
            is_disabled: change.disabled,
            is_email_verified: change.email_verified,
            ..auth::UserChange::default()
        };
        let user = self.auth.change_user(&by.0, *id, change).await?;
        Ok(Changed::Ok(Json(user.into())))
    }

    /// Delete an account
    ///
    /// Deletes an account and all its data for good. The last administrator can't be deleted.
    #[oai(
        path = "/admin/users/:id",
        method = "delete",
        operation_id = "delete_user",
        tag = "Tag::Administration"
    )]
    async fn delete_user(
        &self,
        by: FreshAdmin,
        /// The `id` of the account.
        id: Path<i64>,
    ) -> Result<Deleted, Refused<DeleteUserError>> {
        self.auth.delete_user_of(&by.0, *id).await?;
        Ok(Deleted::NoContent)
    }

    /// Sign a user out
    ///
    /// Ends all sessions of an account.
    #[oai(
        path = "/admin/users/:id/sessions",
        method = "delete",
        operation_id = "end_sessions_of_user",
        tag = "Tag::Administration"
    )]
    async fn end_sessions_of_user(
        &self,
        by: FreshAdmin,
        /// The `id` of the account.
        id: Path<i64>,
    ) -> Result<SignedOut, Refused<EndSessionsError>> {
        self.auth.end_sessions_of(&by.0, *id).await?;
        Ok(SignedOut::NoContent)
    }

    /// Let a user choose a new password
    ///
    /// Sends the user an email with a link to choose a new password. The current password stays until then.
    #[oai(
        path = "/admin/users/:id/password-reset",
        method = "post",
        operation_id = "reset_password_of_user",
        tag = "Tag::Administration"
    )]
    async fn reset_password_of_user(
        &self,
        by: FreshAdmin,
        /// The `id` of the account.
        id: Path<i64>,
    ) -> Result<ResetRequested, Refused<ResetUserError>> {
        self.auth.request_reset_of(&by.0, *id).await?;
        Ok(ResetRequested::Accepted)
    }
}
