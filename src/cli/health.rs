//! `bienvenue health`: checks whether a service on this machine is ready, for health checks of containers.

use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use clap::Args;

use crate::config::ListenSettings;

/// The time limit. A ready service answers sooner.
const LIMIT: Duration = Duration::from_secs(4);

#[derive(Args)]
pub(super) struct Health {
    #[command(flatten)]
    listen: ListenSettings,
}

/// Requests `/health/ready` and fails with the status line unless the status is 200.
pub(super) fn run(health: &Health) -> Result<(), Box<dyn Error>> {
    let address = reachable(health.listen.listen);
    let answer = ask(address).map_err(|err| format!("no answer from {address}: {err}"))?;
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    Err(format!("{address} is not ready: {status}").into())
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream
        .write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Replaces an unspecified address (all interfaces) with the loopback address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
