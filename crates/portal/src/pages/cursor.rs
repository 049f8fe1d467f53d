//! Where a page of a list ended that is ordered by time: `<microseconds>_<id>`, in addresses.

use std::fmt::Display;
use std::str::FromStr;

use keyway_core::Timestamp;

/// As it stands in an address.
pub fn write(at: Timestamp, id: impl Display) -> String {
    format!("{}_{id}", at.as_micros())
}

/// `None` if it is none.
pub fn read<I: FromStr>(text: &str) -> Option<(Timestamp, I)> {
    let (at, id) = text.split_once('_')?;
    Some((Timestamp::from_micros(at.parse().ok()?), id.parse().ok()?))
}
