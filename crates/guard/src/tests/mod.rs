//! The guard against a source that can be slow, wrong and gone.

#[cfg(not(feature = "shuttle"))]
mod checks;
#[cfg(not(feature = "shuttle"))]
mod following;
#[cfg(all(feature = "actix", not(feature = "shuttle")))]
mod http;
#[cfg(not(feature = "shuttle"))]
mod jwt;
#[cfg(not(feature = "shuttle"))]
mod outages;
#[cfg(not(feature = "shuttle"))]
mod outside;
#[cfg(not(feature = "shuttle"))]
mod proofs;
#[cfg(not(feature = "shuttle"))]
mod quotas;
#[cfg(not(feature = "shuttle"))]
mod records;
#[cfg(feature = "shuttle")]
mod schedules;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use keyway_core::change::{
    Change, Effect, EntityKind, Epoch, FeedHead, FeedPage, FeedSnapshot, NewChange, Position,
};
use keyway_core::clock::{Clock, Duration, ManualClock, Timestamp};
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::facts::{Facts, LimitDefaults, Method, State, Subject};
use keyway_core::ids::{ClientId, EntityId, OwnerId, TokenId};
use keyway_core::jwt::{AccessClaims, Algorithm, Descent, Jwks, SigningKey, VerificationKeys, generate_key};
use keyway_core::owner::Environment;
#[cfg(not(feature = "shuttle"))]
use keyway_core::principal::Principal;
use keyway_core::quota::{Counted, Day};
use keyway_core::random::SeededRandom;
use keyway_core::record::RecordBatch;
use keyway_core::refusal::Refusal;
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_core::source::{CredentialSource, Pending, Presented, RecordSink, SourceError};
use parking_lot::Mutex;
use smallvec::smallvec;
use tokio::sync::Notify;

use crate::{Guard, RequestParts, Settings, Verdict};

pub(super) const START: Timestamp = Timestamp::from_seconds(1_795_510_800);
pub(crate) const API: &str = "http://api.example";
pub(super) const ISSUER: &str = "http://portal.example";

/// A database in memory that can be told to misbehave.
#[derive(Default)]
pub(super) struct Source {
    known: Mutex<HashMap<SecretDigest, Facts>>,
    changes: Mutex<Vec<Change>>,
    head: AtomicU64,
    pub(super) jwks: Mutex<Jwks>,
    pub(super) failing: AtomicBool,
    /// Batches alone are refused.
    pub(super) store_failing: AtomicBool,
    pub(super) feed_failing: AtomicBool,
    /// The feed takes questions and answers none.
    pub(super) feed_silent: AtomicBool,
    /// When the feed was asked, while it failed or after.
    pub(super) feed_asked: Mutex<Vec<tokio::time::Instant>>,
    /// How often the verification keys were read.
    pub(super) keys_read: AtomicUsize,
    /// Look-ups take so long, in milliseconds.
    pub(super) slow_ms: AtomicU64,
    /// A look-up that has read its answer waits here.
    pub(super) gate: Mutex<Option<Arc<Notify>>>,
    /// Told when a look-up arrives at the gate.
    pub(super) at_gate: Notify,
    pub(super) look_ups: AtomicUsize,
    pub(super) batches: Mutex<Vec<RecordBatch>>,
    /// Calls counted against quotas.
    counted: Mutex<HashMap<(EntityId, Environment, Day), u64>>,
}

