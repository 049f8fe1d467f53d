//! Scopes (RFC 6749 §3.3) and sets of them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most scopes in a set.
pub const MAX_SCOPES: usize = 64;
/// The longest scope, in bytes.
pub const MAX_SCOPE_LEN: usize = 64;

/// One scope token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

impl Scope {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;
    fn from_str(s: &str) -> Result<Self, InvalidScope> {
        // RFC 6749 §3.3: 1*( %x21 / %x23-5B / %x5D-7E )
        let allowed = s.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if s.is_empty() || s.len() > MAX_SCOPE_LEN || !allowed {
            return Err(InvalidScope::Token);
        }
        Ok(Self(s.into()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no scope or set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// A character outside RFC 6749 §3.3, or too long, or empty.
    #[error("a scope is 1 to 64 printable ASCII characters without space, quote or backslash")]
    Token,
    /// More than [`MAX_SCOPES`].
    #[error("at most 64 scopes")]
    TooMany,
}

/// A set of scopes; sorted, each once. Written with single spaces between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet(Vec<Scope>);

impl ScopeSet {
    /// No scope.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }
    /// Whether `scope` is in it.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.binary_search_by(|s| s.as_str().cmp(scope)).is_ok()
    }
    /// Whether all of `other` are in it.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|s| self.contains(s.as_str()))
    }
    /// The first of `required` that is not in it. Allocates nothing.
    pub fn first_missing<'r>(&self, required: &[&'r str]) -> Option<&'r str> {
        required.iter().copied().find(|s| !self.contains(s))
    }
    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|s| other.contains(s.as_str())).cloned().collect())
    }
    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).cloned().collect()
    }
    /// What is in it and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|s| !other.contains(s.as_str())).cloned().collect())
    }
    /// In order.
    pub fn iter(&self) -> std::slice::Iter<'_, Scope> {
        self.0.iter()
    }
    /// How many.
    pub const fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(iter: I) -> Self {
        let mut list: Vec<Scope> = iter.into_iter().collect();
        list.sort_unstable();
        list.dedup();
        Self(list)
    }
}

impl<'a> IntoIterator for &'a ScopeSet {
    type Item = &'a Scope;
    type IntoIter = std::slice::Iter<'a, Scope>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromStr for ScopeSet {
    type Err = InvalidScope;
    fn from_str(s: &str) -> Result<Self, InvalidScope> {
        let mut list = Vec::new();
        for token in s.split(' ').filter(|t| !t.is_empty()) {
            if list.len() == MAX_SCOPES {
                return Err(InvalidScope::TooMany);
            }
            list.push(token.parse()?);
        }
        Ok(list.into_iter().collect())
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        text.parse().unwrap()
    }

    #[test]
    fn a_set_is_sorted_and_each_scope_stands_once() {
        assert_eq!(set("b a  b").to_string(), "a b");
        assert!(set("").is_empty());
    }

    #[test]
    fn the_first_missing_scope_is_named() {
        assert_eq!(set("notes:read").first_missing(&["notes:read", "notes:write"]), Some("notes:write"));
        assert_eq!(set("a b").first_missing(&["b", "a"]), None);
    }

    #[test]
    fn quotes_and_controls_are_refused() {
        for bad in ["a\"b", "a\\b", "ä", "a\tb", "a\nb"] {
            assert!(bad.parse::<ScopeSet>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn set_algebra() {
        assert_eq!(set("a b").intersection(&set("b c")), set("b"));
        assert_eq!(set("a b").union(&set("b c")), set("a b c"));
        assert_eq!(set("a b").without(&set("b c")), set("a"));
        assert!(set("a b").contains_all(&set("a")) && !set("a").contains_all(&set("a b")));
    }
}
