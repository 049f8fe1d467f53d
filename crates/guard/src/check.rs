//! The whole order of checks, to a verdict. Names no framework.
//!
//! *parsed, checksum, found, signature, issuer and audience, proof, not revoked, enabled, in time, address, limit,
//! scope*: the first five lead to facts, the rest is asked anew on every call.

use std::net::IpAddr;
use std::sync::Arc;

use keyway_core::address::counted;
use keyway_core::clock::{Duration, Moment, Monotonic};
use keyway_core::facts::{Facts, State};
use keyway_core::ids::RequestId;
use keyway_core::oauth::dpop::{Proof, ProofError};
use keyway_core::principal::{CheckedBy, Principal};
use keyway_core::quota::Measure;
use keyway_core::refusal::{Refusal, SpentLimit};
use keyway_core::secret::SecretDigest;
use keyway_core::source;

use crate::cache::{Answer, Nothing};
use crate::entry::Entry;
use crate::extract::{Presented, RequestParts, extract};
use crate::freshness::Stamp;
use crate::guard::Inner;
use crate::limit::{Allowance, Counting, Full, LimitHeaders, Policy, Spent};
use crate::look_up::{LookUp, NotLearnt, verify};
use crate::proof::{Spending, prove};
use crate::settings::JwtSignature;
use crate::trusted::MAX_OUTSIDE_AGE;

/// After how many seconds another try makes sense where a look-up failed.
const RETRY_AFTER: u64 = 1;
/// How often a look-up is repeated because something changed while it was under way.
const TRIES: usize = 4;

/// What a guard makes of a request.
#[derive(Debug)]
pub struct Verdict {
    request: RequestId,
    arrived: Moment,
    address: Option<IpAddr>,
    entry: Option<Arc<Entry>>,
    decision: Result<Principal, Refusal>,
    allowance: Option<Allowance>,
}

impl Verdict {
    /// The caller, or why the call is refused.
    ///
    /// # Errors
    /// The first check that failed.
    pub const fn decision(&self) -> Result<&Principal, &Refusal> {
        self.decision.as_ref()
    }
    /// Why the call is refused; `None` if it is not.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.decision.as_ref().err()
    }
    /// Whether the caller has all scopes of a route.
    ///
    /// # Errors
    /// [`Refusal::InsufficientScope`], or why the call was refused before.
    pub fn require(&self, scopes: &[&str]) -> Result<(), Refusal> {
        let principal = self.decision.as_ref().map_err(Clone::clone)?;
        match principal.scopes().first_missing(scopes) {
            None => Ok(()),
            Some(missing) => {
                Err(Refusal::InsufficientScope { required: scopes.join(" "), missing: missing.to_owned() })
            }
        }
    }
    /// What is left of the limits; `None` for a credential that did not get as far as the limits.
    pub const fn allowance(&self) -> Option<&Allowance> {
        self.allowance.as_ref()
    }
    /// The request's id.
    pub const fn request(&self) -> RequestId {
        self.request
    }
    /// When the request came in.
    pub const fn arrived(&self) -> Moment {
        self.arrived
    }
    /// From where.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }
    /// The values of the limit headers; `None` where the call did not get as far, or no limit holds.
    pub fn limits(&self) -> Option<(&Policy, LimitHeaders)> {
        Some((self.entry.as_ref()?.limiters.policy()?, LimitHeaders::of(self.allowance.as_ref()?)?))
    }
    pub(crate) const fn entry(&self) -> Option<&Arc<Entry>> {
        self.entry.as_ref()
    }
}

/// What was presented, what is known of it, and since when.
type Known<'p> = (Presented<'p>, Arc<Entry>, CheckedBy);

impl Inner {
    pub(crate) async fn check(&self, parts: &RequestParts<'_>) -> Verdict {
        match self.check_now(parts) {
            Some(verdict) => verdict,
            None => self.verdict(parts, self.known(parts).await),
        }
    }

