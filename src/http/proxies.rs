//! The proxies whose `X-Forwarded-For` is trusted.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

/// The proxies whose `X-Forwarded-For` is trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether an address belongs to a trusted proxy. An IPv4 address must not be mapped to IPv6.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Parses addresses and networks, separated by commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text.split(',').map(str::trim);
        let networks = entries.filter(|entry| !entry.is_empty()).map(|entry| {
            let address = entry.parse::<IpAddr>();
            if let Ok(address) = address {
                return Ok(address.to_canonical().into());
            }
            let network: IpNet = entry.parse().map_err(|_| {
                format!("{entry:?} is neither an address nor a network, as 10.0.0.1 and 10.0.0.0/8 are")
            })?;
            // Most likely one of the two is not what was meant.
            if network.addr() == network.network() {
                Ok(network)
            } else {
                let (address, network) = (network.addr(), network.trunc());
                Err(format!("{entry:?} is an address within a network: write {network} for all of it, or {address}"))
            }
        });
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let networks: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&networks.join(","))
    }
}
