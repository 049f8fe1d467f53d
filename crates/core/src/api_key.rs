//! API keys: their states, their rotation, and what the guard learns of them.

mod choices;
mod terms;

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::clock::{Duration, Timestamp};
use crate::facts::{Ancestors, Facts, LimitDefaults, Method, State, Subject};
use crate::ids::{ApiKeyId, OwnerId};
use crate::owner::Owner;

pub use choices::{Grace, InvalidLifetime, Lifetime};
pub use terms::{Excess, Terms};

/// The longest name, in characters.
pub const MAX_NAME_LEN: usize = 100;
/// The longest note, in characters.
pub const MAX_NOTE_LEN: usize = 500;
/// The most keys of an owner that are not revoked.
pub const MAX_KEYS: u64 = 50;
/// From when on an end is called near.
pub const EXPIRING_SOON: Duration = Duration::days(7);
/// The farthest end that may be chosen.
pub const MAX_LIFETIME: Duration = Duration::days(3_653);

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whom it belongs to.
    pub owner: OwnerId,
    /// Who made it.
    pub creator: OwnerId,
    /// What its secret begins with, for lists.
    pub prefix: String,
    /// The last four characters of its secret, for lists.
    pub last4: String,
    /// What people call it; 1 to [`MAX_NAME_LEN`] characters.
    pub name: String,
    /// For people; at most [`MAX_NOTE_LEN`] characters.
    pub note: String,
    /// What it may do, and until when.
    pub terms: Terms,
    /// The credentials that it was made by, and theirs: their end is its end. Its owner is not among them.
    pub ancestors: Ancestors,
    /// When it was made.
    pub created_at: Timestamp,
    /// Switched off since.
    pub disabled_at: Option<Timestamp>,
    /// Taken away for good since.
    pub revoked_at: Option<Timestamp>,
    /// Why it was taken away.
    pub revoked_reason: Option<String>,
    /// The key that took its place; it works until the grace ends all the same.
    pub replaced_by: Option<ApiKeyId>,
    /// When the grace of a replaced key ends.
    pub grace_ends_at: Option<Timestamp>,
    /// The key whose place it took.
    pub replaces: Option<ApiKeyId>,
    /// Issued elsewhere, known here by its digest.
    pub imported: bool,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// From where it was last used.
    pub last_used_address: Option<IpAddr>,
    /// Counts its changes: a change is made to the version that was read.
    pub version: u64,
}

/// What a key's life has come to at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyStatus {
    /// Works.
    Active,
    /// Works, for less than [`EXPIRING_SOON`].
    ExpiringSoon,
    /// Works beside the key that replaced it, until the grace ends.
    InGrace,
    /// Its end, or the end of its grace, has passed.
    Expired,
    /// Switched off.
    Disabled,
    /// Taken away for good.
    Revoked,
}

impl KeyStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Active, Self::ExpiringSoon, Self::InGrace, Self::Expired, Self::Disabled, Self::Revoked];

    /// In addresses and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::ExpiringSoon => "expiring_soon",
            Self::InGrace => "in_grace",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
        }
    }
    /// On pages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::ExpiringSoon => "Expiring soon",
            Self::InGrace => "In grace",
            Self::Expired => "Expired",
            Self::Disabled => "Disabled",
            Self::Revoked => "Revoked",
        }
    }
    /// Whether calls with the key are answered.
    pub const fn works(self) -> bool {
        matches!(self, Self::Active | Self::ExpiringSoon | Self::InGrace)
    }
}

impl std::str::FromStr for KeyStatus {
    type Err = crate::change::UnknownName;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.as_str() == s).ok_or(crate::change::UnknownName)
    }
}

impl ApiKey {
    /// What its life has come to at `now`, by itself: the keys that it was made by are not asked.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.revoked_at.is_some() {
            return KeyStatus::Revoked;
        }
        if self.disabled_at.is_some() {
            return KeyStatus::Disabled;
        }
        match self.ends_at() {
            Some(end) if end <= now => KeyStatus::Expired,
            _ if self.replaced_by.is_some() => KeyStatus::InGrace,
            Some(end) if end.since(now) < EXPIRING_SOON => KeyStatus::ExpiringSoon,
            Some(_) | None => KeyStatus::Active,
        }
    }

    /// When it stops working by itself: at its own end, or at the end of its grace.
    pub fn ends_at(&self) -> Option<Timestamp> {
        sooner(self.terms.expires_at, self.grace_ends_at)
    }

    /// What a guard needs to know. `makers` are the living rows of those of its ancestors that are API keys: it has
    /// nothing that one of them has lost, ends with the first of them, and draws on the limit of the eldest.
    pub fn facts(&self, makers: &[Self], owner: &Owner, limits: &LimitDefaults) -> Facts {
        let eldest = makers.iter().min_by_key(|maker| (maker.created_at, maker.id)).unwrap_or(self);
        let mut terms = self.terms.clone();
        terms.expires_at = self.ends_at();
        let mut nowhere = false;
        for maker in makers {
            terms.scopes = terms.scopes.intersection(&maker.terms.scopes);
            terms.audiences.retain(|audience| maker.terms.audiences.contains(audience));
            terms.expires_at = sooner(terms.expires_at, maker.ends_at());
            match terms.addresses.intersection(&maker.terms.addresses) {
                Some(both) => terms.addresses = both,
                None => nowhere = true,
            }
        }
        let line = || std::iter::once(self).chain(makers);
        let state = if line().any(|key| key.revoked_at.is_some()) {
            State::Revoked
        } else if nowhere || line().any(|key| key.disabled_at.is_some()) {
            State::Disabled
        } else if owner.suspended_at.is_some() {
            State::OwnerSuspended
        } else {
            State::Active
        };
        let mut ancestors = self.ancestors.clone();
        if !ancestors.contains(&self.owner.entity()) {
            ancestors.push(self.owner.entity());
        }
        Facts {
            method: Method::ApiKey,
            id: self.id.entity(),
            owner: self.owner,
            subject: Subject::Owner(self.owner),
            client: None,
            environment: terms.environment,
            audiences: terms.audiences,
            scopes: terms.scopes,
            not_before: self.created_at - crate::jwt::LEEWAY,
            expires_at: terms.expires_at,
            state,
            addresses: terms.addresses,
            ancestors,
            signing_key: None,
            bound_to: None,
            budgets: limits
                .budgets(
                    eldest.id.entity(),
                    eldest.terms.rate,
                    (owner.id, owner.rate),
                    self.terms.environment,
                )
                .with_own_quotas(eldest.terms.quotas, self.terms.environment),
        }
    }

    /// What bounds a credential made by the holder of `facts`: those terms, and that line of ancestors.
    pub fn bounds_of(facts: &Facts) -> (Terms, Ancestors) {
        let terms = Terms {
            environment: facts.environment,
            audiences: facts.audiences.clone(),
            scopes: facts.scopes.clone(),
            addresses: facts.addresses.clone(),
            rate: None,
            quotas: crate::quota::Quotas::OFF,
            expires_at: facts.expires_at,
        };
        let mut line: Ancestors =
            facts.ancestors.iter().copied().filter(|id| *id != facts.owner.entity()).collect();
        line.push(facts.id);
        line.sort_unstable();
        line.dedup();
        (terms, line)
    }
}

/// The nearer of two ends, where none is for ever.
pub fn sooner(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

/// The APIs that a key is for; nearly always one.
pub type Audiences = SmallVec<[crate::audience::Audience; 1]>;

#[cfg(test)]
mod tests;
