//! Numbers of usage in words.

use keyway_core::Duration;
use keyway_core::record::Outcome;

use crate::chart::count;

/// How calls ended, for people.
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "Accepted",
        Outcome::Failed => "Accepted, but the API failed (5xx)",
        Outcome::Unauthenticated => "Refused: not recognised (400, 401)",
        Outcome::Forbidden => "Refused: not allowed (403)",
        Outcome::Limited => "Refused: over the limit (429)",
        Outcome::Unavailable => "Refused: could not be checked (503)",
    }
}

/// A part of a whole, in per cent.
pub fn share(part: u64, whole: u64) -> String {
    let thousandths = per(part, whole, 1_000);
    match (part, whole, thousandths) {
        (0, ..) | (_, 0, _) => "0 %".to_owned(),
        (.., 0) => "under 0.1 %".to_owned(),
        (_, _, thousandths) if part < whole && thousandths >= 1_000 => "over 99.9 %".to_owned(),
        (_, _, thousandths) if thousandths % 10 == 0 => format!("{} %", thousandths / 10),
        (_, _, thousandths) => format!("{}.{} %", thousandths / 10, thousandths % 10),
    }
}

/// How many more or fewer than in the same time before.
pub fn change(now: u64, before: u64, span: &str) -> String {
    match (now, before) {
        (0, 0) => format!("none in the {span} before either"),
        (_, 0) => format!("none in the {span} before"),
        (now, before) if now == before => format!("as many as in the {span} before"),
        (now, before) => {
            let (word, percent) = if now > before {
                ("more", per(now - before, before, 100))
            } else {
                ("fewer", per(before - now, before, 100))
            };
            match percent {
                0 => format!("about as many as in the {span} before"),
                percent if percent > 1_000 => format!("{} in the {span} before", count(before)),
                percent => format!("{percent} % {word} than in the {span} before"),
            }
        }
    }
}

/// Microseconds as milliseconds.
pub fn millis(micros: u64) -> String {
    format!("{}.{} ms", count(micros / 1_000), micros % 1_000 / 100)
}

/// Whole days, else hours.
pub fn span(span: Duration) -> String {
    let hours = span.as_seconds() / 3_600;
    if hours % 24 == 0 { format!("{} days", hours / 24) } else { format!("{hours} hours") }
}

/// Rounded to the nearest.
fn per(part: u64, whole: u64, of: u64) -> u64 {
    let whole = u128::from(whole.max(1));
    u64::try_from((u128::from(part) * u128::from(of) + whole / 2) / whole).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_round_something_to_nothing() {
        assert_eq!(share(0, 0), "0 %");
        assert_eq!(share(1, 1_000_000), "under 0.1 %");
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(999_999, 1_000_000), "over 99.9 %");
        assert_eq!(share(7, 7), "100 %");
    }

    #[test]
    fn changes_are_words() {
        let told = |now, before| change(now, before, "7 days");
        assert_eq!(told(0, 0), "none in the 7 days before either");
        assert_eq!(told(5, 0), "none in the 7 days before");
        assert_eq!(told(15, 10), "50 % more than in the 7 days before");
        assert_eq!(told(5, 10), "50 % fewer than in the 7 days before");
        assert_eq!(told(10_001, 10_000), "about as many as in the 7 days before");
        assert_eq!(told(9_000, 3), "3 in the 7 days before");
        assert_eq!(told(u64::MAX, 1), "1 in the 7 days before");
    }
}
