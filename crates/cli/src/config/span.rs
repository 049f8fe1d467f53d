//! Spans of time as settings write them: `250ms`, `30s`, `15min`, `6h`, `90d`.

use keyway_core::Duration;
use serde::{Deserialize, Deserializer};

/// Why a text is no span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time span is written as 250ms, 30s, 15min, 6h or 90d")]
pub struct InvalidSpan;

/// The longest span, in days: ten years.
const MAX_DAYS: i64 = 3_660;

/// Reads a span; at most ten years.
pub fn parse(text: &str) -> Result<Duration, InvalidSpan> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits).ok_or(InvalidSpan)?;
    let count: i64 = count.parse().map_err(|_| InvalidSpan)?;
    let micros = match unit {
        "ms" => 1_000,
        "s" => Duration::seconds(1).as_micros(),
        "min" => Duration::minutes(1).as_micros(),
        "h" => Duration::hours(1).as_micros(),
        "d" => Duration::days(1).as_micros(),
        _ => return Err(InvalidSpan),
    };
    let span = count.checked_mul(micros).map(Duration::micros).ok_or(InvalidSpan)?;
    if span > Duration::days(MAX_DAYS) { Err(InvalidSpan) } else { Ok(span) }
}

/// For `#[serde(deserialize_with = …)]`. A bare 0 is a span, too.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Number(i64),
    }
    match Written::deserialize(deserializer)? {
        Written::Text(text) => parse(&text).map_err(serde::de::Error::custom),
        Written::Number(0) => Ok(Duration::ZERO),
        Written::Number(_) => Err(serde::de::Error::custom(InvalidSpan)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_unit() {
        assert_eq!(parse("250ms"), Ok(Duration::millis(250)));
        assert_eq!(parse("30s"), Ok(Duration::seconds(30)));
        assert_eq!(parse("15min"), Ok(Duration::minutes(15)));
        assert_eq!(parse("6h"), Ok(Duration::hours(6)));
        assert_eq!(parse("90d"), Ok(Duration::days(90)));
        for bad in
            ["", "30", "s", "-1s", "1 s", "1.5h", "3661d", "99999999999999999999d", "9999999999999999d", "1é"]
        {
            assert_eq!(parse(bad), Err(InvalidSpan), "{bad}");
        }
    }
}
