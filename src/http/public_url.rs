//! What the public URL of the service means for every request.

use std::{net::IpAddr, sync::Once};

use poem::{
    Request,
    http::{HeaderValue, header, uri::Authority},
};

use super::options::HttpOptions;

/// Tells browsers to use only TLS for a year. Source: RFC 6797, 6.1.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The URL by which browsers reach the service.
pub(super) struct PublicUrl {
    is_https: bool,
    is_set: bool,
    warning: Once,
}

impl PublicUrl {
    pub(super) fn new(options: &HttpOptions) -> Self {
        Self {
            is_https: options.public_url.scheme() == "https",
            is_set: options.is_public_url_set,
            warning: Once::new(),
        }
    }

    /// The `Strict-Transport-Security` header of every answer. `None` for plain http, where browsers ignore it.
    pub(super) fn strict_transport_security(&self) -> Option<HeaderValue> {
        self.is_https.then_some(STRICT_TRANSPORT_SECURITY)
    }

    /// Warns, once, if a request has a public host name but the setting is missing.
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
                    "a request came by a public name, but BIENVENUE_PUBLIC_URL is not set: emails link to localhost, and \
                     cookies are not restricted to TLS. Set it to the URL by which browsers reach the service"
                );
            });
        }
    }
}

/// Whether a host name may be known outside this machine and its own network.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_host_is_one_that_others_may_know() {
        for host in [
            "example.com",
            "auth.example.com",
            "localhost.example.com",
            "203.0.113.7",
            "[2001:db8::7]",
        ] {
            assert!(is_public(host), "{host}");
        }
        for host in [
            "",
            "auth",
            "localhost",
            "app.localhost",
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.7",
            "169.254.1.1",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[fd00::1]",
            "[fe80::1]",
        ] {
            assert!(!is_public(host), "{host}");
        }
    }
}
