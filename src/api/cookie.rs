//! The cookie in which a browser keeps the token of its session.

use std::time::Duration;

use poem::http::{HeaderMap, header};

use crate::auth::{Token, TokenKind};

/// How the cookie is written, which depends on how browsers reach the service.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionCookie {
    name: &'static str,
    /// What makes browsers send it over TLS alone.
    secure: &'static str,
    /// How long browsers keep it: after that no session of its time is left.
    max_age: Duration,
}

impl SessionCookie {
    /// The name where there is TLS: browsers take it from this very host alone, and over TLS.
    pub(super) const NAME: &str = "__Host-session";

    /// The name on localhost, where there need not be TLS. All ports share the cookies of a host, and other programs have one
    /// that is named `session`.
    const LOCAL_NAME: &str = "bienvenue-session";

    /// A cookie that lasts as long as sessions do, for local development or for the world.
    pub(super) fn new(is_local: bool, session_lifetime: Duration) -> Self {
        let (name, secure) = if is_local {
            (Self::LOCAL_NAME, "")
        } else {
            (Self::NAME, "; Secure")
        };
        Self {
            name,
            secure,
            max_age: session_lifetime,
        }
    }

    /// The `Set-Cookie` header that gives a token to a browser.
    pub(super) fn holding(&self, token: &Token) -> String {
        self.header(token.as_str(), self.max_age)
    }

    /// The `Set-Cookie` header that makes a browser forget it.
    pub(super) fn cleared(&self) -> String {
        self.header("", Duration::ZERO)
    }

    fn header(&self, value: &str, max_age: Duration) -> String {
        let (name, secure, seconds) = (self.name, self.secure, max_age.as_secs());
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    /// The token that a request has in this cookie. A page of a neighbouring host or path can add cookies of the same
    /// name: those that hold no token are passed over.
    pub(super) fn token_in(&self, headers: &HeaderMap) -> Option<Token> {
        // As bytes: other programs' cookies need not be text.
        let lines = headers.get_all(header::COOKIE).iter();
        lines
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
            .filter_map(|cookie| {
                let value = cookie.trim_ascii().strip_prefix(self.name.as_bytes())?;
                str::from_utf8(value.strip_prefix(b"=")?).ok()
            })
            .find_map(|value| Token::parse(TokenKind::Session, value))
    }
}
