//! Where the service listens.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use super::values::{duration, listen_address};

/// Where the service is reached on its own network.
#[derive(Args, Clone, Debug)]
pub struct ListenSettings {
    /// The address and port to listen on; port 0 takes any that is free
    #[arg(
        long,
        env = "BIENVENUE_LISTEN",
        default_value = "127.0.0.1:8000",
        value_parser = listen_address
    )]
    pub listen: SocketAddr,
    /// How long a connection without a request is kept: longer than a load balancer in front keeps its own
    #[arg(
        long,
        env = "BIENVENUE_KEEP_ALIVE",
        default_value = "75s",
        value_parser = duration
    )]
    pub keep_alive: Duration,
}
