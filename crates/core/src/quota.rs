//! Quotas: so many calls in a calendar day, so many in a calendar month, both in UTC. `100000`, or `off`.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;
use crate::ids::{EntityId, OwnerId};
use crate::owner::Environment;
use crate::rate::Rate;

const DAY_MICROS: i64 = 86_400_000_000;
const EPOCH_YEAR: i32 = 1970;

/// A calendar day in UTC, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(u32);

/// A calendar month in UTC, as months since January 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u32);

impl Day {
    /// The day in which `at` lies; the first for what lies before it.
    pub fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.as_micros().div_euclid(DAY_MICROS)).unwrap_or_default())
    }
    /// As a number.
    pub const fn number(self) -> u32 {
        self.0
    }
    /// From a number.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }
    /// Its first moment.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_micros(self.0 as i64 * DAY_MICROS)
    }
    /// The first moment of the next.
    pub const fn end(self) -> Timestamp {
        Timestamp::from_micros((self.0 as i64 + 1) * DAY_MICROS)
    }
    /// The month in which it lies.
    pub fn month(self) -> Month {
        let date = DateTime::from_timestamp_micros(self.start().as_micros()).unwrap_or(DateTime::UNIX_EPOCH);
        let months = (date.year() - EPOCH_YEAR) * 12 + date.month0().cast_signed();
        Month(u32::try_from(months).unwrap_or_default())
    }
}

impl Month {
    /// As a number.
    pub const fn number(self) -> u32 {
        self.0
    }
    /// From a number.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }
    /// Its first day.
    pub fn first_day(self) -> Day {
        let year = EPOCH_YEAR.saturating_add_unsigned(self.0 / 12);
        let first = NaiveDate::from_ymd_opt(year, self.0 % 12 + 1, 1).unwrap_or(NaiveDate::MAX);
        let days = first.signed_duration_since(NaiveDate::default()).num_days();
        Day(u32::try_from(days).unwrap_or(u32::MAX))
    }
    /// The first moment of the next.
    pub fn end(self) -> Timestamp {
        Self(self.0.saturating_add(1)).first_day().start()
    }
}

/// The windows that calls are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
}

impl Window {
    /// As said after `calls a`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// How many calls a window may have: a number, or `off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Quota {
    /// Any number.
    #[default]
    Off,
    /// At most so many.
    Calls(NonZeroU64),
}

impl Quota {
    /// The largest number.
    pub const MAX: u64 = 1_000_000_000_000;

    /// The number, if there is one.
    pub const fn calls(self) -> Option<NonZeroU64> {
        match self {
            Self::Off => None,
            Self::Calls(calls) => Some(calls),
        }
    }
    /// A tenth of it for the test environment, at least 1; unchanged for live.
    #[must_use]
    pub const fn in_environment(self, environment: Environment) -> Self {
        match (self, environment) {
            (Self::Calls(calls), Environment::Test) => match NonZeroU64::new(calls.get() / 10) {
                Some(tenth) => Self::Calls(tenth),
                None => Self::Calls(NonZeroU64::MIN),
            },
            (quota, _) => quota,
        }
    }
    /// Itself, or `default` where it is off.
    #[must_use]
    pub const fn or(self, default: Self) -> Self {
        match self {
            Self::Off => default,
            Self::Calls(_) => self,
        }
    }
    /// Whether it ever lets through what `other` would not.
    pub fn exceeds(self, other: Self) -> bool {
        match (self, other) {
            (_, Self::Off) => false,
            (Self::Off, Self::Calls(_)) => true,
            (Self::Calls(a), Self::Calls(b)) => a > b,
        }
    }
}

/// Why a text is no quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quota is a number of calls from 1 to 1000000000000, or off")]
pub struct InvalidQuota;

impl FromStr for Quota {
    type Err = InvalidQuota;
    fn from_str(s: &str) -> Result<Self, InvalidQuota> {
        if s == "off" {
            return Ok(Self::Off);
        }
        let calls: NonZeroU64 = s.parse().map_err(|_| InvalidQuota)?;
        if calls.get() <= Self::MAX { Ok(Self::Calls(calls)) } else { Err(InvalidQuota) }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Calls(calls) => calls.fmt(f),
        }
    }
}

impl Serialize for Quota {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// A setting from the environment arrives as a number, one from a file as either.
impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Quota;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of calls, or off")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Quota, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: Error>(self, calls: u64) -> Result<Quota, E> {
                calls.to_string().parse().map_err(E::custom)
            }
            fn visit_i64<E: Error>(self, calls: i64) -> Result<Quota, E> {
                calls.to_string().parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Reader)
    }
}

/// The quotas of one budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Calls a day.
    pub day: Quota,
    /// Calls a month.
    pub month: Quota,
}

impl Quotas {
    /// None at all.
    pub const OFF: Self = Self { day: Quota::Off, month: Quota::Off };

