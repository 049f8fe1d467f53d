//! Where a server listens: `localhost:8080` (both loopback addresses), or an address with a port, or `off`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// `None` is `localhost`: 127.0.0.1 and, where there is IPv6, [::1].
    ip: Option<IpAddr>,
    port: u16,
}

/// Why a text is no address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an address to listen on is written as localhost:8080, 127.0.0.1:8080 or [::1]:8080, with a port above 0"
)]
pub struct InvalidListen;

impl Listen {
    /// On both loopback addresses.
    pub const fn localhost(port: u16) -> Self {
        Self { ip: None, port }
    }
    /// The port.
    pub const fn port(self) -> u16 {
        self.port
    }
    /// Whether nobody but this machine can reach it.
    pub fn is_loopback(self) -> bool {
        self.ip.is_none_or(|ip| ip.is_loopback())
    }
    /// The sockets to open; those after the first may be missing on a machine without IPv6.
    pub fn sockets(self) -> Vec<SocketAddr> {
        match self.ip {
            Some(ip) => vec![SocketAddr::new(ip, self.port)],
            None => vec![
                SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port),
                SocketAddr::new(Ipv6Addr::LOCALHOST.into(), self.port),
            ],
        }
    }
}

impl FromStr for Listen {
    type Err = InvalidListen;
    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        let listen = match text.strip_prefix("localhost:") {
            Some(port) => Self { ip: None, port: port.parse().map_err(|_| InvalidListen)? },
            None => {
                let socket: SocketAddr = text.parse().map_err(|_| InvalidListen)?;
                Self { ip: Some(socket.ip()), port: socket.port() }
            }
        };
        if listen.port == 0 { Err(InvalidListen) } else { Ok(listen) }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, "localhost:{}", self.port),
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An address that may be left out with `off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaybeListen(pub Option<Listen>);

impl<'de> Deserialize<'de> for MaybeListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|listen| Self(Some(listen))).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_both_loopback_addresses() {
        let listen: Listen = "localhost:8080".parse().unwrap();
        assert_eq!(listen, Listen::localhost(8080));
        let sockets: Vec<String> = listen.sockets().iter().map(ToString::to_string).collect();
        assert_eq!(sockets, ["127.0.0.1:8080", "[::1]:8080"]);
        assert!(listen.is_loopback());
    }

    #[test]
    fn an_address_stands_alone() {
        let listen: Listen = "0.0.0.0:80".parse().unwrap();
        assert_eq!((listen.sockets().len(), listen.is_loopback()), (1, false));
        for bad in ["", "8080", ":8080", "localhost", "localhost:0", "127.0.0.1:0", "example.com:80"] {
            assert_eq!(bad.parse::<Listen>(), Err(InvalidListen), "{bad}");
        }
    }
}
