//! Clients: where a request comes from.

use std::net::IpAddr;

use ipnet::Ipv6Net;

use super::Language;

/// How much is kept of what a client says of itself, in characters.
const LONGEST_USER_AGENT: usize = 512;

/// How much of an IPv6 address tells one device's network from the next, in bits. Source: RFC 6177.
const IPV6_PREFIX: u8 = 64;

/// The larger networks of IPv6 that one customer may have, a household and a company, in bits; and how many times as much may
/// come from such a one as from a single network. Source: RIPE-690, 4.2.
const IPV6_BLOCKS: [(u8, i32); 2] = [(56, 4), (48, 16)];

/// Where a request comes from, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: Option<IpAddr>,
    /// What the browser or program says of itself. The first 512 characters are kept.
    pub user_agent: Option<String>,
    /// In which language its owner is written to.
    pub language: Language,
}

/// A network that attempts are counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) name: String,
    /// How many times the limit of a single network it has.
    pub(super) factor: i32,
}

impl Client {
    /// The client as it is stored: what it says of itself is cut, and without NUL, which PostgreSQL's text has not.
    pub(super) fn storable(mut self) -> Self {
        self.user_agent = self.user_agent.map(|text| {
            let letters = text.chars().filter(|letter| *letter != '\0');
            letters.take(LONGEST_USER_AGENT).collect()
        });
        self
    }

    /// Its address; of IPv6, where one device has very many, what they have in common. Empty where the address is not known.
    #[must_use]
    pub fn network(&self) -> String {
        network_of(self.ip)
    }

    /// Its network, and the larger ones of IPv6 around it: somebody who has a whole block can't escape the count of one
    /// network by using the next.
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

    /// The largest of its networks: what one customer of a provider can have at most. What there is so much of and no more, as
    /// time for hashing, is shared out by it.
    pub(crate) fn block(&self) -> String {
        let [.., (widest, _)] = IPV6_BLOCKS;
        let block = self.ip.and_then(|ip| block_of(ip, widest));
        block.unwrap_or_else(|| self.network())
    }
}

/// The network of an address: see [`Client::network`].
pub(super) fn network_of(ip: Option<IpAddr>) -> String {
    match ip {
        Some(ip) => block_of(ip, IPV6_PREFIX).unwrap_or_else(|| ip.to_string()),
        None => String::new(),
    }
}

/// The network of IPv6 with such a prefix that an address is in.
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