impl Source {
    pub(super) fn learn(&self, secret: &PlainSecret, facts: Facts) {
        self.known.lock().insert(secret.digest(), facts);
    }
    #[cfg_attr(feature = "shuttle", expect(dead_code, reason = "schedules change what is known"))]
    pub(super) fn forget(&self, secret: &PlainSecret) {
        self.known.lock().remove(&secret.digest());
    }
    /// Changes what is known, and publishes it at once.
    pub(super) fn change(&self, secret: &PlainSecret, effect: Effect, change: impl FnOnce(&mut Facts)) {
        let id = {
            let mut known = self.known.lock();
            let facts = known.get_mut(&secret.digest()).unwrap();
            change(facts);
            facts.id
        };
        self.publish(EntityKind::ApiKey, id, effect);
    }
    pub(super) fn publish(&self, kind: EntityKind, id: EntityId, effect: Effect) {
        self.publish_unseen(kind, id, effect);
        self.head.store(self.changes.lock().len() as u64, Ordering::SeqCst);
    }
    /// As another process does: the head in this one does not rise.
    pub(super) fn publish_unseen(&self, kind: EntityKind, id: EntityId, effect: Effect) {
        let mut changes = self.changes.lock();
        let relevant_until = START + NewChange::RELEVANCE;
        let position = Position(changes.len() as u64 + 1);
        changes.push(Change { position, kind, id, effect, relevant_until });
    }
    fn at(&self) -> FeedHead {
        let head = Position(self.changes.lock().len() as u64);
        FeedHead { epoch: Epoch("one".into()), head, tail: Position(0) }
    }
    fn feed(&self) -> Result<(), SourceError> {
        if self.feed_failing.load(Ordering::SeqCst) {
            return Err(SourceError::Unavailable("the feed is down".into()));
        }
        Ok(())
    }
    fn total(&self, id: EntityId, environment: Environment, day: Day) -> Counted {
        let counted = self.counted.lock();
        let since = |first: Day| {
            let ours = |(of, env, day): &(EntityId, Environment, Day)| {
                (*of, *env) == (id, environment) && *day >= first
            };
            counted.iter().filter(|(key, _)| ours(key)).map(|(_, calls)| calls).sum()
        };
        Counted { id, environment, day, in_day: since(day), in_month: since(day.month().first_day()) }
    }
    /// What is stored of a budget's calls on a day.
    #[cfg(not(feature = "shuttle"))]
    pub(super) fn calls_on(&self, id: EntityId, day: Day) -> u64 {
        self.counted.lock().get(&(id, Environment::Live, day)).copied().unwrap_or_default()
    }
    async fn look_up(&self, presented: Presented<'_>) -> Result<Option<Facts>, SourceError> {
        self.look_ups.fetch_add(1, Ordering::SeqCst);
        let found = self.known.lock().get(&presented.digest).cloned();
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            self.at_gate.notify_one();
            gate.notified().await;
        }
        let slow = self.slow_ms.load(Ordering::SeqCst);
        if slow > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(slow)).await;
        }
        if self.failing.load(Ordering::SeqCst) {
            return Err(SourceError::Unavailable("the database is down".into()));
        }
        Ok(found)
    }
}

