//! Which addresses are spoken to, and a resolver that gives no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use keyway_core::address::{AddressList, canonical};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What is spoken to besides public addresses.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) loopback: bool,
    pub(super) networks: AddressList,
}

impl Policy {
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        is_public(address) || (self.loopback && address.is_loopback()) || self.networks.contains(address)
    }
}

/// Every address of a name is in a network that is not spoken to.
#[derive(Debug, thiserror::Error)]
#[error("no public address")]
pub(super) struct NoPublicAddress;

/// Resolves names to addresses that may be spoken to.
pub(super) struct Guarded(pub(super) Arc<Policy>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| policy.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(NoPublicAddress.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public Internet: neither this machine, a private or shared network, a link, a
/// multicast group, nor reserved (IANA's special-purpose registries, RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || (a == 100 && b & 0b1100_0000 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0b1111_1110 == 18)
        || a >= 240;
    !special
}

/// Global unicast (2000::/3) alone, less what stands for IPv4 addresses or for nothing.
const fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global = a & 0xe000 == 0x2000;
    let teredo_and_protocols = a == 0x2001 && b < 0x0200;
    let documentation = (a == 0x2001 && b == 0x0db8) || (a == 0x3fff && b < 0x1000);
    let six_to_four = a == 0x2002;
    global && !teredo_and_protocols && !documentation && !six_to_four
}
