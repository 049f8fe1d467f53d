//! All that an owner has given out, whatever its kind, as one list: what it is called, whether it works, and what is
//! the trouble with it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::api_key::EXPIRING_SOON;
use crate::change::UnknownName;
use crate::clock::{Duration, Timestamp};
use crate::ids::{ApiKeyId, EntityId};
use crate::owner::Environment;
use crate::record::Outcome;
use crate::scope::ScopeSet;
use crate::usage::Tally;

/// What has not been used for so long is called unused.
pub const UNUSED_AFTER: Duration = Duration::days(90);
/// More refusals than one in so many calls are trouble.
pub const REFUSED_ONE_IN: u64 = 10;
/// With fewer calls than this, a share of them says nothing.
pub const MIN_CALLS: u64 = 10;

/// What kind of credential it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An API key.
    Key,
    /// JWTs that its owner minted, by their family.
    Jwt,
    /// What an app may do for the owner, by the consent.
    Grant,
    /// A client of the owner that acts for itself.
    Client,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Key, Self::Jwt, Self::Grant, Self::Client];

    /// In addresses and forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Jwt => "jwt",
            Self::Grant => "grant",
            Self::Client => "client",
        }
    }
    /// On pages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Key => "API key",
            Self::Jwt => "JWT",
            Self::Grant => "Authorised app",
            Self::Client => "Own app",
        }
    }
}

impl FromStr for Kind {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == s).ok_or(UnknownName)
    }
}

/// Names one credential in addresses and forms: `key:<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: EntityId,
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
    }
}

impl FromStr for Handle {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        let (kind, id) = s.split_once(':').ok_or(UnknownName)?;
        Ok(Self { kind: kind.parse()?, id: id.parse().map_err(|_| UnknownName)? })
    }
}

/// Whether a credential works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It does.
    Active,
    /// It does, and ends soon.
    EndsSoon,
    /// It does, beside the one that replaced it.
    InGrace,
    /// Switched off.
    Disabled,
    /// Its app is suspended.
    Suspended,
    /// Its time is over.
    Expired,
    /// Taken away.
    Revoked,
    /// Ended because its refresh token was used twice.
    Stolen,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::EndsSoon,
        Self::InGrace,
        Self::Disabled,
        Self::Suspended,
        Self::Expired,
        Self::Revoked,
        Self::Stolen,
    ];

    /// In addresses and templates.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::EndsSoon => "expiring",
            Self::InGrace => "grace",
            Self::Disabled => "disabled",
            Self::Suspended => "suspended",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Stolen => "stolen",
        }
    }
    /// On pages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::EndsSoon => "Expires soon",
            Self::InGrace => "In grace",
            Self::Disabled => "Disabled",
            Self::Suspended => "Suspended",
            Self::Expired => "Expired",
            Self::Revoked => "Revoked",
            Self::Stolen => "Stolen",
        }
    }
    /// Whether it will never work again.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Expired | Self::Revoked | Self::Stolen)
    }
    /// Whether calls with it are answered.
    pub const fn works(self) -> bool {
        matches!(self, Self::Active | Self::EndsSoon | Self::InGrace)
    }
}

impl FromStr for Status {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|status| status.as_str() == s).ok_or(UnknownName)
    }
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub handle: Handle,
    /// What people call it; may be empty.
    pub name: String,
    /// How it is recognised: what a secret begins and ends with, who holds it, or how a client proves itself.
    pub display: String,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Live or test.
    pub environment: Environment,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// From where it was last used.
    pub last_used_address: Option<IpAddr>,
    /// When it ends by itself; of what is over, when it ended.
    pub ends_at: Option<Timestamp>,
    /// Whether each refresh puts its end off.
    pub renews: bool,
    /// Whether it works.
    pub status: Status,
    /// The key that took its place.
    pub replaced_by: Option<ApiKeyId>,
}

/// Why a credential needs somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Many of its calls of the last day were refused.
    Refused {
        /// How many of a hundred.
        percent: u64,
        /// Of how many calls.
        calls: u64,
        /// How most of them were refused.
        most: Outcome,
    },
    /// It ends within a week.
    EndsSoon(Timestamp),
    /// It goes on beside its successor until then.
    InGrace(Timestamp),
    /// It is switched off.
    Disabled,
    /// Nobody has used it since then.
    Unused(Timestamp),
}

impl Entry {
    /// The most urgent trouble, if there is any. `calls` are those of the last 24 hours.
    pub fn trouble(&self, calls: &Tally, now: Timestamp) -> Option<Trouble> {
        if self.status.is_over() || self.status == Status::Suspended {
            return None;
        }
        if self.status == Status::Disabled {
            return Some(Trouble::Disabled);
        }
        let (total, refused) = (calls.total(), calls.refused());
        if total >= MIN_CALLS && refused.saturating_mul(REFUSED_ONE_IN) > total {
            let refusals =
                [Outcome::Unauthenticated, Outcome::Forbidden, Outcome::Limited, Outcome::Unavailable];
            let most = refusals.into_iter().max_by_key(|outcome| calls.of(*outcome));
            let percent = refused.saturating_mul(100) / total;
            return Some(Trouble::Refused {
                percent,
                calls: total,
                most: most.unwrap_or(Outcome::Forbidden),
            });
        }
        match self.ends_at {
            Some(end) if self.status == Status::InGrace => return Some(Trouble::InGrace(end)),
            Some(end) if self.status == Status::EndsSoon => return Some(Trouble::EndsSoon(end)),
            Some(_) | None => {}
        }
        let since = self.last_used_at.unwrap_or(self.created_at);
        (now.since(since) >= UNUSED_AFTER).then_some(Trouble::Unused(since))
    }
}

/// Whether something that works until `end` ends soon. What is short-lived by nature never does.
pub fn ends_soon(created_at: Timestamp, end: Option<Timestamp>, now: Timestamp) -> bool {
    end.is_some_and(|end| end.since(now) < EXPIRING_SOON && end.since(created_at) > EXPIRING_SOON)
}

#[cfg(test)]
mod tests;
