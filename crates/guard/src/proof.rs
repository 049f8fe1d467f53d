//! Proof of possession (RFC 9449 §7): a token that is bound to a key is accepted with the scheme DPoP and one fresh
//! proof, on every call anew; nothing else is accepted with that scheme.
//!
//! A proof is spent once the limits have allowed the call, so that no caller fills the memory of what was spent faster
//! than it may call.

use std::collections::HashSet;

use keyway_core::clock::Monotonic;
use keyway_core::facts::Facts;
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::dpop::{PROOF_WINDOW, Proof, ProofError, ProvenRequest, one_proof, verify_proof};
use keyway_core::refusal::Refusal;
use keyway_core::secret::SecretDigest;
use parking_lot::Mutex;

use crate::extract::{Presented, RequestParts, Scheme};
use crate::settings::Settings;

/// How long a generation of spent proofs is added to. A proof is good for twice the window at most; the third makes up
/// for a clock that is set back.
const GENERATION: u64 = 3 * PROOF_WINDOW.as_micros().unsigned_abs() * 1_000;

/// The proof of a call, where one is due.
///
/// # Errors
/// With [`Check::Proof`](keyway_core::refusal::Check::Proof).
pub(crate) fn prove(
    facts: &Facts,
    presented: Presented<'_>,
    parts: &RequestParts<'_>,
    settings: &Settings,
) -> Result<Option<Proof>, Refusal> {
    match (facts.bound_to, presented.scheme) {
        (None, Scheme::Plain) => Ok(None),
        (None, Scheme::Dpop) => Err(Refusal::NotBound),
        (Some(_), Scheme::Plain) => Err(Refusal::ProofRequired),
        (Some(key), Scheme::Dpop) => {
            proof_of(key, presented.text, parts, settings).map(Some).map_err(Refusal::InvalidProof)
        }
    }
}

fn proof_of(
    key: Thumbprint,
    token: &str,
    parts: &RequestParts<'_>,
    settings: &Settings,
) -> Result<Proof, ProofError> {
    let text = one_proof(parts.proofs.iter().copied())?;
    let request = ProvenRequest {
        method: parts.method,
        url: &format!("{}{}", settings.base_url, parts.path),
        access_token: Some(SecretDigest::of(token.as_bytes())),
    };
    let proof = verify_proof(text, &request, parts.arrived.wall)?;
    if proof.key == key { Ok(proof) } else { Err(ProofError::OtherKey) }
}

/// What came of spending a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spending {
    /// It was not spent before.
    Done,
    /// It was.
    Again,
    /// There is no room to remember it, so it cannot be accepted.
    Full,
}

/// The proofs that were spent at this guard, as long as they could be presented again.
#[derive(Debug)]
pub(crate) struct SpentProofs {
    most: usize,
    seen: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    newer: HashSet<SecretDigest>,
    older: HashSet<SecretDigest>,
    began: Monotonic,
}

impl SpentProofs {
    /// Remembers `most` at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, seen: Mutex::default() }
    }

    /// How many are remembered.
    pub(crate) fn held(&self) -> usize {
        let seen = self.seen.lock();
        seen.newer.len() + seen.older.len()
    }

    /// Whether a proof was spent.
    pub(crate) fn has(&self, proof: &Proof) -> bool {
        let id = id(proof);
        let seen = self.seen.lock();
        seen.newer.contains(&id) || seen.older.contains(&id)
    }

    /// Spends a proof. Of any number at once, one is [`Spending::Done`].
    pub(crate) fn spend(&self, proof: &Proof, now: Monotonic) -> Spending {
        let id = id(proof);
        let mut seen = self.seen.lock();
        let age = now.nanos_since(seen.began);
        if age >= GENERATION {
            let newer = std::mem::take(&mut seen.newer);
            seen.older = if age < 2 * GENERATION { newer } else { HashSet::new() };
            seen.began = now;
        }
        if seen.older.contains(&id) || seen.newer.contains(&id) {
            Spending::Again
        } else if seen.older.len() + seen.newer.len() >= self.most {
            Spending::Full
        } else {
            seen.newer.insert(id);
            Spending::Done
        }
    }
}

/// A `jti` is one key's own.
fn id(proof: &Proof) -> SecretDigest {
    SecretDigest::of(format!("{} {}", proof.key, proof.jti).as_bytes())
}

#[cfg(test)]
mod tests {
    use keyway_core::Timestamp;

    use super::*;

    fn proof(jti: &str) -> Proof {
        Proof { key: Thumbprint::from_bytes([1; 32]), jti: jti.into(), expires_at: Timestamp::default() }
    }

    #[test]
    fn a_proof_is_spent_once_until_it_could_not_be_presented_again() {
        let spent = SpentProofs::new(10);
        let at = |seconds: u64| Monotonic(seconds * 1_000_000_000);
        assert_eq!(spent.spend(&proof("1"), at(1_000)), Spending::Done);
        for seconds in [1_000, 1_060, 1_120, 1_180, 1_200] {
            assert!(spent.has(&proof("1")));
            assert_eq!(spent.spend(&proof("1"), at(seconds)), Spending::Again, "{seconds}");
        }
        assert_eq!(spent.spend(&proof("1"), at(1_400)), Spending::Done);
        let other = Proof { key: Thumbprint::from_bytes([2; 32]), ..proof("1") };
        assert!(!spent.has(&other));
        assert_eq!(spent.spend(&other, at(1_400)), Spending::Done);
    }

    #[test]
    fn with_no_room_to_remember_none_is_accepted() {
        let spent = SpentProofs::new(2);
        let all = ["1", "2", "3", "1"].map(|jti| spent.spend(&proof(jti), Monotonic(0)));
        assert_eq!(all, [Spending::Done, Spending::Done, Spending::Full, Spending::Again]);
    }
}
