//! Loopback addresses, which never leave the machine.

use std::net::IpAddr;

use url::{Host, Url};

/// Whether the host of a URL never leaves the machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // For schemes other than those of the web, the parser returns every host as a domain, even an IP address.
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name.ends_with(".localhost")
                || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
