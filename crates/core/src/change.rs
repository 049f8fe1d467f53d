//! The change feed: what a guard must hear of, and where it stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::{Duration, Timestamp};
use crate::ids::EntityId;

/// A place in the feed. Dense and in commit order; 0 is before the first change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// Which feed a position belongs to; a restore begins a new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub String);

/// What kind of thing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// A person or a team.
    Owner,
    /// An API key.
    ApiKey,
    /// A refresh-token family.
    Family,
    /// A user's consent to an app.
    Grant,
    /// An OAuth client.
    Client,
    /// An account elsewhere: tokens from there speak for its owner.
    Connection,
    /// One access token.
    Token,
    /// A signing key: the verification keys must be fetched again.
    SigningKey,
}

impl EntityKind {
    /// As stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::ApiKey => "api_key",
            Self::Family => "family",
            Self::Grant => "grant",
            Self::Client => "client",
            Self::Connection => "connection",
            Self::Token => "token",
            Self::SigningKey => "signing_key",
        }
    }
}

impl FromStr for EntityKind {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Ok(match s {
            "owner" => Self::Owner,
            "api_key" => Self::ApiKey,
            "family" => Self::Family,
            "grant" => Self::Grant,
            "client" => Self::Client,
            "connection" => Self::Connection,
            "token" => Self::Token,
            "signing_key" => Self::SigningKey,
            _ => return Err(UnknownName),
        })
    }
}

/// What the change means for what descends from the thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Something was taken away: access tokens issued before this position are dead, and stay so.
    Ended,
    /// Something else changed: what is cached about it must be looked up again.
    Changed,
}

impl Effect {
    /// As stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Changed => "changed",
        }
    }
}

impl FromStr for Effect {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "ended" => Ok(Self::Ended),
            "changed" => Ok(Self::Changed),
            _ => Err(UnknownName),
        }
    }
}

/// A name that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

/// A change about to be published by the transaction that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// What kind of thing.
    pub kind: EntityKind,
    /// Which.
    pub id: EntityId,
    /// What it means for descendants.
    pub effect: Effect,
    /// Until when anything that descends from the thing could still be presented.
    pub relevant_until: Timestamp,
}

impl NewChange {
    /// How long after a change an access token issued before it could still be in time: the longest lifetime of
    /// a JWT and the tolerance between clocks. Not the parent's own expiry, which may be nearer.
    pub const RELEVANCE: Duration = Duration::micros(
        crate::jwt::MAX_ACCESS_TOKEN_LIFETIME.as_micros() + crate::jwt::LEEWAY.as_micros() * 2,
    );

    /// Something was taken away from `id`.
    pub fn ended(kind: EntityKind, id: impl Into<EntityId>, now: Timestamp) -> Self {
        Self { kind, id: id.into(), effect: Effect::Ended, relevant_until: now + Self::RELEVANCE }
    }
    /// `id` changed without losing anything.
    pub fn changed(kind: EntityKind, id: impl Into<EntityId>, now: Timestamp) -> Self {
        Self { kind, id: id.into(), effect: Effect::Changed, relevant_until: now + Self::RELEVANCE }
    }
}

/// A change at its place. Tells ids, kinds and positions and nothing else: one feed serves all guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where it stands.
    pub position: Position,
    /// What kind of thing.
    pub kind: EntityKind,
    /// Which.
    pub id: EntityId,
    /// What it means for descendants.
    pub effect: Effect,
    /// Until when it matters.
    pub relevant_until: Timestamp,
}

/// Where a feed stands. Rows up to and including `tail` may be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedHead {
    /// Which feed.
    pub epoch: Epoch,
    /// The newest position.
    pub head: Position,
    /// The newest position that is no longer kept.
    pub tail: Position,
}

/// An answer to "what came after this position?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPage {
    /// Where the feed stood when it was read.
    #[serde(flatten)]
    pub at: FeedHead,
    /// The changes after the position asked for, dense and in order; possibly not up to the head.
    pub changes: Vec<Change>,
}

/// Everything that still matters, for a guard that starts from nothing. The head was read before the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedSnapshot {
    /// Where the feed stood before the rows were read.
    #[serde(flatten)]
    pub at: FeedHead,
    /// All changes with [`Effect::Ended`] that are still relevant.
    pub ended: Vec<Change>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
