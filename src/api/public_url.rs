//! What follows for every request from the address by which browsers reach the service.

use std::{net::IpAddr, sync::Once};

use poem::{
    Request,
    http::{HeaderValue, header, uri::Authority},
};

use crate::config::Settings;

/// Browsers that have seen it ask over TLS alone, for a year. Source: RFC 6797, 6.1.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The address by which browsers reach the service.
pub(super) struct PublicUrl {
    is_https: bool,
    is_set: bool,
    warning: Once,
}

impl PublicUrl {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            is_https: settings.public_url.scheme() == "https",
            is_set: settings.has_own_public_url(),
            warning: Once::new(),
        }
    }

    /// The `Strict-Transport-Security` header of every answer; none for plain http, where browsers ignore it.
    pub(super) fn strict_transport_security(&self) -> Option<HeaderValue> {
        self.is_https.then_some(STRICT_TRANSPORT_SECURITY)
    }

    /// Warns, once, when the setting was forgotten: a request came by a name of the internet.
    pub(super) fn check(&self, request: &Request) {
        if self.is_set || self.warning.is_completed() {
            return;
        }
        let host = request.headers().get(header::HOST);
        let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        if let Some(authority) = authority.filter(|authority| is_public(authority.host())) {
            self.warning.call_once(|| {
                tracing::warn!(
                    host = authority.host(),
                    "a request came by a public name, but BIENVENUE_PUBLIC_URL is not set: letters link to localhost, and \
                     cookies are not kept to TLS. Set it to the address by which browsers reach the service"
                );
            });
        }
    }
}

/// Whether others than this machine and its own network may know a host by this name.
fn is_public(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => {
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified())
        }
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_unspecified())
        }
        Err(_) => host.contains('.') && !host.ends_with(".localhost"),
    }
}
