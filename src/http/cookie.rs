//! The cookie in which a browser stores the token of its session.

use std::time::Duration;

use poem::http::{HeaderMap, header};

use crate::auth::{Token, TokenKind};

/// The attributes of the cookie. They depend on how browsers reach the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionCookie {
    name: &'static str,
    /// The attribute that makes browsers send the cookie only over TLS.
    secure: &'static str,
    /// How long browsers keep the cookie. No session of that age can still exist.
    max_age: Duration,
}

impl SessionCookie {
    /// The name with TLS. Browsers accept this prefix only from this exact host, and only over TLS.
    pub(crate) const NAME: &str = "__Host-session";

    /// The name on localhost, where TLS is not required. All ports of a host share their cookies, and other programs
    /// use the name `session`.
    const LOCAL_NAME: &str = "bienvenue-session";

    /// A cookie that lasts as long as sessions do, for local development or for production.
    pub(crate) fn new(is_local: bool, session_lifetime: Duration) -> Self {
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
    pub(crate) fn holding(&self, token: &Token) -> String {
        self.header(token.as_str(), self.max_age)
    }

    /// The `Set-Cookie` header that deletes the cookie in a browser.
    pub(crate) fn cleared(&self) -> String {
        self.header("", Duration::ZERO)
    }

    fn header(&self, value: &str, max_age: Duration) -> String {
        let (name, secure, seconds) = (self.name, self.secure, max_age.as_secs());
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    /// The token in this cookie of a request. A page of a neighbouring host or path can add cookies of the same name,
    /// so cookies without a token are skipped.
    pub(crate) fn token_in(&self, headers: &HeaderMap) -> Option<Token> {
        // Read as bytes: the cookies of other programs need not be text.
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
