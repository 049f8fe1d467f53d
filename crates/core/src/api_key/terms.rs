//! What a key may do and until when, and the one rule about it: nothing grants what it does not have.

use super::{Audiences, sooner};
use crate::address::AddressList;
use crate::clock::Timestamp;
use crate::owner::Environment;
use crate::quota::{Quotas, Window};
use crate::rate::{Limit, Rate};
use crate::scope::ScopeSet;

/// What a key may do, where, how often and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Live or test. Never changes.
    pub environment: Environment,
    /// The APIs it is for; sorted, at least one.
    pub audiences: Audiences,
    /// What it may do there; at least one.
    pub scopes: ScopeSet,
    /// From where it may be used.
    pub addresses: AddressList,
    /// Its own limit, in place of the setting's.
    pub rate: Option<Rate>,
    /// Its own quotas; where one is off, the setting's holds.
    pub quotas: Quotas,
    /// When it ends of itself; `None` is never. A grace may end before.
    pub expires_at: Option<Timestamp>,
}

/// What one set of terms has that another has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Live beside test, or the other way round.
    Environment,
    /// An API.
    Audience(String),
    /// A scope.
    Scope(String),
    /// An address.
    Addresses,
    /// Calls at a time.
    Rate,
    /// Calls in a calendar window.
    Quota(Window),
    /// Time.
    Expiry,
}

impl Terms {
    /// The first thing that `self` has and `other` has not; `None` if it lies within it. `default` and
    /// `default_quotas` are the limits of terms that name none.
    ///
    /// The one comparison for all three questions: what a maker may give (`new` against the maker's), whether a
    /// change widens (`new` against `old`), and whether it takes something away (`old` against `new`).
    pub fn first_excess(&self, other: &Self, default: Limit, default_quotas: Quotas) -> Option<Excess> {
        if self.environment != other.environment {
            return Some(Excess::Environment);
        }
        if let Some(audience) = self.audiences.iter().find(|a| !other.audiences.contains(a)) {
            return Some(Excess::Audience(audience.to_string()));
        }
        if let Some(scope) = self.scopes.iter().find(|s| !other.scopes.contains(s.as_str())) {
            return Some(Excess::Scope(scope.to_string()));
        }
        if !self.addresses.within(&other.addresses) {
            return Some(Excess::Addresses);
        }
        if exceeds(self.limit(default), other.limit(default)) {
            return Some(Excess::Rate);
        }
        let quotas = self.quotas.or(default_quotas);
        if let Some(window) = quotas.first_excess(other.quotas.or(default_quotas)) {
            return Some(Excess::Quota(window));
        }
        if sooner(self.expires_at, other.expires_at) != self.expires_at {
            return Some(Excess::Expiry);
        }
        None
    }

    /// Its own limit, or `default`.
    pub fn limit(&self, default: Limit) -> Limit {
        self.rate.map_or(default, Limit::At)
    }
}

/// Whether `a` ever lets through what `b` would not.
fn exceeds(a: Limit, b: Limit) -> bool {
    match (a, b) {
        (_, Limit::Off) => false,
        (Limit::Off, Limit::At(_)) => true,
        (Limit::At(a), Limit::At(b)) => a.exceeds(b),
    }
}
