//! Who calls: the session that a request shows, by cookie or by header.

use poem::{
    FromRequest, Request, RequestBody,
    http::{HeaderMap, StatusCode, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};

use super::{Context, client, cookie::SessionCookie, problem::Problem};
use crate::auth::{CurrentSession, SessionError, Token, TokenKind};

/// Somebody who is signed in: the one way in which an operation learns who calls.
pub(super) struct Caller {
    /// The session, and whose it is.
    pub(super) current: CurrentSession,
    transport: Transport,
    cookie: SessionCookie,
}

/// How a request shows its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Cookie,
    Header,
}

/// What the ways to show a token are called in the documentation: either will do.
const COOKIE_SCHEME: &str = "session_cookie";
const HEADER_SCHEME: &str = "session_token";

impl Caller {
    /// The `Set-Cookie` header that gives the caller's browser a new token; nothing for who sent no cookie.
    pub(super) fn cookie_holding(&self, token: &Token) -> Option<String> {
        self.uses_cookie().then(|| self.cookie.holding(token))
    }

    /// The `Set-Cookie` header that makes the caller's browser forget the token; nothing for who sent no cookie.
    pub(super) fn cookie_cleared(&self) -> Option<String> {
        self.uses_cookie().then(|| self.cookie.cleared())
    }

    fn uses_cookie(&self) -> bool {
        self.transport == Transport::Cookie
    }
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "apiKey",
            description: Some(
                "The cookie that a sign-in sets, unless it asks for a token. Browsers send it by themselves; it is named \
                 `bienvenue-session` where the service runs on localhost.",
            ),
            name: Some(SessionCookie::NAME),
            key_in: Some("cookie"),
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(COOKIE_SCHEME, scheme);
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some(
                "The `token` that a sign-in with `\"delivery\": \"token\"` answers with. With this header the cookie is \
                 ignored.",
            ),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(HEADER_SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![COOKIE_SCHEME, HEADER_SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let context = Context::of(request);
        let (token, transport) = token_in(request.headers(), context.cookie)
            .ok_or_else(|| Problem::from(SessionError::NotSignedIn))?;
        let ip = client::address_of(request);
        let current = context.auth.check_session(&token, ip).await;
        Ok(Self {
            current: current.map_err(Problem::from)?,
            transport,
            cookie: context.cookie,
        })
    }
}

/// Perhaps somebody who is signed in: for an operation that has another way to find out who calls.
pub(super) struct MaybeCaller(pub(super) Option<Caller>);

impl<'a> ApiExtractor<'a> for MaybeCaller {
    const TYPES: &'static [ApiExtractorType] = Caller::TYPES;

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Caller::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        Caller::security_schemes()
    }

    fn has_security_fallback() -> bool {
        true
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        match Caller::from_request(request, body, options).await {
            Ok(caller) => Ok(Self(Some(caller))),
            Err(err) if err.status() == StatusCode::UNAUTHORIZED => Ok(Self(None)),
            Err(err) => Err(err),
        }
    }
}

/// The token in the cookie of a request that opens another session.
pub(super) struct FormerSession(pub(super) Option<Token>);

impl<'a> FromRequest<'a> for FormerSession {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let cookie = Context::of(request).cookie;
        Ok(Self(cookie.token_in(request.headers())))
    }
}

/// The token of a request. A Bearer header, whatever is in it, decides alone.
fn token_in(headers: &HeaderMap, cookie: SessionCookie) -> Option<(Token, Transport)> {
    let mut bearers = bearers(headers);
    let Some(bearer) = bearers.next() else {
        return Some((cookie.token_in(headers)?, Transport::Cookie));
    };
    if bearers.next().is_some() {
        return None;
    }
    let token = str::from_utf8(bearer).ok()?.trim();
    Some((Token::parse(TokenKind::Session, token)?, Transport::Header))
}

/// What the `Authorization` headers of the scheme Bearer hold. Other schemes are for somebody else, as `Basic` is for a proxy in
/// front.
pub(super) fn bearers(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let given = headers.get_all(header::AUTHORIZATION).iter();
    given.filter_map(|value| {
        let value = value.as_bytes();
        let end = value.iter().position(|byte| *byte == b' ');
        let (scheme, held) = value.split_at_checked(end.unwrap_or(value.len()))?;
        scheme.eq_ignore_ascii_case(b"bearer").then_some(held)
    })
}

impl From<SessionError> for Problem {
    fn from(err: SessionError) -> Self {
        match err {
            SessionError::NotSignedIn => Self::not_signed_in(),
            SessionError::Db(err) => err.into(),
        }
    }
}
