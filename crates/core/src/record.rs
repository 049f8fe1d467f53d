//! What a guard writes down of calls: counts of all of them, and single records of refusals and a sample.
//! Never bodies, query strings or credentials.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::change::UnknownName;
use crate::clock::{Duration, Timestamp};
use crate::credential::mask;
use crate::ids::{BatchId, EntityId, OwnerId, RequestId};
use crate::quota::{Counted, Drawn};
use crate::refusal::{Check, Refusal};

/// The longest route pattern, in bytes; longer ones are cut.
pub const MAX_ROUTE_LEN: usize = 128;
/// The most of each list in one batch: a full one stays below 1 MB as JSON.
pub const MAX_BATCH: usize = 1_000;
/// The longest method or code, in bytes.
const MAX_WORD_LEN: usize = 64;
/// The most that is kept of what a call lacked, in bytes.
const MAX_LACKED_LEN: usize = 128;
/// The most that is kept of a `User-Agent`, in bytes.
const MAX_AGENT_LEN: usize = 256;
/// The most calls, or microseconds, that one count may tell of: far beyond what a guard counts between two batches.
const MAX_COUNT: u64 = 1 << 48;
/// How far a guard's clock may be ahead.
const AHEAD: Duration = Duration::minutes(5);

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it came in.
    pub at: Timestamp,
    /// Its id, as sent back.
    pub request: RequestId,
    /// The credential, if it was recognised.
    pub credential: Option<EntityId>,
    /// What its calls are counted under ([`Facts::counted_under`](crate::facts::Facts::counted_under)); itself if
    /// that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<EntityId>,
    /// Whose it is.
    pub owner: Option<OwnerId>,
    /// The HTTP method, upper case; `OTHER` if it is none of RFC 9110's.
    pub method: Arc<str>,
    /// The route's pattern (`/v1/notes/{id}`), never the path.
    pub route: Arc<str>,
    /// The HTTP status.
    pub status: u16,
    /// The first check that failed.
    pub failed: Option<Check>,
    /// The refusal's code.
    pub code: Option<Arc<str>>,
    /// What the call lacked, where that is one thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacked: Option<Lacked>,
    /// From where.
    pub address: Option<IpAddr>,
    /// Microseconds from arrival to answer.
    pub latency_us: u32,
    /// What the client calls itself: see [`user_agent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Arc<str>>,
}

/// What is kept of a `User-Agent` (RFC 9110 §10.1.5): at most 256 bytes, without control characters, credentials masked.
/// `None` if nothing is left.
pub fn user_agent(sent: &str) -> Option<Arc<str>> {
    let mut kept: String = mask(sent).chars().filter(|c| !c.is_control()).collect();
    kept.truncate(kept.floor_char_boundary(MAX_AGENT_LEN));
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.into())
}

/// What a refused call lacked: a scope, or budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacked {
    /// All scopes that the route needs, with spaces between; or how much the spent limit lets through.
    pub needed: Arc<str>,
    /// The first scope that is missing; or which limit is spent, as [`SpentLimit::as_str`](crate::refusal::SpentLimit::as_str).
    pub missing: Arc<str>,
}

impl Lacked {
    /// Of a refusal; `None` where its check says it all, or where it would be too long to keep.
    pub fn of(refusal: &Refusal) -> Option<Self> {
        let (needed, missing) = match refusal {
            Refusal::InsufficientScope { required, missing } => (required.as_str().into(), missing.as_str()),
            Refusal::LimitExceeded { limit, measure, .. } => (measure.to_string().into(), limit.as_str()),
            _ => return None,
        };
        let lacked = Self { needed, missing: missing.into() };
        lacked.is_sound().then_some(lacked)
    }

    fn is_sound(&self) -> bool {
        is_word(&self.needed, MAX_LACKED_LEN) && is_word(&self.missing, MAX_LACKED_LEN)
    }
}

/// How a call ended, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Accepted by the guard, and the API answered below 500.
    Ok,
    /// Accepted by the guard, and the API answered 500 or above.
    Failed,
    /// 401 or 400.
    Unauthenticated,
    /// 403.
    Forbidden,
    /// 429.
    Limited,
    /// 503.
    Unavailable,
}

impl Outcome {
    /// The good one first.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::Failed, Self::Unauthenticated, Self::Forbidden, Self::Limited, Self::Unavailable];

    /// Of a call that was refused, or answered with `status`.
    pub const fn of(refusal: Option<&Refusal>, status: u16) -> Self {
        let Some(refusal) = refusal else {
            return if status >= 500 { Self::Failed } else { Self::Ok };
        };
        match refusal.status() {
            403 => Self::Forbidden,
            429 => Self::Limited,
            503 => Self::Unavailable,
            _ => Self::Unauthenticated,
        }
    }

    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == s).ok_or(UnknownName)
    }
}

