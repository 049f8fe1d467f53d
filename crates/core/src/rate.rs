//! Limits: `600/min burst=100`, or `off`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::owner::Environment;

/// How many calls a limit refills, per which time, and how many may come at once.
///
/// In any time `t` at most `burst + rate × t` calls pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Calls refilled per [`Self::per`].
    pub count: NonZeroU32,
    /// The time in which they are refilled.
    pub per: Per,
    /// Calls that may come at once.
    pub burst: NonZeroU32,
}

/// The time in which a limit refills its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Per {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Per {
    /// In seconds.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
    const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
        }
    }
}

impl Rate {
    /// The largest count and burst.
    pub const MAX: u32 = 1_000_000;

    /// With a burst of a tenth of the count, at least 1.
    pub fn new(count: NonZeroU32, per: Per) -> Self {
        let burst = NonZeroU32::new(count.get() / 10).unwrap_or(NonZeroU32::MIN);
        Self { count, per, burst }
    }

    /// Nanoseconds between two refills; rounded up, so that never more than the rate passes.
    pub const fn interval_nanos(self) -> u64 {
        (self.per.seconds() as u64 * 1_000_000_000).div_ceil(self.count.get() as u64)
    }

    /// Seconds until an empty limit is full again, rounded up: the window of `RateLimit-Policy`.
    pub const fn window_seconds(self) -> u64 {
        (self.burst.get() as u64 * self.per.seconds() as u64).div_ceil(self.count.get() as u64)
    }

    /// A tenth of it for the test environment; unchanged for live.
    #[must_use]
    pub fn in_environment(self, environment: Environment) -> Self {
        match environment {
            Environment::Live => self,
            Environment::Test => {
                let tenth = |n: NonZeroU32| NonZeroU32::new(n.get() / 10).unwrap_or(NonZeroU32::MIN);
                Self { count: tenth(self.count), per: self.per, burst: tenth(self.burst) }
            }
        }
    }

    /// Whether `self` ever lets through what `other` would not.
    pub fn exceeds(self, other: Self) -> bool {
        let per_hour = |r: Self| u64::from(r.count.get()) * u64::from(3_600 / r.per.seconds());
        per_hour(self) > per_hour(other) || self.burst > other.burst
    }

    /// The tighter of each part.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        let per_hour = |r: Self| u64::from(r.count.get()) * u64::from(3_600 / r.per.seconds());
        let slower = if per_hour(self) <= per_hour(other) { self } else { other };
        Self { burst: self.burst.min(other.burst), ..slower }
    }
}

/// Why a text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is written as 600/min or 600/min burst=100, per s, min or h, up to 1000000")]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;
    fn from_str(s: &str) -> Result<Self, InvalidRate> {
        let number = |text: &str| {
            let n: NonZeroU32 = text.parse().map_err(|_| InvalidRate)?;
            if n.get() <= Self::MAX { Ok(n) } else { Err(InvalidRate) }
        };
        let mut words = s.split_ascii_whitespace();
        let (count, per) = words.next().and_then(|w| w.split_once('/')).ok_or(InvalidRate)?;
        let per = match per {
            "s" => Per::Second,
            "min" => Per::Minute,
            "h" => Per::Hour,
            _ => return Err(InvalidRate),
        };
        let mut rate = Self::new(number(count)?, per);
        if let Some(word) = words.next() {
            rate.burst = number(word.strip_prefix("burst=").ok_or(InvalidRate)?)?;
        }
        if words.next().is_some() { Err(InvalidRate) } else { Ok(rate) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Piece by piece: it stands in answers, and `write!` takes three times as long.
        let mut number = itoa::Buffer::new();
        f.write_str(number.format(self.count.get()))?;
        f.write_str("/")?;
        f.write_str(self.per.as_str())?;
        f.write_str(" burst=")?;
        f.write_str(number.format(self.burst.get()))
    }
}

/// A limit as a setting: a rate, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// No limit.
    Off,
    /// At most this.
    At(Rate),
}

impl Limit {
    /// The rate, if there is one.
    pub const fn rate(self) -> Option<Rate> {
        match self {
            Self::Off => None,
            Self::At(rate) => Some(rate),
        }
    }
}

impl FromStr for Limit {
    type Err = InvalidRate;
    fn from_str(s: &str) -> Result<Self, InvalidRate> {
        if s == "off" { Ok(Self::Off) } else { s.parse().map(Self::At) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(rate) => rate.fmt(f),
        }
    }
}

macro_rules! serde_as_text {
    ($name:ty) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_text!(Rate);
serde_as_text!(Limit);

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn the_burst_is_a_tenth_unless_given() {
        assert_eq!(rate("600/min").to_string(), "600/min burst=60");
        assert_eq!(rate("5/s").burst.get(), 1);
        assert_eq!(rate("600/min burst=100").window_seconds(), 10);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for bad in
            ["", "600", "0/min", "600/day", "600/min burst=0", "600/min 100", "1000001/s", "1/s burst=2 x"]
        {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_of_different_windows_compare() {
        assert!(rate("11/s burst=1").exceeds(rate("600/min burst=1")));
        assert!(!rate("10/s burst=1").exceeds(rate("600/min burst=1")));
        assert!(rate("1/h burst=2").exceeds(rate("600/min burst=1")));
        assert_eq!(rate("100/s burst=1").min(rate("10/s burst=5")), rate("10/s burst=1"));
    }

    #[test]
    fn test_credentials_get_a_tenth() {
        assert_eq!(rate("600/min burst=100").in_environment(Environment::Test), rate("60/min burst=10"));
    }
}
