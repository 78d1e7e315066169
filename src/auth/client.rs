//! Clients: where a request comes from.

use std::net::IpAddr;

use chrono::TimeDelta;
use ipnet::Ipv6Net;

use super::{browser, language::Language};

/// How many characters of the `User-Agent` are kept.
const LONGEST_USER_AGENT: usize = 512;

/// How many characters of a request's id are kept.
const LONGEST_REQUEST_ID: usize = 64;

/// The length of the prefix that identifies the IPv6 network of one device, in bits. Source: RFC 6177.
const IPV6_PREFIX: u8 = 64;

/// The larger IPv6 networks that one customer may have, a household and a company: the length of the prefix in bits,
/// and the factor by which the limit is larger than that of a single network. Source: RIPE-690, 4.2.
const IPV6_BLOCKS: [(u8, i32); 2] = [(56, 4), (48, 16)];

/// How long a network counts as known after a sign-in, or the use of a session, from it.
pub(super) const NETWORK_KNOWN: TimeDelta = TimeDelta::days(30);

/// How many known networks an account has at most: more than one person uses, and few enough to list.
pub(super) const MOST_NETWORKS: u64 = 100;

/// The client that a request comes from, with what is known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` that it sends. The first 512 characters are kept.
    pub user_agent: Option<String>,
    /// The language of emails to its user.
    pub language: Language,
    /// The id of the request, by which the log and the audit log name it. The first 64 characters are kept.
    pub request_id: Option<String>,
}

/// A network by which attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) name: String,
    /// The factor by which its limit is larger than that of a single network.
    pub(super) factor: i32,
}

impl Client {
    /// The `User-Agent` as it is stored: cut to the longest length, and without NUL, which text in PostgreSQL can't
    /// contain.
    pub(super) fn storable_user_agent(&self) -> Option<String> {
        Some(storable(self.user_agent.as_ref()?, LONGEST_USER_AGENT))
    }

    /// The id of the request as it is stored.
    pub(super) fn storable_request_id(&self) -> Option<String> {
        Some(storable(self.request_id.as_ref()?, LONGEST_REQUEST_ID))
    }

    /// The family of its browser, if the user agent names one.
    pub(super) fn browser(&self) -> Option<String> {
        browser::family(self.user_agent.as_deref()?)
    }

    /// The network of the client: the address itself, or for IPv6 its /64, because one device has very many addresses
    /// there. Empty if the address is not known.
    #[must_use]
    pub fn network(&self) -> String {
        network_of(self.ip)
    }

    /// The network of the client and, for IPv6, the larger ones around it. Without these, a client with a whole block
    /// could escape the limit of one network by using the next.
    pub(super) fn networks(&self) -> Vec<Network> {
        let own = Network {
            name: self.network(),
            factor: 1,
        };
        let blocks = IPV6_BLOCKS.iter().filter_map(|(prefix, factor)| {
            let name = block_of(self.ip?, *prefix)?;
            Some(Network {
                name,
                factor: *factor,
            })
        });
        std::iter::once(own).chain(blocks).collect()
    }

    /// The largest network of the client: all that one customer of a provider can have. Shared resources, such as the
    /// time for hashing, are divided by it.
    pub(crate) fn block(&self) -> String {
        let [.., (widest, _)] = IPV6_BLOCKS;
        let block = self.ip.and_then(|ip| block_of(ip, widest));
        block.unwrap_or_else(|| self.network())
    }
}

fn storable(text: &str, longest: usize) -> String {
    let chars = text.chars().filter(|char| *char != '\0');
    chars.take(longest).collect()
}

/// The network of an address: see [`Client::network`].
pub(super) fn network_of(ip: Option<IpAddr>) -> String {
    match ip {
        Some(ip) => block_of(ip, IPV6_PREFIX).unwrap_or_else(|| ip.to_string()),
        None => String::new(),
    }
}

/// The IPv6 network with this prefix length that contains an address. `None` for IPv4.
fn block_of(ip: IpAddr, prefix: u8) -> Option<String> {
    match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => Some(Ipv6Net::new_assert(ip, prefix).trunc().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ip: &str) -> Vec<String> {
        let client = Client {
            ip: ip.parse().ok(),
            ..Client::default()
        };
        let networks = client.networks().into_iter();
        networks.map(|network| network.name).collect()
    }

    #[test]
    fn ipv6_has_the_blocks_of_a_household_and_of_a_company_around_it() {
        assert_eq!(
            names("2001:db8:1:2345:6:7:8:9"),
            [
                "2001:db8:1:2345::/64",
                "2001:db8:1:2300::/56",
                "2001:db8:1::/48"
            ]
        );
    }

    #[test]
    fn a_share_is_that_of_the_largest_network() {
        for (ip, block) in [
            ("2001:db8:1:2345:6:7:8:9", "2001:db8:1::/48"),
            ("192.0.2.1", "192.0.2.1"),
            ("nonsense", ""),
        ] {
            let client = Client {
                ip: ip.parse().ok(),
                ..Client::default()
            };
            assert_eq!(client.block(), block);
        }
    }

    #[test]
    fn ipv4_and_an_unknown_address_are_one_network() {
        assert_eq!(names("192.0.2.1"), ["192.0.2.1"]);
        assert_eq!(names("nonsense"), [""]);
    }
}