impl CredentialSource for Source {
    fn api_key<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(self.look_up(presented))
    }
    fn access_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(self.look_up(presented))
    }
    fn outside_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(self.look_up(presented))
    }
    fn jwt_ended<'a>(&'a self, _: Presented<'a>, ids: &'a [EntityId], since: Position) -> Pending<'a, bool> {
        Box::pin(async move {
            self.look_ups.fetch_add(1, Ordering::SeqCst);
            if self.failing.load(Ordering::SeqCst) {
                return Err(SourceError::Unavailable("the database is down".into()));
            }
            let changes = self.changes.lock();
            Ok(changes.iter().any(|c| c.effect == Effect::Ended && c.position > since && ids.contains(&c.id)))
        })
    }
    fn counted<'a>(&'a self, _: Presented<'a>, facts: &'a Facts, at: Timestamp) -> Pending<'a, Vec<Counted>> {
        Box::pin(async move {
            if self.failing.load(Ordering::SeqCst) {
                return Err(SourceError::Unavailable("the database is down".into()));
            }
            Ok(facts.budgets.ids().map(|id| self.total(id, facts.environment, Day::of(at))).collect())
        })
    }
    fn verification_keys(&self) -> Pending<'_, VerificationKeys> {
        Box::pin(async move {
            self.keys_read.fetch_add(1, Ordering::SeqCst);
            Ok(VerificationKeys::from_jwks(&self.jwks.lock()).unwrap())
        })
    }
    fn changes<'a>(&'a self, _: &'a Epoch, after: Position, wait: Duration) -> Pending<'a, FeedPage> {
        Box::pin(async move {
            self.feed_asked.lock().push(tokio::time::Instant::now());
            if self.feed_silent.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if self.at().head == after && wait > Duration::ZERO {
                tokio::time::sleep(wait.to_std()).await;
            }
            self.feed()?;
            let changes = self.changes.lock().iter().filter(|c| c.position > after).copied().collect();
            Ok(FeedPage { at: self.at(), changes })
        })
    }
    fn snapshot(&self) -> Pending<'_, FeedSnapshot> {
        Box::pin(async move {
            self.feed()?;
            let ended = self.changes.lock().iter().filter(|c| c.effect == Effect::Ended).copied().collect();
            Ok(FeedSnapshot { at: self.at(), ended })
        })
    }
    fn head(&self) -> Position {
        Position(self.head.load(Ordering::SeqCst))
    }
}

impl RecordSink for Source {
    fn store<'a>(&'a self, batch: &'a RecordBatch) -> Pending<'a, Vec<Counted>> {
        Box::pin(async move {
            let failing = self.failing.load(Ordering::SeqCst) || self.store_failing.load(Ordering::SeqCst);
            if failing {
                return Err(SourceError::Unavailable("the database is down".into()));
            }
            let mut batches = self.batches.lock();
            let new = batches.iter().all(|before| before.id != batch.id);
            if new {
                batches.push(batch.clone());
            }
            let mut told = Vec::new();
            for drawn in &batch.drawn {
                for id in std::iter::once(drawn.root).chain(drawn.owner.map(OwnerId::entity)) {
                    if new {
                        let key = (id, drawn.environment, drawn.day);
                        *self.counted.lock().entry(key).or_default() += drawn.calls;
                    }
                    told.push((id, drawn.environment, drawn.day));
                }
            }
            Ok(told.into_iter().map(|(id, environment, day)| self.total(id, environment, day)).collect())
        })
    }
}

/// A guard with its clock and its source.
pub(crate) struct House {
    pub(crate) guard: Guard,
    pub(super) source: Arc<Source>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) random: SeededRandom,
    pub(super) signer: SigningKey,
}

