//! Tokens of trusted issuers: verified here, for every guard and for token exchange, so that each issuer's keys lie in one
//! place. Whom a good token speaks for, [`flows::tokens::outside`](crate::flows::tokens::outside) finds.
//!
//! | module | what it does |
//! |---|---|
//! | `issuer` | an issuer's keys: found, fetched and kept |
//! | `opaque` | asking an issuer about a token that is no JWT |

mod issuer;
mod opaque;

use std::sync::Arc;

use keyway_core::Clock;
use keyway_core::audience::{Audience, Catalogue};
use keyway_core::credential::{MAX_LEN, Shape, Shapes};
use keyway_core::facts::{Facts, LimitDefaults};
use keyway_core::outside::{InvalidIssuer, OutsideToken, TrustedIssuer, claimed_issuer};
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_core::source::{OutsideTokens, Pending, Presented, SourceError};
use keyway_store::tables::connections::DemoIdentities;
use keyway_store::{Store, StoreError};

use crate::flows::tokens::outside;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::settings::VerifyEmail;
use issuer::Issuer;

/// Why a trusted issuer's word cannot be had. Nothing that it sent is in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It was not reached.
    #[error("a trusted issuer does not answer: {0}")]
    Unreachable(#[from] OutgoingError),
    /// It answered something else than 200.
    #[error("a trusted issuer answers {0}")]
    Status(u16),
    /// Its answer is no JWK set, or its metadata another issuer's.
    #[error("a trusted issuer's answer makes no sense")]
    Nonsense,
}

/// A good token of a trusted issuer. Whether it speaks for anybody here is not known yet.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Who issued it.
    pub issuer: Arc<str>,
    /// The API that it is good for.
    pub api: Audience,
    /// Whether identities of the demo provider count.
    pub demo: DemoIdentities,
    /// Whether whom it speaks for must have shown their address to be theirs.
    pub verify_email: VerifyEmail,
    /// SHA-256 of the whole token.
    pub digest: SecretDigest,
    /// What it says.
    pub token: OutsideToken,
}

/// The trusted issuers, and what is known of their keys.
pub struct Outside {
    issuers: Vec<Issuer>,
    store: Store,
    limits: LimitDefaults,
    demo: DemoIdentities,
    verify_email: VerifyEmail,
    clock: Arc<dyn Clock>,
    outgoing: Outgoing,
}

impl Outside {
    /// Asks nobody before there is a token. The management API is the last one of `catalogue`, and no issuer's.
    ///
    /// # Errors
    /// When an issuer grants what is not its API's.
    pub fn new(
        issuers: &[TrustedIssuer],
        catalogue: &Catalogue,
        store: Store,
        limits: LimitDefaults,
        demo: DemoIdentities,
        verify_email: VerifyEmail,
        outgoing: Outgoing,
    ) -> Result<Self, InvalidIssuer> {
        let apis = catalogue.apis().split_last().map_or(&[][..], |(_, apis)| apis);
        issuers.iter().try_for_each(|issuer| issuer.check_scopes(apis))?;
        let issuers = issuers.iter().cloned().map(Issuer::new).collect();
        let clock = Arc::clone(store.clock());
        Ok(Self { issuers, store, limits, demo, verify_email, clock, outgoing })
    }

    /// A JWT of a trusted issuer, verified; `None` for any other credential.
    ///
    /// # Errors
    /// When the issuer's keys are needed and cannot be had.
    pub async fn jwt(&self, token: &str) -> Result<Option<Verified>, Unavailable> {
        let Some(claimed) = claimed_issuer(token) else { return Ok(None) };
        let Some(issuer) = self.issuers.iter().find(|issuer| issuer.trusted.issuer == claimed) else {
            return Ok(None);
        };
        let verified = issuer.verify(token, &*self.clock, &self.outgoing).await?;
        Ok(verified.map(|good| self.good(issuer, token, good)))
    }

    /// A subject token of an exchange (RFC 8693), if it is a trusted issuer's: a JWT, or what an issuer says is a token
    /// of its own. Nothing that looks like a secret of this portal's is shown to anybody. RFC 8693 has no parameter
    /// that says who issued an opaque token; `named` does where it is given, and else all are asked.
    ///
    /// # Errors
    /// When an issuer is needed and does not answer.
    pub async fn subject(
        &self,
        token: &PlainSecret,
        shapes: &Shapes,
        named: Option<&str>,
    ) -> Result<Option<Verified>, Unavailable> {
        let text = token.expose();
        match shapes.classify(text) {
            Shape::Jwt => self.jwt(text).await,
            Shape::Unknown if text.len() <= MAX_LEN && text.bytes().all(|b| b.is_ascii_graphic()) => {
                self.opaque(text, named).await
            }
            _ => Ok(None),
        }
    }

    /// Asks one after the other until one says yes. One that does not answer matters only if no other does.
    async fn opaque(&self, token: &str, named: Option<&str>) -> Result<Option<Verified>, Unavailable> {
        let mut found = Ok(None);
        let asked = |issuer: &&Issuer| named.is_none_or(|named| named == issuer.trusted.issuer);
        for issuer in self.issuers.iter().filter(asked) {
            match issuer.introspect(token, &self.outgoing).await {
                Ok(Some(good)) => return Ok(Some(self.good(issuer, token, good))),
                Ok(None) => {}
                Err(error) => found = Err(error),
            }
        }
        found
    }

    fn good(&self, issuer: &Issuer, token: &str, good: OutsideToken) -> Verified {
        Verified {
            issuer: Arc::from(issuer.trusted.issuer.as_str()),
            api: issuer.trusted.api.clone(),
            demo: self.demo,
            verify_email: self.verify_email,
            digest: SecretDigest::of(token.as_bytes()),
            token: good,
        }
    }
}

impl OutsideTokens for Outside {
    fn outside_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(async move {
            let verified = self.jwt(presented.plain).await;
            let verified = verified.map_err(|error| SourceError::Unavailable(error.to_string()))?;
            let Some(verified) = verified else { return Ok(None) };
            let limits = self.limits;
            let facts: Result<_, StoreError> =
                self.store.read(move |conn| outside::facts(conn, &limits, &verified)).await;
            Ok(facts?)
        })
    }
}
