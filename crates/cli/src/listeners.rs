//! Opening sockets, and what is said when one is taken.

use std::io::ErrorKind;
use std::net::TcpListener;

use anyhow::{Context, bail};

use crate::config::listen::Listen;

/// Opens the sockets of `listen`. Of `localhost`, the IPv6 one may be missing on a machine without IPv6.
///
/// # Errors
/// One line that names the address and the setting.
pub fn open(setting: &str, listen: Listen) -> anyhow::Result<Vec<TcpListener>> {
    let mut open = Vec::new();
    for socket in listen.sockets() {
        match TcpListener::bind(socket) {
            Ok(listener) => open.push(listener),
            Err(error) if !open.is_empty() && no_such_family(&error) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let variable = setting.to_ascii_uppercase();
                bail!(
                    "{socket} is taken by another program; stop it, or set KEYWAY_{variable} to another address"
                );
            }
            Err(error) => return Err(error).with_context(|| format!("cannot listen on {socket}")),
        }
    }
    Ok(open)
}

/// No IPv6 here: there is no such address, or no such kind of address.
fn no_such_family(error: &std::io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_one_clear_line() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = open("portal_addr", address.parse().unwrap()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{address} is taken by another program; stop it, or set KEYWAY_PORTAL_ADDR to another address"
            )
        );
    }
}
