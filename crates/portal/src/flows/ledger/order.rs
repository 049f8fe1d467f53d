//! The orders of the list, and where in one of them a page ended.

use std::fmt;
use std::str::FromStr;

use keyway_core::Timestamp;
use keyway_core::change::UnknownName;
use keyway_core::ids::EntityId;
use keyway_core::ledger::{Entry, Trouble};
use keyway_core::owner::Environment;

/// In which order credentials are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Trouble first: what stops soonest, then what is refused most, switched off, unused; then the newest.
    #[default]
    Trouble,
    /// By name.
    Name,
    /// The last used first.
    Used,
    /// The next to end first.
    Ends,
    /// The newest first.
    Created,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Trouble, Self::Name, Self::Used, Self::Ends, Self::Created];

    /// In addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trouble => "attention",
            Self::Name => "name",
            Self::Used => "used",
            Self::Ends => "expires",
            Self::Created => "created",
        }
    }
    /// On pages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Trouble => "Attention first",
            Self::Name => "By name",
            Self::Used => "Last used first",
            Self::Ends => "Expires first",
            Self::Created => "Newest first",
        }
    }

    /// Where a credential stands in this order.
    pub fn cursor(self, entry: &Entry, trouble: Option<&Trouble>) -> Cursor {
        let newest = entry.created_at.as_micros().saturating_neg();
        let (rank, then, text) = match self {
            Self::Trouble => {
                // What stops first, then what is refused most; live before test.
                let (rank, then) = match trouble {
                    Some(Trouble::EndsSoon(at) | Trouble::InGrace(at)) => (0, at.as_micros()),
                    Some(Trouble::Refused { percent, .. }) => {
                        (1, i64::try_from(*percent).unwrap_or(100).saturating_neg())
                    }
                    Some(Trouble::Disabled) => (2, newest),
                    Some(Trouble::Unused(since)) => (3, since.as_micros()),
                    None => (if entry.status.is_over() { 9 } else { 8 }, newest),
                };
                let later = trouble.is_some() && entry.environment == Environment::Test;
                (if later { rank + 4 } else { rank }, then, String::new())
            }
            Self::Name => (0, newest, entry.name.to_lowercase()),
            Self::Used => {
                (0, entry.last_used_at.map_or(i64::MAX, |at| at.as_micros().saturating_neg()), String::new())
            }
            Self::Ends => (0, entry.ends_at.map_or(i64::MAX, Timestamp::as_micros), String::new()),
            Self::Created => (0, newest, String::new()),
        };
        Cursor { text, rank, then, id: entry.handle.id }
    }
}

impl FromStr for Order {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|order| order.as_str() == s).ok_or(UnknownName)
    }
}

/// A place in an order; written into addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    text: String,
    rank: u8,
    then: i64,
    id: EntityId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}_{}", self.rank, self.then, self.id, self.text)
    }
}

impl FromStr for Cursor {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        let mut parts = s.splitn(4, '_');
        let mut part = || parts.next().ok_or(UnknownName);
        Ok(Self {
            rank: part()?.parse().map_err(|_| UnknownName)?,
            then: part()?.parse().map_err(|_| UnknownName)?,
            id: part()?.parse().map_err(|_| UnknownName)?,
            text: part()?.to_owned(),
        })
    }
}
