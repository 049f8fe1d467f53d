//! The issuers whose JWTs the source is asked about. The issuer that a token claims is read, not believed: it decides
//! who is asked, and the source verifies.

use keyway_core::clock::Duration;
use keyway_core::outside::claimed_issuer;

use crate::breaker::Breaker;
use crate::extract::{Form, Presented};

/// How long the facts of such a token may stay in the cache without another look-up.
pub(crate) const MAX_OUTSIDE_AGE: Duration = Duration::seconds(60);

/// The trusted issuers. Each has a breaker of its own: one whose keys cannot be had keeps nobody else's tokens, and no
/// key, from being looked up.
pub(crate) struct TrustedIssuers(Vec<(String, Breaker)>);

impl TrustedIssuers {
    pub(crate) fn new(issuers: &[String], breaker: impl Fn() -> Breaker) -> Self {
        Self(issuers.iter().map(|issuer| (issuer.clone(), breaker())).collect())
    }

    /// The breaker of the trusted issuer that a JWT claims to be from; `None` for any other credential.
    pub(crate) fn issuer_of(&self, presented: Presented<'_>) -> Option<&Breaker> {
        if self.0.is_empty() || presented.form != Form::Jwt {
            return None;
        }
        let claimed = claimed_issuer(presented.text)?;
        self.0.iter().find(|(issuer, _)| *issuer == claimed).map(|(_, breaker)| breaker)
    }
}
