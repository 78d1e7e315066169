//! The caller of a request: the session that the request shows by cookie or header.

use poem::{
    FromRequest, Request, RequestBody,
    http::{HeaderMap, header},
};

use super::{client, context::Context, cookie::SessionCookie};
use crate::auth::{CurrentSession, SessionError, Token, TokenKind};

/// A signed-in caller. Every operation gets its caller in this way.
pub(crate) struct Caller {
    /// The session, and its owner.
    pub(crate) current: CurrentSession,
    transport: Transport,
    cookie: SessionCookie,
}

/// How a request sends its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Cookie,
    Header,
}

impl Caller {
    /// Finds the caller of a request.
    ///
    /// # Errors
    /// [`SessionError`].
    pub(crate) async fn of(request: &Request) -> Result<Self, SessionError> {
        let context = Context::of(request);
        let (token, transport) =
            token_in(request.headers(), context.cookie).ok_or(SessionError::NotSignedIn)?;
        let client = client::client_of(request);
        Ok(Self {
            current: context.auth.check_session(&token, client).await?,
            transport,
            cookie: context.cookie,
        })
    }

    /// The `Set-Cookie` header that gives the caller's browser a new token. `None` if the token of the request is not
    /// in a cookie.
    pub(crate) fn cookie_holding(&self, token: &Token) -> Option<String> {
        self.uses_cookie().then(|| self.cookie.holding(token))
    }

    /// The `Set-Cookie` header that deletes the token in the caller's browser. `None` if the token of the request is
    /// not in a cookie.
    pub(crate) fn cookie_cleared(&self) -> Option<String> {
        self.uses_cookie().then(|| self.cookie.cleared())
    }

    fn uses_cookie(&self) -> bool {
        self.transport == Transport::Cookie
    }
}

/// For a request that opens another session: its cookie, and the token that the cookie has so far.
pub(crate) struct FormerSession {
    pub(crate) cookie: SessionCookie,
    pub(crate) token: Option<Token>,
}

impl<'a> FromRequest<'a> for FormerSession {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let cookie = Context::of(request).cookie;
        let token = cookie.token_in(request.headers());
        Ok(Self { cookie, token })
    }
}

/// The token of a request. If there is a Bearer header, only that header counts, whatever its content.
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

/// The values of the `Authorization` headers with the scheme Bearer. Other schemes are for other programs: `Basic` may
/// be for a proxy in front of the service.
pub(super) fn bearers(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let given = headers.get_all(header::AUTHORIZATION).iter();
    given.filter_map(|value| {
        let value = value.as_bytes();
        let end = value.iter().position(|byte| *byte == b' ');
        let (scheme, held) = value.split_at_checked(end.unwrap_or(value.len()))?;
        scheme.eq_ignore_ascii_case(b"bearer").then_some(held)
    })
}
