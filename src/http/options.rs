//! How browsers and programs reach the service.

use std::time::Duration;

use url::Url;

use super::proxies::TrustedProxies;

/// How browsers and programs reach the service.
#[derive(Clone, Debug)]
pub(crate) struct HttpOptions {
    /// The URL by which browsers reach the service.
    pub(crate) public_url: Url,
    /// Whether the operator has set that URL.
    pub(crate) is_public_url_set: bool,
    /// Whether this is local development: plain http on a name that never leaves the machine.
    pub(crate) is_local: bool,
    /// The other origins whose pages may call the service, spelled as browsers spell them.
    pub(crate) allowed_origins: Vec<String>,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub(crate) trusted_proxies: TrustedProxies,
    /// How long a connection without a request is kept open.
    pub(crate) keep_alive: Duration,
    /// How long a session, and its cookie, lasts at most.
    pub(crate) session_lifetime: Duration,
}
