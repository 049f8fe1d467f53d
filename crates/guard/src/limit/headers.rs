//! The limit headers: what they say of a credential at all times, and of one call.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use keyway_core::quota::{Measure, Window};
use keyway_core::refusal::SpentLimit;
use parking_lot::Mutex;

use super::Allowance;
use crate::text::Text;

/// The value of `RateLimit-Policy`: every limit that a credential draws on. The same for all of its calls.
#[derive(Debug)]
pub struct Policy {
    text: String,
    #[cfg(feature = "actix")]
    header: actix_web::http::header::HeaderValue,
}

impl Policy {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[cfg(feature = "actix")]
    pub(crate) fn header(&self) -> actix_web::http::header::HeaderValue {
        self.header.clone()
    }

    fn new(text: String) -> Option<Self> {
        Some(Self {
            #[cfg(feature = "actix")]
            header: actix_web::http::header::HeaderValue::try_from(&text).ok()?,
            text,
        })
    }
}

/// The policies of all credentials: few, as most credentials have the limits of the settings.
#[derive(Debug, Default)]
pub(crate) struct Policies(Mutex<HashMap<String, Arc<Policy>>>);

impl Policies {
    /// How many are kept that no credential has.
    const MOST: usize = 1_024;

    /// The one of a credential with these limits; `None` where no limit holds.
    pub(super) fn of(&self, limits: impl Iterator<Item = (SpentLimit, Measure)>) -> Option<Arc<Policy>> {
        let mut text = String::new();
        for (limit, measure) in limits {
            let between = if text.is_empty() { "" } else { ", " };
            // Writing into memory does not fail.
            let _ = write!(text, "{between}\"{}\";q={}", name(limit, measure)?, measure.most());
            if let Some(seconds) = measure.window_seconds() {
                let _ = write!(text, ";w={seconds}");
            }
        }
        if text.is_empty() {
            return None;
        }
        let mut known = self.0.lock();
        if let Some(policy) = known.get(&text) {
            return Some(Arc::clone(policy));
        }
        if known.len() >= Self::MOST {
            known.retain(|_, policy| Arc::strong_count(policy) > 1);
        }
        let policy = Arc::new(Policy::new(text.clone())?);
        known.insert(text, Arc::clone(&policy));
        Some(policy)
    }
}

/// The values of the limit headers that change with each call: of the limit with the least left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitHeaders {
    text: Text,
    /// Where in it `RateLimit` ends and `RateLimit-Limit` begins.
    end: usize,
    remaining: Range<usize>,
    reset: Range<usize>,
}

impl LimitHeaders {
    /// `None` where no limit holds.
    pub fn of(allowance: &Allowance) -> Option<Self> {
        let (limit, measure, left) = allowance.tightest()?;
        let mut text = Text::default();
        for part in ["\"", name(limit, measure)?, "\";r="] {
            text.push(part);
        }
        let remaining = text.number(left.calls);
        text.push(";t=");
        let reset = text.number(left.full_in);
        let end = reset.end;
        text.number(measure.most());
        Some(Self { text, end, remaining, reset })
    }

    /// All of them, in one piece.
    pub fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }
    /// Where `RateLimit` stands: the limit's name, the calls possible now, the seconds until it is full.
    pub const fn state(&self) -> Range<usize> {
        0..self.end
    }
    /// Where `RateLimit-Limit` stands: its burst, or its quota.
    pub fn limit(&self) -> Range<usize> {
        self.end..self.text.len()
    }
    /// Where `RateLimit-Remaining` stands: calls possible now.
    pub fn remaining(&self) -> Range<usize> {
        self.remaining.clone()
    }
    /// Where `RateLimit-Reset` stands: seconds until it is full.
    pub fn reset(&self) -> Range<usize> {
        self.reset.clone()
    }
}

/// What the headers call a limit.
const fn name(limit: SpentLimit, measure: Measure) -> Option<&'static str> {
    Some(match (limit, measure) {
        (SpentLimit::Own, Measure::Rate(_)) => "credential",
        (SpentLimit::Own, Measure::Quota(Window::Day, _)) => "credential-day",
        (SpentLimit::Own, Measure::Quota(Window::Month, _)) => "credential-month",
        (SpentLimit::Shared, Measure::Rate(_)) => "owner",
        (SpentLimit::Shared, Measure::Quota(Window::Day, _)) => "owner-day",
        (SpentLimit::Shared, Measure::Quota(Window::Month, _)) => "owner-month",
        (SpentLimit::Address, _) => return None,
    })
}

#[cfg(test)]
mod tests {
    use keyway_core::rate::Rate;

    use super::super::{Left, QuotasLeft};
    use super::*;

    #[test]
    fn the_tightest_limit_is_told_in_one_piece() {
        let rate: Rate = "600/min burst=100".parse().unwrap();
        let day = Measure::Quota(Window::Day, 5_000.try_into().unwrap());
        let left = |calls, full_in| Left { calls, full_in, next_in: 0 };
        let allowance = Allowance {
            own: Some((rate, left(99, 1))),
            shared_quotas: QuotasLeft { day: Some((day, left(7, 3_600))), month: None },
            ..Allowance::default()
        };
        let values = LimitHeaders::of(&allowance).unwrap();
        let at = |span: Range<usize>| std::str::from_utf8(&values.text()[span]).unwrap();
        assert_eq!(at(values.state()), "\"owner-day\";r=7;t=3600");
        assert_eq!([at(values.limit()), at(values.remaining()), at(values.reset())], ["5000", "7", "3600"]);
        assert_eq!(LimitHeaders::of(&Allowance::default()), None);
    }

    #[test]
    fn credentials_with_the_same_limits_share_their_policy() {
        let policies = Policies::default();
        let rate = |text: &str| (SpentLimit::Own, Measure::Rate(text.parse().unwrap()));
        let of = |limits: Vec<_>| policies.of(limits.into_iter());
        let one = of(vec![rate("600/min burst=100")]).unwrap();
        assert!(Arc::ptr_eq(&one, &of(vec![rate("600/min burst=100")]).unwrap()));
        assert_eq!(one.as_str(), "\"credential\";q=100;w=10");
        assert!(of(Vec::new()).is_none());
        for burst in 1..=2 * Policies::MOST {
            of(vec![rate(&format!("600/min burst={burst}"))]);
        }
        assert!(policies.0.lock().len() <= Policies::MOST);
        assert!(Arc::ptr_eq(&one, &of(vec![rate("600/min burst=100")]).unwrap()));
    }
}
