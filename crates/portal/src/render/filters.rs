//! Template filters: times relative and absolute, spans, counts.

use std::fmt::Write;

use keyway_core::Timestamp;
use tera::{Kwargs, State, Tera, TeraResult};

/// Registers all of them. Times are microseconds since 1970 in UTC; spans are seconds.
pub(super) fn register(tera: &mut Tera) {
    // `3 minutes ago`, `in 88 days`; the argument `now` is `chrome.now`.
    tera.register_filter("relative_time", |at: i64, args: Kwargs, _: &State<'_>| {
        TeraResult::Ok(relative(at, args.must_get("now")?))
    });
    tera.register_filter("absolute_time", |at: i64, _: Kwargs, _: &State<'_>| {
        utc(at, "%Y-%m-%d %H:%M:%S UTC")
    });
    tera.register_filter("date", |at: i64, _: Kwargs, _: &State<'_>| utc(at, "%-d %B %Y"));
    tera.register_filter("rfc3339", |at: i64, _: Kwargs, _: &State<'_>| {
        Timestamp::from_micros(at).to_rfc3339()
    });
    tera.register_filter("span", |seconds: i64, _: Kwargs, _: &State<'_>| span(seconds));
    tera.register_filter("urlencode", |text: &str, _: Kwargs, _: &State<'_>| urlencode(text));
    tera.register_filter("count", |n: i64, _: Kwargs, _: &State<'_>| count(n));
}

fn relative(at: i64, now: i64) -> String {
    let seconds = at.saturating_sub(now) / 1_000_000;
    match seconds {
        -9..=0 => "just now".to_owned(),
        1.. => format!("in {}", span(seconds)),
        _ => format!("{} ago", span(seconds.saturating_neg())),
    }
}

/// In one unit, rounded to the nearest whole: a key made a moment ago for 90 days has 90 days left, not 89.
fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(31_536_000, "year"), (2_592_000, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let named = |n: i64, unit: &str| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
    for (size, unit) in UNITS {
        // Days are exact up to a quarter: keys live for 90 of them.
        let from = match unit {
            "year" => 2 * size,
            "month" => 4 * size,
            "day" => 2 * size,
            _ => size,
        };
        if seconds >= from {
            return named((seconds + size / 2) / size, unit);
        }
    }
    named(seconds, "second")
}

fn utc(at: i64, format: &str) -> String {
    Timestamp::from_micros(at).to_utc().format(format).to_string()
}

/// All but RFC 3986's unreserved characters as `%XX`: for one value in a query.
fn urlencode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// With a comma between thousands.
pub(crate) fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        out.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_are_words() {
        let at = |seconds: i64| relative(seconds * 1_000_000, 0);
        assert_eq!(at(0), "just now");
        assert_eq!(at(-9), "just now");
        assert_eq!(at(-59), "59 seconds ago");
        assert_eq!(at(-60), "1 minute ago");
        assert_eq!(at(-3 * 3_600), "3 hours ago");
        assert_eq!(at(90 * 86_400 - 1), "in 90 days");
        assert_eq!(at(-200 * 86_400), "7 months ago");
        assert_eq!(at(800 * 86_400), "in 2 years");
        relative(i64::MIN, i64::MAX);
    }

    #[test]
    fn absolute_times_are_exact() {
        assert_eq!(utc(1_795_000_000_000_000, "%Y-%m-%d %H:%M:%S UTC"), "2026-11-18 11:06:40 UTC");
    }

    #[test]
    fn a_query_value_keeps_to_itself() {
        assert_eq!(urlencode("/a?b=c&d=é"), "%2Fa%3Fb%3Dc%26d%3D%C3%A9");
    }

    #[test]
    fn counts_have_commas() {
        assert_eq!([0, 999, 1_000, -1_234_567].map(count), ["0", "999", "1,000", "-1,234,567"]);
        count(i64::MIN);
    }
}
