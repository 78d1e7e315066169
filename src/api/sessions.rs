//! Sessions.

#![expect(clippy::unused_async, reason = "poem-openapi awaits every operation")]

use poem_openapi::{
    ApiResponse, Enum, Object, OpenApi,
    param::Path,
    payload::Json,
    types::{Example, Password},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    account::User,
    body::Body,
    problem::{Refused, problems},
    tag::Tag,
    values::{OrNull, Time},
};
use crate::{
    auth::{
        self, Auth, DbError, EndSessionError, FreshSessionError, SignInError, Token, Unavailable,
    },
    http::{Caller, Client, FormerSession},
};

pub(super) struct SessionsApi {
    auth: Auth,
}

/// The credentials of an account.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Credentials {
    /// The email address of the account, in upper or lower case.
    email: String,
    /// The password of the account.
    password: Password,
    /// How the client receives the session token.
    #[oai(default)]
    delivery: Delivery,
}

impl Example for Credentials {
    /// The account in the example of registration.
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            password: Password("correct horse battery".to_owned()),
            delivery: Delivery::Cookie,
        }
    }
}

/// How the client receives the token of a new session. `cookie`, for browsers: in a cookie that scripts can't read, and
/// nowhere else. `token`, for apps and programs: in the response.
#[derive(Enum, Clone, Copy, Default, PartialEq, Eq)]
#[oai(rename_all = "lowercase")]
enum Delivery {
    #[default]
    Cookie,
    Token,
}

/// A session that has not ended.
#[derive(Object)]
pub(super) struct Session {
    /// The id of the session. It is not secret and grants no access.
    id: Uuid,
    /// When the user signed in.
    created_at: Time,
    /// When the session was last used. For the session of this request: now. For others: to within a minute.
    last_seen_at: Time,
    /// When the session ends if it is not used again.
    expires_at: Time,
    /// The IP address of the sign-in, if it is known.
    ip: OrNull<String>,
    /// The `User-Agent` header of the sign-in: at most 512 characters.
    user_agent: OrNull<String>,
    /// The authentication methods of the sign-in, sorted: `password`. Later versions may add others.
    methods: Vec<String>,
    /// Whether this is the session of the current request.
    current: bool,
    /// The session token, for `Authorization: Bearer`. It is returned only once: after a sign-in that requests it, and
    /// after a password change with such a header.
    #[oai(skip_serializing_if_is_none)]
    token: Option<String>,
}

impl Session {
    /// Converts a session for a caller with the session `current`.
    fn shown(session: auth::Session, current: Uuid) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at.into(),
            last_seen_at: session.last_seen_at.into(),
            expires_at: session.expires_at.into(),
            ip: session.ip.into(),
            current: session.id == current,
            user_agent: session.user_agent.into(),
            methods: session.methods,
            token: None,
        }
    }

    /// Converts the session of the current request.
    pub(super) fn current(session: auth::Session) -> Self {
        let id = session.id;
        Self::shown(session, id)
    }

    /// Adds the token to the session.
    pub(super) fn with_token(self, token: &Token) -> Self {
        Self {
            token: Some(token.as_str().to_owned()),
            ..self
        }
    }
}