/// Calls of one credential on one route with one outcome since the last batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The credential.
    pub credential: EntityId,
    /// Whose it is.
    pub owner: OwnerId,
    /// The route's pattern.
    pub route: Arc<str>,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub calls: u64,
    /// The sum of their latencies in microseconds.
    pub latency_sum_us: u64,
}

/// When and from where a credential was last used; kept to the minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// The credential.
    pub credential: EntityId,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: Option<IpAddr>,
}

/// What a guard reports at once. A batch that arrives twice counts once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordBatch {
    /// Made by the guard.
    pub id: BatchId,
    /// The API that the guard protects.
    pub audience: crate::audience::Audience,
    /// When it was put together; counts belong to this hour.
    pub at: Timestamp,
    /// Counts.
    pub counts: Vec<Count>,
    /// Last uses.
    pub last_uses: Vec<LastUse>,
    /// Single records.
    pub records: Vec<Record>,
    /// Calls that count against quotas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawn: Vec<Drawn>,
}

/// The answer to a batch that draws on quotas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// What all guards have counted of each budget and day that it draws on, itself included.
    #[serde(default)]
    pub counted: Vec<Counted>,
}

/// What cannot be in a batch that a guard of ours made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsoundBatch {
    /// More than [`MAX_BATCH`] of something.
    #[error("a batch has at most 1000 counts, 1000 last uses, 1000 records and 1000 draws")]
    TooMany,
    /// A route, method, code, lack or user agent is too long, a status is none, or a count is beyond reason.
    #[error(
        "a user agent has at most 256 bytes, a route, and what was lacking, 128, a method or code 64, none a control character, and numbers lie within reason"
    )]
    OutOfRange,
    /// It tells of what is yet to come.
    #[error("a time lies in the future")]
    Future,
}

impl RecordBatch {
    /// Whether it keeps its bounds, for batches from elsewhere.
    ///
    /// # Errors
    /// What it breaks.
    pub fn check(&self, now: Timestamp) -> Result<(), UnsoundBatch> {
        let lengths = [self.counts.len(), self.last_uses.len(), self.records.len(), self.drawn.len()];
        if lengths.iter().any(|n| *n > MAX_BATCH) {
            return Err(UnsoundBatch::TooMany);
        }
        let counts = self.counts.iter().all(|count| {
            is_word(&count.route, MAX_ROUTE_LEN) && count.calls.max(count.latency_sum_us) <= MAX_COUNT
        });
        let records = self.records.iter().all(|record| {
            is_word(&record.route, MAX_ROUTE_LEN)
                && is_word(&record.method, MAX_WORD_LEN)
                && record.code.as_ref().is_none_or(|code| is_word(code, MAX_WORD_LEN))
                && record.lacked.as_ref().is_none_or(Lacked::is_sound)
                && record.user_agent.as_ref().is_none_or(|agent| is_word(agent, MAX_AGENT_LEN))
                && (100..=599).contains(&record.status)
        });
        let drawn = self.drawn.iter().all(|drawn| drawn.calls <= MAX_COUNT);
        if !counts || !records || !drawn {
            return Err(UnsoundBatch::OutOfRange);
        }
        let times = self.last_uses.iter().map(|used| used.at).chain(self.records.iter().map(|r| r.at));
        let days = self.drawn.iter().map(|drawn| drawn.day.start());
        let latest = now + AHEAD;
        if std::iter::once(self.at).chain(times).chain(days).any(|at| at > latest) {
            return Err(UnsoundBatch::Future);
        }
        Ok(())
    }
}

/// PostgreSQL keeps no NUL, and no page should show a line break that a stranger put there.
fn is_word(text: &str, longest: usize) -> bool {
    text.len() <= longest && !text.chars().any(crate::text::misleads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_user_agent_is_kept_what_is_harmless_and_short() {
        assert_eq!(user_agent("curl/8.5.0").as_deref(), Some("curl/8.5.0"));
        assert_eq!(user_agent(" a\r\nb\0 ").as_deref(), Some("ab"));
        assert_eq!(user_agent("\t "), None);
        let secret = format!("tool keyway_live_{}", "a".repeat(38));
        assert!(!user_agent(&secret).unwrap().contains(&"a".repeat(38)), "a credential is masked");
        let long = user_agent(&"é ".repeat(200)).unwrap();
        assert!(long.len() <= MAX_AGENT_LEN && is_word(&long, MAX_AGENT_LEN));
    }
}
