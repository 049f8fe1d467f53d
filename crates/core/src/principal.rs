//! Who calls, as a handler sees it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::facts::{Facts, Method, Subject};
use crate::ids::{ClientId, EntityId, OwnerId};
use crate::owner::Environment;
use crate::scope::ScopeSet;

/// How a guard came to know a credential for this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckedBy {
    /// It was in the cache, and nothing about it had changed.
    #[serde(rename = "cache")]
    Cache,
    /// It was looked up.
    #[serde(rename = "look-up")]
    LookUp,
    /// Its signature was verified.
    #[serde(rename = "signature")]
    Signature,
}

impl CheckedBy {
    /// As shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::LookUp => "look-up",
            Self::Signature => "signature",
        }
    }
}

/// The caller of a request that passed every check. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Principal {
    facts: std::sync::Arc<Facts>,
    checked_by: CheckedBy,
}

impl Principal {
    /// For a guard that has made up its mind.
    pub const fn new(facts: std::sync::Arc<Facts>, checked_by: CheckedBy) -> Self {
        Self { facts, checked_by }
    }
    /// How the credential proved itself.
    pub fn method(&self) -> Method {
        self.facts.method
    }
    /// The key or token.
    pub fn credential(&self) -> EntityId {
        self.facts.id
    }
    /// Who acts: the `sub`. Objects belong to it.
    pub fn subject(&self) -> Subject {
        self.facts.subject
    }
    /// Whom the credential belongs to.
    pub fn owner(&self) -> OwnerId {
        self.facts.owner
    }
    /// The app that holds the credential, if one does.
    pub fn client(&self) -> Option<ClientId> {
        self.facts.client
    }
    /// Live or test: the two never see each other's data.
    pub fn environment(&self) -> Environment {
        self.facts.environment
    }
    /// What it may do.
    pub fn scopes(&self) -> &ScopeSet {
        &self.facts.scopes
    }
    /// Until when the credential works.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.facts.expires_at
    }
    /// How the guard came to know the credential.
    pub fn checked_by(&self) -> CheckedBy {
        self.checked_by
    }
    /// Everything known about the credential.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}
