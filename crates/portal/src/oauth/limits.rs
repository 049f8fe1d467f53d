//! How often the token endpoint and its siblings may be called: settings `[limits]`.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use keyway_core::Clock;
use keyway_core::address::counted;
use keyway_core::ids::{ClientId, EntityId};
use keyway_core::oauth::{Client, ClientKind};
use keyway_core::rate::Limit;

use super::error::EndpointError;
use crate::settings::Limits;

/// So many callers are remembered before those who are back at the full limit are forgotten.
const PRUNE_AT: usize = 10_000;

/// The injected clock, as governor reads it.
#[derive(Clone)]
struct Reading(Arc<dyn Clock>);

impl GovernorClock for Reading {
    type Instant = Duration;
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.monotonic().0)
    }
}

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, Reading, NoOpMiddleware<Duration>>;

/// One limit, counted apart for each caller. Cheap to clone; all clones are one.
pub struct KeyedLimit<K: Clone + Hash + Eq>(Option<Arc<Limiter<K>>>);

impl<K: Clone + Hash + Eq> Clone for KeyedLimit<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Clone + Hash + Eq> KeyedLimit<K> {
    /// As set; `off` counts nothing.
    pub fn new(limit: Limit, clock: Arc<dyn Clock>) -> Self {
        let limiter = limit.rate().and_then(|rate| {
            let quota = Quota::with_period(Duration::from_nanos(rate.interval_nanos().max(1)))?;
            let quota = quota.allow_burst(rate.burst);
            Some(Arc::new(RateLimiter::new(quota, HashMapStateStore::default(), Reading(clock))))
        });
        Self(limiter)
    }

    /// Counts a call of `key`.
    ///
    /// # Errors
    /// [`EndpointError::TooMany`] if it is over the limit.
    pub fn spend(&self, key: &K) -> Result<(), EndpointError> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        if limiter.len() > PRUNE_AT {
            limiter.retain_recent();
        }
        limiter.check_key(key).map_err(|refusal| {
            let wait = refusal.wait_time_from(limiter.clock().now());
            EndpointError::TooMany { retry_after: wait.as_secs().saturating_add(1) }
        })
    }
}

/// The limits of the endpoints.
#[derive(Clone)]
pub struct EndpointLimits {
    token: KeyedLimit<IpAddr>,
    revoke: KeyedLimit<IpAddr>,
    introspect: KeyedLimit<ClientId>,
    unknown: KeyedLimit<IpAddr>,
    register: KeyedLimit<IpAddr>,
    userinfo: KeyedLimit<EntityId>,
    device: KeyedLimit<IpAddr>,
    par: KeyedLimit<(ClientId, Option<IpAddr>)>,
    authorize: KeyedLimit<EntityId>,
    authorize_unknown: KeyedLimit<IpAddr>,
}

impl EndpointLimits {
    /// As set.
    pub fn new(limits: &Limits, clock: &Arc<dyn Clock>) -> Self {
        let by_address = |limit| KeyedLimit::new(limit, Arc::clone(clock));
        Self {
            token: by_address(limits.token),
            revoke: by_address(limits.revoke),
            introspect: KeyedLimit::new(limits.introspect, Arc::clone(clock)),
            // Whoever does not authenticate at the introspection endpoint guesses.
            unknown: by_address(limits.revoke),
            register: by_address(limits.register),
            userinfo: KeyedLimit::new(limits.userinfo, Arc::clone(clock)),
            device: by_address(limits.device),
            par: KeyedLimit::new(limits.par, Arc::clone(clock)),
            authorize: KeyedLimit::new(limits.authorize, Arc::clone(clock)),
            authorize_unknown: by_address(limits.authorize),
        }
    }
    /// `/oauth/token`, by address.
    ///
    /// # Errors
    /// Over the limit.
    pub fn token(&self, address: IpAddr) -> Result<(), EndpointError> {
        self.token.spend(&counted(address))
    }
    /// `/oauth/revoke`, by address.
    ///
    /// # Errors
    /// Over the limit.
    pub fn revoke(&self, address: IpAddr) -> Result<(), EndpointError> {
        self.revoke.spend(&counted(address))
    }
    /// `/oauth/register`, by address.
    ///
    /// # Errors
    /// Over the limit.
    pub fn register(&self, address: IpAddr) -> Result<(), EndpointError> {
        self.register.spend(&counted(address))
    }
    /// `/oauth/par`, by client; by client and address where anybody can say to be it.
    ///
    /// # Errors
    /// Over the limit.
    pub fn par(&self, client: &Client, address: IpAddr) -> Result<(), EndpointError> {
        let from = (client.kind == ClientKind::Public).then(|| counted(address));
        self.par.spend(&(client.id, from))
    }
    /// `/oauth/authorize`, by person; by address where nobody has signed in.
    ///
    /// # Errors
    /// Over the limit.
    pub fn authorize(&self, person: Option<EntityId>, address: IpAddr) -> Result<(), EndpointError> {
        match person {
            Some(person) => self.authorize.spend(&person),
            None => self.authorize_unknown.spend(&counted(address)),
        }
    }
    /// `/oauth/userinfo`, by token.
    ///
    /// # Errors
    /// Over the limit.
    pub fn userinfo(&self, token: EntityId) -> Result<(), EndpointError> {
        self.userinfo.spend(&token)
    }
    /// `/oauth/introspect`, by client.
    ///
    /// # Errors
    /// Over the limit.
    pub fn introspect(&self, client: ClientId) -> Result<(), EndpointError> {
        self.introspect.spend(&client)
    }
    /// `/oauth/device_authorization`, by address.
    ///
    /// # Errors
    /// Over the limit.
    pub fn device(&self, address: IpAddr) -> Result<(), EndpointError> {
        self.device.spend(&counted(address))
    }
    /// `/oauth/introspect`, by the address of who is no client.
    ///
    /// # Errors
    /// Over the limit.
    pub fn unknown_client(&self, address: IpAddr) -> Result<(), EndpointError> {
        self.unknown.spend(&counted(address))
    }
}

#[cfg(test)]
mod tests {
    use keyway_core::clock::{Duration, ManualClock};

    use super::*;

    #[test]
    fn a_burst_passes_and_time_brings_the_next() {
        let clock = Arc::new(ManualClock::at(keyway_core::Timestamp::default()));
        let limit = KeyedLimit::new("60/min burst=2".parse().unwrap(), Arc::clone(&clock) as Arc<dyn Clock>);
        assert!(limit.spend(&1).is_ok() && limit.spend(&1).is_ok());
        assert!(matches!(limit.spend(&1), Err(EndpointError::TooMany { retry_after: 1..=2 })));
        assert!(limit.spend(&2).is_ok());
        clock.advance(Duration::seconds(1));
        assert!(limit.spend(&1).is_ok());
        assert!(limit.spend(&1).is_err());
    }

    #[test]
    fn a_limit_that_is_off_counts_nothing() {
        let clock = Arc::new(ManualClock::at(keyway_core::Timestamp::default()));
        let limit = KeyedLimit::new(Limit::Off, clock);
        assert!((0..1_000).all(|_| limit.spend(&1).is_ok()));
    }
}
