//! The client that a request comes from.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Once,
};

use poem::{
    Addr, FromRequest, Request, RequestBody,
    http::{HeaderMap, HeaderName, header},
};

use super::{context::Context, proxies::TrustedProxies};
use crate::auth::{self, Language};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header with the id of a request. The edge gives every request a valid one.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client that a request comes from, by trusted information only.
pub(crate) struct Client(pub(crate) auth::Client);

impl<'a> FromRequest<'a> for Client {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(client_of(request)))
    }
}

/// The client that a request comes from, by trusted information only.
pub(super) fn client_of(request: &Request) -> auth::Client {
    let headers = request.headers();
    let text = |name| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    auth::Client {
        ip: address_of(request),
        user_agent: text(header::USER_AGENT),
        language: language(headers),
        request_id: text(REQUEST_ID),
    }
}

/// The address that a request comes from, by trusted information only.
fn address_of(request: &Request) -> Option<IpAddr> {
    let Addr::SocketAddr(peer) = request.remote_addr().0 else {
        return None;
    };
    let headers = request.headers();
    let proxies = &Context::of(request).proxies;
    if headers.contains_key(X_FORWARDED_FOR) && !proxies.contains(peer.ip().to_canonical()) {
        warn_of_proxy(peer.ip());
    }
    Some(address(peer.ip(), headers, proxies))
}

/// The network that a request comes from, by trusted information only. Shares are counted by it.
pub(super) fn network(request: &Request, proxies: &TrustedProxies) -> String {
    let peer = request.remote_addr().0.as_socket_addr();
    let client = auth::Client {
        ip: peer.map(|peer| address(peer.ip(), request.headers(), proxies)),
        ..auth::Client::default()
    };
    client.block()
}

/// Warns, once, about a peer that is not trusted but sends `X-Forwarded-For`. Either the header is forged, or the peer
/// is a proxy that is missing in the settings. In the second case all its clients count as one, and share one rate
/// limit.
fn warn_of_proxy(peer: IpAddr) {
    static WARNING: Once = Once::new();
    WARNING.call_once(|| {
        tracing::warn!(
            %peer,
            "ignored X-Forwarded-For from an address that is not trusted. If this is your proxy, add it to \
             BIENVENUE_TRUSTED_PROXIES: until then all its clients count as one"
        );
    });
}

/// The address of the client that sent a request, perhaps through proxies. Each proxy appends the address from which it
/// got the request.
///
/// The entries are read from the last one back, as long as a trusted proxy wrote them. Any client can forge the entries
/// before those.
fn address(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let mut address = peer.to_canonical();
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    for line in lines {
        // Read as bytes: what a client sends need not be text, and a proxy appends its entry to that.
        for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
            if !proxies.contains(address) {
                return address;
            }
            let entry = str::from_utf8(entry).ok();
            let Some(noted) = entry.and_then(|entry| read_address(entry.trim())) else {
                return address;
            };
            address = noted;
        }
    }
    address
}

/// The address of the client that sent a request with these lines in `X-Forwarded-For`. Lines that are not valid header
/// values are left out.
#[cfg(fuzzing)]
pub fn client_address(peer: IpAddr, lines: &[&[u8]], proxies: &TrustedProxies) -> IpAddr {
    let values = lines.iter().filter_map(|line| (*line).try_into().ok());
    let headers = values.map(|value| (X_FORWARDED_FOR, value)).collect();
    address(peer, &headers, proxies)
}

/// Parses an address. Some proxies write it with a port.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// The preferred language of a request, among the languages of emails and pages. Source: RFC 9110, 12.5.4.
pub(crate) fn language(headers: &HeaderMap) -> Language {
    let header = headers.get(header::ACCEPT_LANGUAGE);
    let ranges = header.and_then(|value| value.to_str().ok());
    let mut best = (0.0, Language::default());
    for range in ranges.unwrap_or_default().split(',') {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| {
            let (name, weight) = part.split_once('=')?;
            name.trim_end()
                .eq_ignore_ascii_case("q")
                .then_some(weight.trim())
        });
        let weight = weight.map_or(Ok(1.0), str::parse::<f32>).unwrap_or(0.0);
        let code = tag.split('-').next().unwrap_or_default();
        if let Some(language) = Language::parse(&code.to_ascii_lowercase())
            && weight > best.0
            && weight <= 1.0
        {
            best = (weight, language);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_with_the_highest_weight_is_chosen_and_the_first_of_equals() {
        use Language::{English, French};
        for (header, expected) in [
            ("fr", French),
            ("FR-ca", French),
            ("fr, en", French),
            ("en, fr", English),
            ("en;q=0.8, fr;q=0.9", French),
            ("de, fr;q=0.2", French),
            ("fr ; Q = 0.3 , en ;q=0.2", French),
            ("en;q=0.1, fr;level=1;q=0.2", French),
            // What is not wanted, not known or not a weight is passed over.
            ("fr;q=0", English),
            ("fr;q=1.1", English),
            ("fr;q=NaN", English),
            ("fr;q=", English),
            ("french", English),
            ("*", English),
            ("", English),
            (",;=,", English),
        ] {
            let value = header.parse().expect("a header");
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, value)]);
            assert_eq!(language(&headers), expected, "{header:?}");
        }
        assert_eq!(language(&HeaderMap::new()), English);
    }

    #[test]
    fn an_address_is_read_with_or_without_its_port() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:443", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(read_address(text), expected.parse().ok(), "{text}");
        }
        for text in [
            "",
            "unknown",
            "192.0.2",
            "192.0.2.1:",
            "[192.0.2.1",
            "[]:1",
            "_a",
        ] {
            assert_eq!(read_address(text), None, "{text}");
        }
    }
}
