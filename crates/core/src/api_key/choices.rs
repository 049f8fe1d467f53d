//! The choices that people are offered: how long a key lives, and how long a replaced one goes on.

use std::fmt;
use std::str::FromStr;

use super::{MAX_LIFETIME, sooner};
use crate::change::UnknownName;
use crate::clock::{Duration, Timestamp};

/// How long a replaced key goes on working beside the new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Grace {
    /// Not at all.
    Now,
    /// 15 minutes.
    Minutes15,
    /// An hour.
    Hour,
    /// 6 hours.
    Hours6,
    /// A day.
    #[default]
    Hours24,
    /// A week, the longest.
    Days7,
}

impl Grace {
    /// All of them, the shortest first.
    pub const ALL: [Self; 6] =
        [Self::Now, Self::Minutes15, Self::Hour, Self::Hours6, Self::Hours24, Self::Days7];

    /// In forms, answers and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Minutes15 => "15m",
            Self::Hour => "1h",
            Self::Hours6 => "6h",
            Self::Hours24 => "24h",
            Self::Days7 => "7d",
        }
    }
    /// On pages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Now => "Now",
            Self::Minutes15 => "15 minutes",
            Self::Hour => "1 hour",
            Self::Hours6 => "6 hours",
            Self::Hours24 => "24 hours",
            Self::Days7 => "7 days",
        }
    }
    /// How long.
    pub const fn duration(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::Minutes15 => Duration::minutes(15),
            Self::Hour => Duration::hours(1),
            Self::Hours6 => Duration::hours(6),
            Self::Hours24 => Duration::hours(24),
            Self::Days7 => Duration::days(7),
        }
    }
    /// When a key replaced at `replaced_at` ends, if the grace is set to last this long from `now`: not after its
    /// own end, and not more than 7 days after it was replaced.
    pub fn end(self, replaced_at: Timestamp, own_end: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let end = (now + self.duration()).min(replaced_at + Self::Days7.duration());
        sooner(Some(end), own_end).unwrap_or(end)
    }
}

impl FromStr for Grace {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|grace| grace.as_str() == s).ok_or(UnknownName)
    }
}

/// How long a new key lives: `30d`, `never`, or up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// From now on.
    For(Duration),
    /// Up to a moment.
    Until(Timestamp),
    /// For ever.
    Never,
}

/// A text that is no lifetime, or an end that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLifetime {
    /// Not readable.
    #[error("an expiry is written as 90d, 12h, 30min, a date such as 2027-01-31, or never")]
    Text,
    /// Not after now.
    #[error("the expiry must lie in the future")]
    Past,
    /// After [`MAX_LIFETIME`].
    #[error("the expiry may be at most ten years away")]
    TooFar,
}

impl Lifetime {
    /// The days that forms offer.
    pub const DAYS: [i64; 5] = [7, 30, 60, 90, 365];

    /// When a key made at `now` ends.
    ///
    /// # Errors
    /// When that is not after `now`, or too far away.
    pub fn end(self, now: Timestamp) -> Result<Option<Timestamp>, InvalidLifetime> {
        let end = match self {
            Self::Never => return Ok(None),
            Self::For(time) => now + time,
            Self::Until(end) => end,
        };
        if end <= now {
            Err(InvalidLifetime::Past)
        } else if end.since(now) > MAX_LIFETIME {
            Err(InvalidLifetime::TooFar)
        } else {
            Ok(Some(end))
        }
    }
}

/// 90 days.
impl Default for Lifetime {
    fn default() -> Self {
        Self::For(Duration::days(90))
    }
}

impl FromStr for Lifetime {
    type Err = InvalidLifetime;
    fn from_str(s: &str) -> Result<Self, InvalidLifetime> {
        if s == "never" {
            return Ok(Self::Never);
        }
        if let Some(at) = Timestamp::parse_rfc3339(s) {
            return Ok(Self::Until(at));
        }
        // A date alone means that day's end in UTC.
        if s.len() == 10
            && let Some(midnight) = Timestamp::parse_rfc3339(&format!("{s}T00:00:00Z"))
        {
            return Ok(Self::Until(midnight + Duration::days(1)));
        }
        let unit_at = s.find(|c: char| !c.is_ascii_digit()).ok_or(InvalidLifetime::Text)?;
        let (count, unit) = s.split_at(unit_at);
        let count: u32 = count.parse().map_err(|_| InvalidLifetime::Text)?;
        let time = match unit {
            "d" => Duration::days(i64::from(count)),
            "h" => Duration::hours(i64::from(count)),
            "min" => Duration::minutes(i64::from(count)),
            "s" => Duration::seconds(i64::from(count)),
            _ => return Err(InvalidLifetime::Text),
        };
        Ok(Self::For(time))
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(time) => write!(f, "{}s", time.as_seconds()),
            Self::Until(end) => end.fmt(f),
            Self::Never => f.write_str("never"),
        }
    }
}