#[cfg_attr(feature = "shuttle", expect(dead_code, reason = "schedules use a part of it"))]
impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }
    pub(super) fn with(adjust: impl FnOnce(&mut Settings)) -> Self {
        Self::around(|source| source, adjust)
    }
    /// With something between the guard and its source.
    pub(super) fn around<S: CredentialSource>(
        wrap: impl FnOnce(Arc<Source>) -> Arc<S>,
        adjust: impl FnOnce(&mut Settings),
    ) -> Self {
        let source = Arc::new(Source::default());
        let clock = Arc::new(ManualClock::at(START));
        // The beginning of monotonic time is when nothing has been seen yet.
        clock.advance(Duration::seconds(100));
        clock.set_wall(START);
        let der = generate_key(Algorithm::Es256).unwrap();
        let signer = SigningKey::from_pkcs8("key-1", Algorithm::Es256, &der).unwrap();
        source.jwks.lock().keys.push(signer.public_jwk().unwrap());
        let mut settings = Settings::new(API.parse().unwrap(), ISSUER);
        settings.resource_metadata = Some(format!("{API}/.well-known/oauth-protected-resource"));
        adjust(&mut settings);
        let guard = Guard::new(
            settings,
            wrap(Arc::clone(&source)),
            Some(Arc::<Source>::clone(&source)),
            Arc::<ManualClock>::clone(&clock),
            Arc::new(SeededRandom::new(1)),
        );
        Self { guard, source, clock, random: SeededRandom::new(2), signer }
    }
    /// A key that works, and its secret.
    pub(crate) fn key(&self) -> PlainSecret {
        self.key_with(|_| {})
    }
    pub(crate) fn key_with(&self, adjust: impl FnOnce(&mut Facts)) -> PlainSecret {
        let secret = generate(&Brand::default(), Kind::LiveKey, &self.random);
        let mut facts = self.facts();
        adjust(&mut facts);
        self.source.learn(&secret, facts);
        secret
    }
    pub(super) fn facts(&self) -> Facts {
        let id = EntityId::new(START, &self.random);
        let owner = OwnerId::new(START, &self.random);
        Facts {
            method: Method::ApiKey,
            id,
            owner,
            subject: Subject::Owner(owner),
            client: None,
            environment: Environment::Live,
            audiences: smallvec![API.parse().unwrap()],
            scopes: "notes:read".parse().unwrap(),
            not_before: START,
            expires_at: Some(START + Duration::days(90)),
            state: State::Active,
            addresses: keyway_core::address::AddressList::default(),
            ancestors: smallvec![owner.entity()],
            signing_key: None,
            bound_to: None,
            budgets: LimitDefaults::default().budgets(id, None, (owner, None), Environment::Live),
        }
    }
    pub(super) async fn call(&self, credential: &str) -> Verdict {
        self.call_from(credential, [192, 0, 2, 1].into()).await
    }
    pub(super) async fn call_from(&self, credential: &str, address: IpAddr) -> Verdict {
        let arrival = self.guard.arrive();
        let header = format!("Bearer {credential}");
        let parts = RequestParts {
            authorization: smallvec![header.as_bytes()],
            api_key: smallvec![],
            proofs: smallvec![],
            method: "GET",
            path: "/v1/notes",
            query: "",
            address: Some(address),
            request: arrival.request,
            arrived: arrival.moment,
        };
        self.guard.check(&parts).await
    }
    /// The refusal's code, or `ok`.
    pub(super) async fn code(&self, credential: &str) -> &'static str {
        code(&self.call(credential).await)
    }
    pub(super) fn look_ups(&self) -> usize {
        self.source.look_ups.load(Ordering::SeqCst)
    }
}

impl House {
    /// An access token issued at `pos`.
    pub(super) fn jwt(&self, pos: u64, ancestors: &[EntityId]) -> String {
        self.jwt_with(pos, ancestors, |_| {})
    }
    pub(super) fn jwt_with(
        &self,
        pos: u64,
        ancestors: &[EntityId],
        adjust: impl FnOnce(&mut AccessClaims),
    ) -> String {
        let mut facts = self.facts();
        facts.ancestors = ancestors.iter().copied().collect();
        let mut claims = AccessClaims {
            iss: ISSUER.into(),
            sub: facts.owner.to_string(),
            aud: API.parse().unwrap(),
            exp: (now(self) + Duration::minutes(15)).as_seconds(),
            iat: now(self).as_seconds(),
            jti: TokenId::new(START, &self.random),
            client_id: ClientId::CLI,
            scope: facts.scopes.clone(),
            auth_time: None,
            cnf: None,
            keyway: Descent::of(&facts, Position(pos)),
        };
        adjust(&mut claims);
        self.signer.sign(&claims).unwrap()
    }
    pub(super) fn some_id(&self) -> EntityId {
        EntityId::new(START, &self.random)
    }
}

pub(super) fn code(verdict: &Verdict) -> &'static str {
    verdict.refusal().map_or("ok", Refusal::code)
}

#[cfg(not(feature = "shuttle"))]
pub(super) fn caller(verdict: &Verdict) -> &Principal {
    verdict.decision().unwrap()
}

/// Time that both readings show.
pub(super) fn now(house: &House) -> Timestamp {
    house.clock.now()
}
