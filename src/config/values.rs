//! Values that settings have.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    str::FromStr,
    time::Duration,
};

use lettre::message::Mailbox;
use url::Url;

use crate::{auth::LONGEST_DURATION, loopback::is_loopback};

/// Reads a length of time with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|_| "write a number and its unit, as 90s, 30m, 12h or 7d".to_owned())?;
    if duration < Duration::from_secs(1) {
        return Err("it must be a second at least".to_owned());
    }
    if duration > LONGEST_DURATION {
        return Err("it can be 3650d at most".to_owned());
    }
    Ok(duration)
}

/// A length of time, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrOff(pub Option<Duration>);

impl FromStr for OrOff {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self(None)),
            time => Ok(Self(Some(
                duration(time).map_err(|err| format!("{err}, or off"))?,
            ))),
        }
    }
}

/// An entry of a list, without white space around it.
#[expect(clippy::unnecessary_wraps, reason = "clap asks for a result")]
pub(super) fn trimmed(entry: &str) -> Result<String, std::convert::Infallible> {
    Ok(entry.trim().to_owned())
}

/// Whether an address is an https one, or a plain http one that never leaves the machine.
pub(super) fn is_safe(url: &Url) -> bool {
    (url.scheme() == "https" || url.scheme() == "http" && is_loopback(url)) && url.has_host()
}

/// Reads the address to listen on: an IP address or a name of this machine, and a port.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let form = "write an address and a port, as 127.0.0.1:8000, 0.0.0.0:8000 or localhost:8000";
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(form.to_owned());
    };
    if host.is_empty() {
        return Err(form.to_owned());
    }
    if port.parse::<u16>().is_err() {
        return Err(format!("{port:?} is no port from 0 to 65535: {form}"));
    }
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|err| format!("{host:?} has no address ({err}): {form}"))?;
    addresses.next().ok_or_else(|| form.to_owned())
}

/// Reads a web address. One without a scheme is the usual slip.
pub(super) fn web_address(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|err| match err {
        url::ParseError::RelativeUrlWithoutBase => {
            format!(
                "write it with its scheme, as https://{}",
                text.trim_start_matches('/')
            )
        }
        err => format!("{err}: write an address as https://auth.example.com"),
    })
}

/// Reads the sender of emails.
pub(super) fn sender(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| {
        "write an email address, as no-reply@example.com or \"My App <no-reply@example.com>\""
            .to_owned()
    })
}

/// Reads what is logged: a level, or levels for parts of the program.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    for directive in text.split(',').map(str::trim) {
        let level = directive.rsplit('=').next().unwrap_or_default();
        if !LEVELS.contains(&&*level.to_ascii_lowercase()) {
            return Err(format!(
                "{level:?} is no level: write error, warn, info, debug, trace or off, or levels for parts of the program, as \
                 info,bienvenue=debug"
            ));
        }
    }
    Ok(text.to_owned())
}
