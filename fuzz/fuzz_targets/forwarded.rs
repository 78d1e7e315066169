//! For any `X-Forwarded-For`: a client that is not trusted cannot choose the address that counts.
//!
//! An input is a text: the peer's address, a line with trusted proxies, and each line of the header.

#![no_main]

use std::{net::IpAddr, str};

use bienvenue::fuzzing::{TrustedProxies, client_address};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut setting = || str::from_utf8(lines.next()?).ok();
    let Some(Ok(peer)) = setting().map(str::parse::<IpAddr>) else {
        return;
    };
    let Some(Ok(proxies)) = setting().map(str::parse::<TrustedProxies>) else {
        return;
    };
    let lines: Vec<_> = lines.collect();
    let found = client_address(peer, &lines, &proxies);
    assert_eq!(found, found.to_canonical());
    if !proxies.contains(peer.to_canonical()) {
        assert_eq!(found, peer.to_canonical());
    }
    if !proxies.contains(found) {
        // An attacker puts forged entries before all others.
        let forged: [&[u8]; 3] = [b"203.0.113.99", b"10.0.0.1, 2001:db8::1", b"\xff"];
        let lines = [&forged[..], &lines].concat();
        assert_eq!(client_address(peer, &lines, &proxies), found);
    }
});
