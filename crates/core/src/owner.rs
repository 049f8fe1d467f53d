//! Whom credentials belong to, and live or test.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::change::UnknownName;
use crate::clock::Timestamp;
use crate::ids::OwnerId;
use crate::rate::Rate;

/// What kind of owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerKind {
    /// One person with an account.
    Person,
    /// Several persons together.
    Team,
    /// The portal itself: owns clients made by command without an owner.
    Builtin,
}

impl OwnerKind {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Team => "team",
            Self::Builtin => "builtin",
        }
    }
}

impl FromStr for OwnerKind {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "person" => Ok(Self::Person),
            "team" => Ok(Self::Team),
            "builtin" => Ok(Self::Builtin),
            _ => Err(UnknownName),
        }
    }
}

/// A person or a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Also the `sub` of what acts for it.
    pub id: OwnerId,
    /// What kind.
    pub kind: OwnerKind,
    /// On pages; at most 100 characters.
    pub name: String,
    /// Nothing of a suspended owner works.
    pub suspended_at: Option<Timestamp>,
    /// A shared limit of its own, in place of the setting's.
    pub rate: Option<Rate>,
    /// When it came to be.
    pub created_at: Timestamp,
}

/// Whether a credential reaches real data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Production data.
    Live,
    /// Test data; a tenth of the limits, kept apart.
    Test,
}

impl Environment {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

impl FromStr for Environment {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "live" => Ok(Self::Live),
            "test" => Ok(Self::Test),
            _ => Err(UnknownName),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
