//! Client addresses and lists of networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The most networks in a list.
pub const MAX_NETWORKS: usize = 32;

/// IPv4 mapped into IPv6 (`::ffff:192.0.2.1`) is IPv4.
pub const fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What an address is counted by: itself for IPv4, its /64 for IPv6.
pub fn counted(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() >> 64 << 64;
            IpAddr::V6(bits.into())
        }
    }
}

/// The networks from which a credential may be used; empty means anywhere. Written with spaces between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressList(Vec<IpNet>);

impl AddressList {
    /// Whether a call from `address` is allowed.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.contains(address)
    }
    /// Whether `address` lies in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        self.0.iter().any(|net| net.contains(&address))
    }
    /// Whether every address allowed by `self` is allowed by `other`.
    pub fn within(&self, other: &Self) -> bool {
        other.0.is_empty()
            || (!self.0.is_empty() && self.0.iter().all(|net| other.0.iter().any(|wide| wide.contains(net))))
    }
    /// The addresses that both allow; `None` if there is none.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        if self.0.is_empty() || other.0.is_empty() {
            return Some(Self(if self.0.is_empty() { other.0.clone() } else { self.0.clone() }));
        }
        // Two networks are disjoint, or one holds the other.
        let mut list: Vec<IpNet> = Vec::new();
        for a in &self.0 {
            list.extend(other.0.iter().filter_map(|b| match (a.contains(b), b.contains(a)) {
                (true, _) => Some(*b),
                (_, true) => Some(*a),
                (false, false) => None,
            }));
        }
        list.sort_unstable();
        list.dedup();
        if list.is_empty() { None } else { Some(Self(list)) }
    }
    /// Whether there is no restriction.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The networks.
    pub fn iter(&self) -> std::slice::Iter<'_, IpNet> {
        self.0.iter()
    }
}

/// Why a text is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Not an address or a network.
    #[error("{0} is not an IP address or network (as 192.0.2.0/24 or 2001:db8::/32)")]
    Network(String),
    /// More than [`MAX_NETWORKS`].
    #[error("at most 32 networks")]
    TooMany,
}

impl FromStr for AddressList {
    type Err = InvalidAddress;
    fn from_str(s: &str) -> Result<Self, InvalidAddress> {
        let mut list = Vec::new();
        for word in s.split(|c: char| c.is_ascii_whitespace() || c == ',').filter(|w| !w.is_empty()) {
            if list.len() == MAX_NETWORKS {
                return Err(InvalidAddress::TooMany);
            }
            list.push(network(word).ok_or_else(|| InvalidAddress::Network(word.chars().take(64).collect()))?);
        }
        list.sort_unstable();
        list.dedup();
        Ok(Self(list))
    }
}

fn network(word: &str) -> Option<IpNet> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Some(IpNet::from(canonical(address)));
    }
    let net: IpNet = word.parse().ok()?;
    let trunc = net.trunc();
    // A mapped network is the IPv4 network that it maps.
    if let (IpAddr::V6(v6), Some(len)) = (trunc.addr(), trunc.prefix_len().checked_sub(96))
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return IpNet::new(IpAddr::V4(v4), len).ok();
    }
    Some(trunc)
}

impl fmt::Display for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, net) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            net.fmt(f)?;
        }
        Ok(())
    }
}

impl Serialize for AddressList {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddressList {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> AddressList {
        text.parse().unwrap()
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let v4 = list("192.0.2.0/24");
        assert!(v4.allows("::ffff:192.0.2.7".parse().unwrap()));
        assert!(list("::ffff:192.0.2.0/120").allows("192.0.2.7".parse().unwrap()));
        assert!(!v4.allows("192.0.3.1".parse().unwrap()));
    }

    #[test]
    fn an_empty_list_allows_everyone() {
        assert!(list("").allows("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn a_list_can_lie_within_another() {
        assert!(list("192.0.2.1").within(&list("192.0.2.0/24 10.0.0.0/8")));
        assert!(!list("").within(&list("192.0.2.0/24")));
        assert!(list("").within(&list("")));
    }

    #[test]
    fn what_two_lists_allow() {
        let wide = list("192.0.2.0/24 2001:db8::/32");
        assert_eq!(wide.intersection(&list("192.0.2.7 10.0.0.1")), Some(list("192.0.2.7")));
        assert_eq!(wide.intersection(&list("")), Some(wide.clone()));
        assert_eq!(list("").intersection(&wide), Some(wide.clone()));
        assert_eq!(wide.intersection(&list("10.0.0.0/8")), None);
    }

    #[test]
    fn ipv6_is_counted_by_its_64() {
        let counted_as = |text: &str| counted(text.parse().unwrap());
        assert_eq!(counted_as("2001:db8::1"), counted_as("2001:db8::ffff:0:0:1"));
        assert_ne!(counted_as("2001:db8::1"), counted_as("2001:db8:0:1::1"));
    }

    #[test]
    fn what_is_no_network_is_named() {
        assert_eq!("10.0.0.0/33".parse::<AddressList>(), Err(InvalidAddress::Network("10.0.0.0/33".into())));
    }
}
