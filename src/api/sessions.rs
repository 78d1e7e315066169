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
    Tag,
    body::Body,
    caller::{Caller, FormerSession},
    client::Client,
    cookie::SessionCookie,
    problem::{
        DATABASE_UNAVAILABLE, INVALID_CREDENTIALS, NOT_FOUND, Operation, Problem, ProblemType,
        Refused, SIGN_IN_AGAIN,
    },
    users::User,
    values::{OrNull, Time},
};
use crate::auth::{self, Auth, EndSessionError, SignInError, Token};

pub(super) struct SessionsApi {
    auth: Auth,
    cookie: SessionCookie,
}

/// Who signs in.
#[derive(Object)]
#[oai(deny_unknown_fields, example)]
struct Credentials {
    /// The address of the account, in whatever case.
    email: String,
    /// The password of the account.
    password: Password,
    /// Where the token goes.
    #[oai(default)]
    delivery: Delivery,
}

impl Example for Credentials {
    /// Those of the account that registration gives as its example.
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            password: Password("correct horse battery".to_owned()),
            delivery: Delivery::Cookie,
        }
    }
}

/// Where the token of a new session goes: `cookie`, for browsers, into a cookie that no script can read, and nowhere else;
/// `token`, for apps and programs, into the answer.
#[derive(Enum, Clone, Copy, Default, PartialEq, Eq)]
#[oai(rename_all = "lowercase")]
enum Delivery {
    #[default]
    Cookie,
    Token,
}

/// A sign-in that has not ended.
#[derive(Object)]
pub(super) struct Session {
    /// Names the session. It is not secret: it opens nothing.
    id: Uuid,
    /// When its owner signed in.
    created_at: Time,
    /// When it was last used. For the session of this request, that is now. For others, give or take a minute.
    last_seen_at: Time,
    /// When it ends if it is not used again.
    expires_at: Time,
    /// The address from which its owner signed in, where it is known.
    ip: OrNull<String>,
    /// What the browser or program said of itself then: at most 512 characters.
    user_agent: OrNull<String>,
    /// The methods by which its owner signed in, sorted: `password`. More may come.
    methods: Vec<String>,
    /// Whether it is the session of this very request.
    current: bool,
    /// What opens the session, as `Authorization: Bearer`. It is shown once: to whoever asked for it at the sign-in, and at
    /// a password change to who came with such a header.
    #[oai(skip_serializing_if_is_none)]
    token: Option<String>,
}

impl Session {
    /// A session as it is shown to who came by the session `current`.
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

    /// The session of this very request.
    pub(super) fn current(session: auth::Session) -> Self {
        let id = session.id;
        Self::shown(session, id)
    }

    /// The same with its token.
    pub(super) fn with_token(self, token: &Token) -> Self {
        Self {
            token: Some(token.as_str().to_owned()),
            ..self
        }
    }
}

