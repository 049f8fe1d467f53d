//! A trusted issuer and its keys, which are fetched at the first token, once an hour, and for an unknown `kid` at most
//! every 30 seconds.

use keyway_core::Clock;
use keyway_core::outside::{Candidate, IssuerKeys, OutsideError, OutsideToken, TrustedIssuer};
use reqwest::header::ACCEPT;
use serde::Deserialize;
use url::Url;

use super::Unavailable;
use crate::cached::Cached;
use crate::outgoing::{Answer, Outgoing};

/// A trusted issuer.
pub(super) struct Issuer {
    pub(super) trusted: TrustedIssuer,
    /// Where its metadata say that the keys lie.
    place: Cached<String, Unavailable>,
    keys: Cached<IssuerKeys, Unavailable>,
}

/// Its metadata, as far as they are needed (OpenID Connect Discovery §3, RFC 8414 §2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub(super) fn new(trusted: TrustedIssuer) -> Self {
        Self { trusted, place: Cached::default(), keys: Cached::default() }
    }

    /// What a token says that claims to be this issuer's; `None` if it is not good.
    pub(super) async fn verify(
        &self,
        token: &str,
        clock: &dyn Clock,
        outgoing: &Outgoing,
    ) -> Result<Option<OutsideToken>, Unavailable> {
        let candidate = match Candidate::read(token, &self.trusted) {
            Ok(candidate) => candidate,
            Err(error) => return Ok(self.not_good(error)),
        };
        let mut keys = self.keys.get(clock, self.fetch(clock, outgoing)).await?;
        if !keys.has(candidate.kid())
            && let Some(newer) = self.keys.newer(&keys, clock, self.fetch(clock, outgoing)).await?
        {
            keys = newer;
        }
        Ok(candidate.verified_by(&keys).map_or_else(|error| self.not_good(error), Some))
    }

    fn not_good(&self, error: OutsideError) -> Option<OutsideToken> {
        tracing::debug!(issuer = %self.trusted.issuer, %error, "an outside token is refused");
        None
    }

    async fn fetch(&self, clock: &dyn Clock, outgoing: &Outgoing) -> Result<IssuerKeys, Unavailable> {
        let found;
        let place = match &self.trusted.jwks_uri {
            Some(given) => given,
            None => {
                found = self.place.get(clock, self.discover(outgoing)).await?;
                &*found
            }
        };
        let answer = get(outgoing, place).await?;
        IssuerKeys::read(&answer.body).map_err(|_| Unavailable::Nonsense)
    }

    /// By OpenID Connect Discovery, else by RFC 8414. Metadata of another issuer are none (§4.3 and §3.3 there).
    async fn discover(&self, outgoing: &Outgoing) -> Result<String, Unavailable> {
        let mut tried = Err(Unavailable::Nonsense);
        for address in addresses(&self.trusted.issuer) {
            tried = get(outgoing, &address).await;
            if tried.is_ok() {
                break;
            }
        }
        let metadata: Metadata = serde_json::from_slice(&tried?.body).map_err(|_| Unavailable::Nonsense)?;
        let own = metadata.issuer == self.trusted.issuer;
        own.then_some(metadata.jwks_uri).ok_or(Unavailable::Nonsense)
    }
}

/// Where an issuer's metadata may lie: after its path (OpenID Connect Discovery §4), or before (RFC 8414 §3.1).
fn addresses(issuer: &str) -> Vec<String> {
    let issuer = issuer.trim_end_matches('/');
    let mut addresses = vec![format!("{issuer}/.well-known/openid-configuration")];
    if let Ok(mut url) = Url::parse(issuer) {
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
        addresses.push(url.into());
    }
    addresses
}

async fn get(outgoing: &Outgoing, address: &str) -> Result<Answer, Unavailable> {
    let answer = outgoing.get(address, &[(ACCEPT, "application/json")]).await?;
    if answer.status.as_u16() == 200 { Ok(answer) } else { Err(Unavailable::Status(answer.status.as_u16())) }
}