    /// The verdict that needs no waiting; `None` where nothing is known yet, or the feed is out of sight.
    pub(crate) fn check_now(&self, parts: &RequestParts<'_>) -> Option<Verdict> {
        let known = match extract(parts, &self.settings.shapes) {
            Err(refusal) => Err(refusal),
            Ok(presented) => {
                let now = parts.arrived.mono;
                if !self.follower.is_abreast(now) {
                    return None;
                }
                let digest = SecretDigest::of(presented.text.as_bytes());
                self.at_hand(&digest, now, true)?.and_then(|entry| self.seen_before(presented, entry))
            }
        };
        Some(self.verdict(parts, known))
    }

    fn verdict(&self, parts: &RequestParts<'_>, known: Result<Known<'_>, Refusal>) -> Verdict {
        let mut verdict = Verdict {
            request: parts.request,
            arrived: parts.arrived,
            address: parts.address,
            entry: None,
            decision: Err(Refusal::MissingCredential),
            allowance: None,
        };
        verdict.decision = match known {
            Err(refusal) => Err(refusal),
            Ok((presented, entry, checked_by)) => {
                let decision = self.judge(&entry, presented, parts, &mut verdict.allowance);
                let facts = Arc::clone(&entry.facts);
                verdict.entry = Some(entry);
                decision.map(|()| Principal::new(facts, checked_by))
            }
        };
        verdict
    }