#[derive(ApiResponse)]
enum SignedIn {
    /// Signed in.
    #[oai(status = 201)]
    Created(
        Json<Session>,
        /// The cookie with the token, unless the token was asked for.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}

/// The sessions of the caller.
#[derive(Object)]
struct Sessions {
    /// The newest first.
    sessions: Vec<Session>,
}

#[derive(ApiResponse)]
enum Listed {
    /// The sessions that have not ended.
    #[oai(status = 200)]
    Ok(Json<Sessions>),
}

/// By which session, and to which account, the caller is signed in.
#[derive(Object)]
struct CurrentSession {
    /// The session of this request.
    session: Session,
    /// Whose it is.
    user: User,
}

#[derive(ApiResponse)]
enum Checked {
    /// Signed in.
    #[oai(status = 200)]
    Ok(Json<CurrentSession>),
}

#[derive(ApiResponse)]
enum Ended {
    /// Ended. No request is accepted with its token any more.
    #[oai(status = 204)]
    NoContent(
        /// Clears the cookie, where it held the token of what has ended.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}

struct SignIn;
impl Operation for SignIn {
    const PROBLEMS: &'static [&'static ProblemType] =
        &[&INVALID_CREDENTIALS, &DATABASE_UNAVAILABLE];
    const TAKES_BODY: bool = true;
    const IS_THROTTLED: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

/// An operation that shows sessions to who is signed in.
struct Look;
impl Operation for Look {
    const PROBLEMS: &'static [&'static ProblemType] = &[];
    const NEEDS_SESSION: bool = true;
}

/// An operation that ends the session of who is signed in.
struct End;
impl Operation for End {
    const PROBLEMS: &'static [&'static ProblemType] = &[];
    const NEEDS_SESSION: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

struct EndAll;
impl Operation for EndAll {
    const PROBLEMS: &'static [&'static ProblemType] = &[&SIGN_IN_AGAIN];
    const NEEDS_SESSION: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

struct EndOne;
impl Operation for EndOne {
    const PROBLEMS: &'static [&'static ProblemType] = &[&NOT_FOUND];
    const NEEDS_SESSION: bool = true;
    const CHANGES_SOMETHING: bool = true;
}

impl From<SignInError> for Problem {
    fn from(err: SignInError) -> Self {
        match err {
            SignInError::InvalidCredentials => Self::new(
                &INVALID_CREDENTIALS,
                "There is no account with this email address and this password.",
            ),
            SignInError::Hashing(err) => err.into(),
            SignInError::Throttle(err) => err.into(),
            SignInError::Db(err) => err.into(),
        }
    }
}

impl From<EndSessionError> for Problem {
    fn from(err: EndSessionError) -> Self {
        match err {
            EndSessionError::NoSuchSession => {
                Self::new(&NOT_FOUND, "None of your sessions has this id.")
            }
            EndSessionError::Db(err) => err.into(),
        }
    }
}

impl SessionsApi {
    pub(super) fn new(auth: Auth, cookie: SessionCookie) -> Self {
        Self { auth, cookie }
    }
}

#[OpenApi]
impl SessionsApi {
    /// Sign in
    ///
    /// Opens a session for the owner of these credentials: always a new one, with a new token. A browser gets it in a
    /// cookie and need do nothing else; the session whose cookie it sends along ends. An app asks for it with `"delivery": "token"`, and sends it with each request as
    /// `Authorization: Bearer`.
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
    ) -> Result<SignedIn, Refused<SignIn>> {
        let Credentials {
            email,
            password,
            delivery,
        } = credentials.0;
        let password = Zeroizing::new(password.0);
        let signed_in = self
            .auth
            .sign_in(&email, &password, client.0.clone())
            .await?;
        if let (Delivery::Cookie, Some(former)) = (delivery, former.0) {
            self.auth.end_former_session(&former, &client.0).await;
        }
        let (session, token) = (signed_in.current.session, signed_in.token);
        let session = Session::current(session);
        Ok(match delivery {
            Delivery::Cookie => SignedIn::Created(Json(session), Some(self.cookie.holding(&token))),
            Delivery::Token => SignedIn::Created(Json(session.with_token(&token)), None),
        })
    }

    /// Where am I signed in?
    ///
    /// The sessions of the caller that have not ended, the newest first.
    #[oai(
        path = "/sessions",
        method = "get",
        operation_id = "list_sessions",
        tag = "Tag::Sessions"
    )]
    async fn list_sessions(&self, caller: Caller) -> Result<Listed, Refused<Look>> {
        let sessions = self.auth.sessions(&caller.current).await?.into_iter();
        let sessions = sessions.map(|session| Session::shown(session, caller.current.session.id));
        Ok(Listed::Ok(Json(Sessions {
            sessions: sessions.collect(),
        })))
    }

    /// Sign out everywhere
    ///
    /// Ends all sessions of the caller, this one included. It needs the password to have been given in the last 10 minutes.
    #[oai(
        path = "/sessions",
        method = "delete",
        operation_id = "sign_out_everywhere",
        tag = "Tag::Sessions"
    )]
    async fn sign_out_everywhere(&self, caller: Caller) -> Result<Ended, Refused<EndAll>> {
        self.auth.end_all_sessions(&caller.current).await?;
        Ok(Ended::NoContent(caller.cookie_cleared()))
    }

    /// Am I signed in?
    ///
    /// The session and the account of the caller.
    #[oai(
        path = "/sessions/current",
        method = "get",
        operation_id = "get_current_session",
        tag = "Tag::Sessions"
    )]
    async fn get_current_session(&self, caller: Caller) -> Result<Checked, Refused<Look>> {
        Ok(Checked::Ok(Json(CurrentSession {
            session: Session::current(caller.current.session),
            user: caller.current.user.into(),
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
    async fn sign_out(&self, caller: Caller) -> Result<Ended, Refused<End>> {
        self.auth.sign_out(&caller.current).await?;
        Ok(Ended::NoContent(caller.cookie_cleared()))
    }

    /// End a session
    ///
    /// Ends one of the caller's sessions, on whatever device it is.
    #[oai(
        path = "/sessions/:id",
        method = "delete",
        operation_id = "end_session",
        tag = "Tag::Sessions"
    )]
    async fn end_session(
        &self,
        caller: Caller,
        /// The `id` of the session, as the list of sessions has it.
        id: Path<Uuid>,
    ) -> Result<Ended, Refused<EndOne>> {
        self.auth.end_session(&caller.current, *id).await?;
        let is_own = *id == caller.current.session.id;
        Ok(Ended::NoContent(
            is_own.then(|| caller.cookie_cleared()).flatten(),
        ))
    }
}