#[derive(ApiResponse)]
enum SignedIn {
    /// The session is open.
    #[oai(status = 201)]
    Created(
        Json<Session>,
        /// The cookie with the token, unless the request asked for the token itself.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}

/// The sessions of the caller.
#[derive(Object)]
struct Sessions {
    /// The sessions, newest first.
    sessions: Vec<Session>,
}

#[derive(ApiResponse)]
enum Listed {
    /// The sessions that have not ended.
    #[oai(status = 200)]
    Ok(Json<Sessions>),
}

/// The session and the account of the caller.
#[derive(Object)]
struct CurrentSession {
    /// The session of this request.
    session: Session,
    /// The account of the caller.
    user: User,
}

#[derive(ApiResponse)]
enum Checked {
    /// The caller is signed in.
    #[oai(status = 200)]
    Ok(Json<CurrentSession>),
}

#[derive(ApiResponse)]
enum Ended {
    /// The session has ended. Its token is no longer accepted.
    #[oai(status = 204)]
    NoContent(
        /// Deletes the cookie, if it held the token of the session that ended.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}

problems! {
    SignInError:
        InvalidCredentials => INVALID_CREDENTIALS;
        Unavailable(Unavailable)
}

problems! {
    EndSessionError:
        NoSuchSession => NOT_FOUND "None of your sessions has this id.";
        Db(DbError)
}

problems! {
    FreshSessionError:
        NotSignedIn => NOT_SIGNED_IN,
        SignInAgain => SIGN_IN_AGAIN;
        Db(DbError)
}

impl SessionsApi {
    pub(super) fn new(auth: Auth) -> Self {
        Self { auth }
    }
}

#[OpenApi]
impl SessionsApi {
    /// Sign in
    ///
    /// Opens a new session, with a new token. For a browser, the response sets a cookie; the page needs no code for it.
    /// If the request came with a cookie, the session of that cookie ends. An app asks for the token with `"delivery":
    /// "token"` and sends it with each request as `Authorization: Bearer`.
    #[oai(
        path = "/sessions",
        method = "post",
        operation_id = "sign_in",
        tag = "Tag::Sessions"
    )]
    async fn sign_in(
        &self,
        client: Client,
        former: FormerSession,
        credentials: Body<Credentials>,
    ) -> Result<SignedIn, Refused<SignInError>> {
        let Credentials {
            email,
            password,
            delivery,
        } = credentials.0;
        let password = Zeroizing::new(password.0);
        let signed_in = self.auth.sign_in(&email, &password, &client.0).await?;
        if let (Delivery::Cookie, Some(former)) = (delivery, &former.token) {
            self.auth.end_former_session(former, &client.0).await;
        }
        let (session, token) = (signed_in.current.session, signed_in.token);
        let session = Session::current(session);
        Ok(match delivery {
            Delivery::Cookie => {
                SignedIn::Created(Json(session), Some(former.cookie.holding(&token)))
            }
            Delivery::Token => SignedIn::Created(Json(session.with_token(&token)), None),
        })
    }

    /// Where am I signed in?
    ///
    /// Returns the sessions of the caller that have not ended, newest first.
    #[oai(
        path = "/sessions",
        method = "get",
        operation_id = "list_sessions",
        tag = "Tag::Sessions"
    )]
    async fn list_sessions(&self, caller: Caller) -> Result<Listed, Refused<DbError>> {
        let sessions = self.auth.sessions(&caller.current).await?.into_iter();
        let sessions = sessions.map(|session| Session::shown(session, caller.current.session.id));
        Ok(Listed::Ok(Json(Sessions {
            sessions: sessions.collect(),
        })))
    }

    /// Sign out everywhere
    ///
    /// Ends all sessions of the caller, including this one. The password must have been entered in the last 10 minutes.
    #[oai(
        path = "/sessions",
        method = "delete",
        operation_id = "sign_out_everywhere",
        tag = "Tag::Sessions"
    )]
    async fn sign_out_everywhere(
        &self,
        caller: Caller,
    ) -> Result<Ended, Refused<FreshSessionError>> {
        self.auth.end_all_sessions(&caller.current).await?;
        Ok(Ended::NoContent(caller.cookie_cleared()))
    }

    /// Am I signed in?
    ///
    /// Returns the session and the account of the caller.
    #[oai(
        path = "/sessions/current",
        method = "get",
        operation_id = "get_current_session",
        tag = "Tag::Sessions"
    )]
    async fn get_current_session(&self, caller: Caller) -> Result<Checked, Refused<DbError>> {
        Ok(Checked::Ok(Json(CurrentSession {
            user: caller.current.account().into(),
            session: Session::current(caller.current.session),
        })))
    }

    /// Sign out
    ///
    /// Ends the session of the caller.
    #[oai(
        path = "/sessions/current",
        method = "delete",
        operation_id = "sign_out",
        tag = "Tag::Sessions"
    )]
    async fn sign_out(&self, caller: Caller) -> Result<Ended, Refused<DbError>> {
        self.auth.sign_out(&caller.current).await?;
        Ok(Ended::NoContent(caller.cookie_cleared()))
    }

    /// End a session
    ///
    /// Ends one of the caller's sessions, on any device.
    #[oai(
        path = "/sessions/:id",
        method = "delete",
        operation_id = "end_session",
        tag = "Tag::Sessions"
    )]
    async fn end_session(
        &self,
        caller: Caller,
        /// The `id` of the session, from the list of sessions.
        id: Path<Uuid>,
    ) -> Result<Ended, Refused<EndSessionError>> {
        self.auth.end_session(&caller.current, *id).await?;
        let is_own = *id == caller.current.session.id;
        Ok(Ended::NoContent(
            is_own.then(|| caller.cookie_cleared()).flatten(),
        ))
    }
}
