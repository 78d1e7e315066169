//! Where a request comes from.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Once,
};

use poem::{
    Addr, FromRequest, Request, RequestBody,
    http::{HeaderMap, HeaderName, header},
};

use super::Context;
use crate::{
    auth::{self, Language},
    config::TrustedProxies,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request comes from, as far as can be trusted.
pub(super) struct Client(pub(super) auth::Client);

impl<'a> FromRequest<'a> for Client {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let headers = request.headers();
        let user_agent = headers.get(header::USER_AGENT);
        Ok(Self(auth::Client {
            ip: address_of(request),
            user_agent: user_agent
                .map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()),
            language: language(headers),
        }))
    }
}

/// The address that a request comes from, as far as can be trusted.
pub(super) fn address_of(request: &Request) -> Option<IpAddr> {
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

/// The network from which a request comes, as far as can be trusted: what its share is counted by.
pub(super) fn network(request: &Request, proxies: &TrustedProxies) -> String {
    let peer = request.remote_addr().0.as_socket_addr();
    let client = auth::Client {
        ip: peer.map(|peer| address(peer.ip(), request.headers(), proxies)),
        ..auth::Client::default()
    };
    client.block()
}

/// Says, once, that somebody who is not trusted notes from where requests come: either that is made up, or it is a proxy that
/// the settings don't know, and then all of its clients are taken for one, and throttled as one.
fn warn_of_proxy(peer: IpAddr) {
    static WARNING: Once = Once::new();
    WARNING.call_once(|| {
        tracing::warn!(
            %peer,
            "X-Forwarded-For comes from an address that is not trusted, and is ignored. If this is your proxy, name it in \
             BIENVENUE_TRUSTED_PROXIES: all its clients are taken for one"
        );
    });
}

/// The address of whoever sent a request, perhaps through proxies, each of which notes from where it came to it. Notes are
/// believed from the last one back, as long as a trusted proxy wrote them: what was there before, anybody can have
/// written.
fn address(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> IpAddr {
    let mut address = peer.to_canonical();
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    for line in lines {
        // As bytes: what a client sent need not be text, and a proxy writes its note behind that.
        for note in line.as_bytes().rsplit(|byte| *byte == b',') {
            if !proxies.contains(address) {
                return address;
            }
            let note = str::from_utf8(note).ok();
            let Some(noted) = note.and_then(|note| read_address(note.trim())) else {
                return address;
            };
            address = noted;
        }
    }
    address
}

/// The address of whoever sent a request with such lines in `X-Forwarded-For`. Lines that no request can have are left out.
#[cfg(fuzzing)]
pub fn client_address(peer: IpAddr, lines: &[&[u8]], proxies: &TrustedProxies) -> IpAddr {
    let values = lines.iter().filter_map(|line| (*line).try_into().ok());
    let headers = values.map(|value| (X_FORWARDED_FOR, value)).collect();
    address(peer, &headers, proxies)
}

/// Reads an address, which some proxies write with its port.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// The language that a request asks for, of those that letters and pages are written in. Source: RFC 9110, 12.5.4.
pub(super) fn language(headers: &HeaderMap) -> Language {
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