    /// Parsed, checksum, found, signature, issuer: from the request to facts.
    async fn known<'p>(&self, parts: &RequestParts<'p>) -> Result<Known<'p>, Refusal> {
        let presented = extract(parts, &self.settings.shapes)?;
        let now = parts.arrived.mono;
        let current = self.follower.keep_up(now).await;
        let digest = SecretDigest::of(presented.text.as_bytes());
        match self.find(digest, presented, parts.address, now, current).await? {
            (entry, CheckedBy::Cache) => self.seen_before(presented, entry),
            (entry, checked_by) => Ok((presented, entry, checked_by)),
        }
    }

    /// What was in the cache; a signature is verified again if the settings say so.
    fn seen_before<'p>(&self, presented: Presented<'p>, entry: Arc<Entry>) -> Result<Known<'p>, Refusal> {
        if entry.facts.signing_key.is_none() || self.settings.jwt_signature != JwtSignature::EveryCall {
            return Ok((presented, entry, CheckedBy::Cache));
        }
        let keys = self.follower.keys().ok_or(Refusal::CannotTell { retry_after: RETRY_AFTER })?;
        verify(presented.text, &keys, &self.settings.issuer)?;
        Ok((presented, entry, CheckedBy::Signature))
    }

    /// What the cache holds of a credential; `None` where it has to be looked up.
    fn at_hand(
        &self,
        digest: &SecretDigest,
        now: Monotonic,
        current: bool,
    ) -> Option<Result<Arc<Entry>, Refusal>> {
        if let Some(entry) = self.cache.hit(digest, |entry| self.is_usable(entry, now, current)) {
            return Some(Ok(entry));
        }
        self.cache.nothing(digest, now).map(|nothing| Err(refuse(nothing)))
    }

    /// The entry of a credential: from the cache, or from one look-up. Those of an `address` are limited.
    pub(crate) async fn find(
        &self,
        digest: SecretDigest,
        presented: Presented<'_>,
        address: Option<IpAddr>,
        now: Monotonic,
        current: bool,
    ) -> Result<(Arc<Entry>, CheckedBy), Refusal> {
        if let Some(known) = self.at_hand(&digest, now, current) {
            return known.map(|entry| (entry, CheckedBy::Cache));
        }
        let usable = |entry: &Entry| self.is_usable(entry, now, current);
        self.may_look_up(address, now)?;
        for _ in 0..TRIES {
            match self.cache.entry_or_turn(&digest, &*self.clock, usable).await {
                None => {}
                Some(Answer::Known(entry)) => return Ok((entry, CheckedBy::Cache)),
                Some(Answer::Nothing(nothing)) => return Err(refuse(nothing)),
                Some(Answer::LookUp(turn)) => {
                    let entry = Arc::new(self.look_up(digest, presented, (address, now), current).await?);
                    turn.fill(Arc::clone(&entry));
                    // Something that concerns it may have changed while it was looked up.
                    if entry.is_good(&self.freshness) {
                        let verified_here = entry.facts.signing_key.is_some();
                        let by = if verified_here { CheckedBy::Signature } else { CheckedBy::LookUp };
                        return Ok((entry, by));
                    }
                }
            }
        }
        Err(Refusal::CannotTell { retry_after: RETRY_AFTER })
    }

    /// While the feed is out of sight, only what was asked for after this call came in is believed.
    fn is_usable(&self, entry: &Entry, now: Monotonic, current: bool) -> bool {
        let max_age = u64::try_from(entry.max_age.as_micros()).unwrap_or(0) * 1_000;
        let young = if current { now.nanos_since(entry.asked_at) <= max_age } else { entry.asked_at >= now };
        young && entry.is_good(&self.freshness)
    }

    async fn look_up(
        &self,
        digest: SecretDigest,
        presented: Presented<'_>,
        (address, now): (Option<IpAddr>, Monotonic),
        current: bool,
    ) -> Result<Entry, Refusal> {
        // Both before the question: the answer is at least as new.
        let stamp = Stamp::at(self.freshness.now());
        let asked_at = self.clock.monotonic();
        let outside = self.trusted.issuer_of(presented);
        let look_up = LookUp {
            source: &*self.source,
            freshness: &self.freshness,
            settings: &self.settings,
            breaker: outside.unwrap_or(&self.breaker),
            clock: &*self.clock,
            keys: self.follower.keys(),
            current,
        };
        let asked = source::Presented { digest, plain: presented.text };
        let (answer, max_age) = match outside {
            Some(_) => (look_up.outside(asked).await, MAX_OUTSIDE_AGE.min(self.settings.entry_max_age)),
            None => (look_up.ask(presented.form, asked).await, self.settings.entry_max_age),
        };
        let facts = match answer {
            Ok(facts) => facts,
            Err(NotLearnt::Refused(refusal)) => return Err(refusal),
            Err(NotLearnt::Unknown) => {
                self.spend_look_up(address, now);
                self.cache.remember(digest, Nothing::Unknown, self.clock.monotonic());
                return Err(refuse(Nothing::Unknown));
            }
            Err(NotLearnt::Failed(retry_after)) => {
                self.cache.remember(digest, Nothing::Failed, self.clock.monotonic());
                return Err(Refusal::CannotTell { retry_after });
            }
        };
        #[cfg(all(test, feature = "shuttle"))]
        let stamp = match self.freshness.fault.get() {
            Some(crate::sync::Fault::StampedAfter) => Stamp::at(self.freshness.now()),
            _ => stamp,
        };
        let counting = match self.counting(&look_up, asked, &facts).await {
            Ok(counting) => counting,
            Err(retry_after) => {
                self.cache.remember(digest, Nothing::Failed, self.clock.monotonic());
                return Err(Refusal::CannotTell { retry_after });
            }
        };
        Ok(self.entry(facts, stamp, (asked_at, max_age), counting))
    }

    /// The counters of a credential with quotas, begun with the stored counts; or after how many seconds to try again.
    async fn counting(
        &self,
        look_up: &LookUp<'_>,
        asked: source::Presented<'_>,
        facts: &Facts,
    ) -> Result<Option<Counting>, u64> {
        let counting = self.counters.of(&facts.budgets, facts.environment).map_err(|Full| RETRY_AFTER)?;
        let Some(counting) = counting else { return Ok(None) };
        if !counting.is_loaded() {
            let counted = look_up.counted(asked, facts, self.clock.now()).await?;
            counting.load(&counted, facts.environment);
        }
        Ok(Some(counting))
    }

    fn entry(
        &self,
        facts: Facts,
        stamp: Stamp,
        (asked_at, max_age): (Monotonic, Duration),
        counting: Option<Counting>,
    ) -> Entry {
        let limiters = self.budgets.limiters(&facts.budgets, facts.environment, asked_at);
        let limiters = limiters.counting(counting).told(&self.policies);
        let usage = self.recorder.usage(&facts);
        Entry { facts: Arc::new(facts), stamp, asked_at, max_age, limiters, usage }
    }

    /// Audience, proof, not revoked, enabled, in time, address, limit: what depends on this request or this moment.
    fn judge(
        &self,
        entry: &Entry,
        presented: Presented<'_>,
        parts: &RequestParts<'_>,
        allowance: &mut Option<Allowance>,
    ) -> Result<(), Refusal> {
        let facts = &*entry.facts;
        if !facts.audiences.contains(&self.settings.audience) {
            return Err(Refusal::WrongAudience);
        }
        let proof = prove(facts, presented, parts, &self.settings)?;
        if proof.as_ref().is_some_and(|proof| self.proofs.has(proof)) {
            return Err(Refusal::InvalidProof(ProofError::Spent));
        }
        match facts.state {
            State::Active => {}
            State::Revoked => return Err(Refusal::Revoked),
            State::Disabled => return Err(Refusal::Disabled),
            State::OwnerSuspended => return Err(Refusal::OwnerSuspended),
        }
        let now = parts.arrived;
        if now.wall < facts.not_before {
            return Err(Refusal::NotYetValid);
        }
        if facts.expires_at.is_some_and(|end| end <= now.wall) {
            return Err(Refusal::Expired);
        }
        let from_here = |address| facts.addresses.allows(address);
        if !facts.addresses.is_empty() && !parts.address.is_some_and(from_here) {
            return Err(Refusal::AddressNotAllowed);
        }
        match entry.limiters.spend(now, allowance.insert(Allowance::default())) {
            Ok(()) => proof.map_or(Ok(()), |proof| self.spend_proof(&proof, now.mono)),
            Err(Spent { limit, measure, left }) => {
                Err(Refusal::LimitExceeded { limit, measure, retry_after: left.next_in.max(1) })
            }
        }
    }

    fn spend_proof(&self, proof: &Proof, now: Monotonic) -> Result<(), Refusal> {
        match self.proofs.spend(proof, now) {
            Spending::Done => Ok(()),
            Spending::Again => Err(Refusal::InvalidProof(ProofError::Spent)),
            Spending::Full => Err(Refusal::CannotTell { retry_after: RETRY_AFTER }),
        }
    }

    /// Only look-ups are held up by an address's guesses: what is in the cache never is.
    fn may_look_up(&self, address: Option<IpAddr>, now: Monotonic) -> Result<(), Refusal> {
        let Some(limiter) = address.and_then(|address| self.guesses.get(&counted(address))) else {
            return Ok(());
        };
        limiter.peek(now).map(drop).map_err(|left| Refusal::LimitExceeded {
            limit: SpentLimit::Address,
            measure: Measure::Rate(limiter.rate()),
            retry_after: left.next_in.max(1),
        })
    }

    fn spend_look_up(&self, address: Option<IpAddr>, now: Monotonic) {
        let Some(address) = address.map(counted) else { return };
        if let Some(limiter) = self.guess_limiter(address) {
            // Already spent: then the next look-up is refused, which is all that this is for.
            let _ = limiter.spend(now);
        }
    }
}

fn refuse(nothing: Nothing) -> Refusal {
    match nothing {
        Nothing::Unknown => Refusal::InvalidCredential(keyway_core::refusal::Check::Found),
        Nothing::Failed => Refusal::CannotTell { retry_after: RETRY_AFTER },
    }
}