    /// Whether there are none.
    pub const fn is_off(&self) -> bool {
        matches!((self.day, self.month), (Quota::Off, Quota::Off))
    }
    /// That of one window.
    pub const fn of(self, window: Window) -> Quota {
        match window {
            Window::Day => self.day,
            Window::Month => self.month,
        }
    }
    /// A tenth of each for the test environment.
    #[must_use]
    pub const fn in_environment(self, environment: Environment) -> Self {
        Self { day: self.day.in_environment(environment), month: self.month.in_environment(environment) }
    }
    /// Each its own, or that of `default` where it is off.
    #[must_use]
    pub const fn or(self, default: Self) -> Self {
        Self { day: self.day.or(default.day), month: self.month.or(default.month) }
    }
    /// The first of them that ever lets through what `other`'s would not.
    pub fn first_excess(self, other: Self) -> Option<Window> {
        [Window::Day, Window::Month].into_iter().find(|window| self.of(*window).exceeds(other.of(*window)))
    }
}

/// How much a limit lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// So many at once, refilled at a rate.
    Rate(Rate),
    /// So many in a calendar window.
    Quota(Window, NonZeroU64),
}

impl Measure {
    /// The most that it ever lets through at once.
    pub const fn most(self) -> u64 {
        match self {
            Self::Rate(rate) => rate.burst.get() as u64,
            Self::Quota(_, calls) => calls.get(),
        }
    }

    /// Whole seconds in which it lets that much through, rounded up; a month has no one length.
    pub const fn window_seconds(self) -> Option<u64> {
        match self {
            Self::Rate(rate) => Some(rate.window_seconds()),
            Self::Quota(Window::Day, _) => Some(86_400),
            Self::Quota(Window::Month, _) => None,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => rate.fmt(f),
            Self::Quota(window, calls) => {
                let what = if calls.get() == 1 { "call" } else { "calls" };
                write!(f, "{calls} {what} a {}", window.as_str())
            }
        }
    }
}

/// Calls that a guard has let through since it last told, and what they draw on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// The credential at the root of the descent.
    pub root: EntityId,
    /// The owner whose shared budget they draw on as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerId>,
    /// Live or test: counted apart.
    pub environment: Environment,
    /// When they came.
    pub day: Day,
    /// How many.
    pub calls: u64,
}

/// What all guards together have counted of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The root or the owner.
    pub id: EntityId,
    /// Live or test.
    pub environment: Environment,
    /// The day that is told of.
    pub day: Day,
    /// Calls of that day.
    pub in_day: u64,
    /// Calls of the month in which the day lies.
    pub in_month: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn days_and_months_end_at_midnight_utc() {
        let day = Day::of(at("2028-02-28T23:59:59.999999Z"));
        assert_eq!(day.end(), at("2028-02-29T00:00:00Z"));
        assert_eq!(day.month().first_day().start(), at("2028-02-01T00:00:00Z"));
        assert_eq!(day.month().end(), at("2028-03-01T00:00:00Z"));
        assert_eq!(Day::of(at("2026-12-31T12:00:00Z")).month().end(), at("2027-01-01T00:00:00Z"));
        assert_eq!(Day::of(at("1969-12-31T12:00:00Z")), Day::default());
    }

    #[test]
    fn a_quota_is_a_number_or_off() {
        assert_eq!("100000".parse::<Quota>().unwrap().to_string(), "100000");
        assert_eq!("off".parse(), Ok(Quota::Off));
        for bad in ["", "0", "-1", "1.5", "1000000000001", "100/day", "on"] {
            assert_eq!(bad.parse::<Quota>(), Err(InvalidQuota), "{bad}");
        }
    }

    #[test]
    fn a_quota_is_read_from_a_number_and_from_a_text() {
        let read = |json: &str| serde_json::from_str::<Quota>(json).ok();
        assert_eq!(read("5"), read("\"5\""));
        assert_eq!(read("\"off\""), Some(Quota::Off));
        for bad in ["0", "-1", "1.5", "true", "null", "\"many\""] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let quota = read("5").unwrap();
        assert_eq!(read(&serde_json::to_string(&quota).unwrap()), Some(quota));
    }

    #[test]
    fn no_quota_lets_through_more_than_any() {
        let quota = |text: &str| text.parse::<Quota>().unwrap();
        assert!(quota("off").exceeds(quota("5")) && !quota("5").exceeds(quota("off")));
        assert!(quota("6").exceeds(quota("5")) && !quota("5").exceeds(quota("5")));
        assert_eq!(quota("5").in_environment(Environment::Test), quota("1"));
    }

    #[test]
    fn every_moment_lies_in_its_day_and_month() {
        for seconds in (0_i64..8_000_000_000).step_by(39_989) {
            let at = Timestamp::from_seconds(seconds);
            let day = Day::of(at);
            assert!(day.start() <= at && at < day.end());
            assert!(day.month().first_day().start() <= at && at < day.month().end());
        }
    }
}
