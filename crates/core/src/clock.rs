//! Time, given in: a wall clock in whole microseconds and a monotonic one in nanoseconds.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike as _, SecondsFormat, Timelike as _, Utc};
use serde::{Deserialize, Serialize};

/// A span of time in whole microseconds; may be negative as the difference of two [`Timestamp`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(i64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From microseconds.
    pub const fn micros(n: i64) -> Self {
        Self(n)
    }
    /// From milliseconds.
    pub const fn millis(n: i64) -> Self {
        Self(n * 1_000)
    }
    /// From seconds.
    pub const fn seconds(n: i64) -> Self {
        Self(n * 1_000_000)
    }
    /// From minutes.
    pub const fn minutes(n: i64) -> Self {
        Self::seconds(n * 60)
    }
    /// From hours.
    pub const fn hours(n: i64) -> Self {
        Self::minutes(n * 60)
    }
    /// From days of 24 hours.
    pub const fn days(n: i64) -> Self {
        Self::hours(n * 24)
    }
    /// Whole microseconds.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
    /// Whole seconds, rounded towards zero.
    pub const fn as_seconds(self) -> i64 {
        self.0 / 1_000_000
    }
    /// Whole seconds, rounded up; never negative.
    pub const fn as_seconds_ceil(self) -> u64 {
        if self.0 <= 0 { 0 } else { (self.0 as u64).div_ceil(1_000_000) }
    }
    /// As the standard library's type; a negative span becomes zero.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(if self.0 < 0 { 0 } else { self.0 as u64 })
    }
}

/// A moment in UTC, in microseconds since 1970-01-01 (what both databases keep exactly).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(n: i64) -> Self {
        Self(n)
    }
    /// From whole seconds since the epoch (as in JWT `NumericDate`); saturates.
    pub const fn from_seconds(n: i64) -> Self {
        Self(n.saturating_mul(1_000_000))
    }
    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
    /// How long after `earlier` this is; negative if it is before.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
    /// RFC 3339 in UTC with seconds, as `2026-11-24T09:00:00Z`.
    pub fn to_rfc3339(self) -> String {
        let at = self.to_utc();
        let year = at.year();
        if !(0..=9_999).contains(&year) {
            return at.to_rfc3339_opts(SecondsFormat::Secs, true);
        }
        // Digit by digit: chrono reads its format anew each time.
        let mut text = String::with_capacity(20);
        let mut digits = |number: u32, places: u32, then: char| {
            for place in (0..places).rev() {
                text.push(char::from(b'0' + (number / 10_u32.pow(place) % 10) as u8));
            }
            text.push(then);
        };
        digits(year.unsigned_abs(), 4, '-');
        digits(at.month(), 2, '-');
        digits(at.day(), 2, 'T');
        digits(at.hour(), 2, ':');
        digits(at.minute(), 2, ':');
        digits(at.second(), 2, 'Z');
        text
    }
    /// As a calendar date and time.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::UNIX_EPOCH)
    }
    /// From RFC 3339; `None` if it is not.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|t| Self(t.timestamp_micros()))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d.0))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(d.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Nanoseconds on a clock that never goes back, from an arbitrary start in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Nanoseconds since `earlier`; zero if it is later.
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Both readings, taken once per request and handed down.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock.
    pub mono: Monotonic,
}

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// The monotonic clock.
    fn monotonic(&self) -> Monotonic;
    /// Both at once.
    fn moment(&self) -> Moment {
        Moment { wall: self.now(), mono: self.monotonic() }
    }
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts the monotonic reading at zero.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the machine's wall clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    mono: AtomicU64,
}

impl ManualClock {
    /// Stands at `wall`; the monotonic reading starts at zero.
    pub const fn at(wall: Timestamp) -> Self {
        Self { wall: AtomicI64::new(wall.0), mono: AtomicU64::new(0) }
    }
    /// Moves both readings forward.
    pub fn advance(&self, by: Duration) {
        self.wall.fetch_add(by.0, Ordering::SeqCst);
        self.mono.fetch_add(by.0.max(0) as u64 * 1_000, Ordering::SeqCst);
    }
    /// Sets the wall clock alone, as an operator or NTP does; may go back.
    pub fn set_wall(&self, to: Timestamp) {
        self.wall.store(to.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.mono.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_left_are_rounded_up_and_never_negative() {
        assert_eq!(Duration::micros(1).as_seconds_ceil(), 1);
        assert_eq!(Duration::seconds(2).as_seconds_ceil(), 2);
        assert_eq!(Duration::seconds(-2).as_seconds_ceil(), 0);
    }

    #[test]
    fn times_are_written_as_chrono_writes_them() {
        for seconds in [0, 951_782_399, 1_795_000_000, 4_102_444_799, -1, -62_135_596_801, 253_402_300_800] {
            let t = Timestamp::from_seconds(seconds);
            assert_eq!(t.to_rfc3339(), t.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true), "{seconds}");
        }
    }

    #[test]
    fn rfc3339_round_trips() {
        let t = Timestamp::from_seconds(1_795_000_000);
        assert_eq!(Timestamp::parse_rfc3339(&t.to_rfc3339()), Some(t));
    }
}
