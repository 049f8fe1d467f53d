//! The keys that JWTs are signed with (RFC 7517), read anew whenever the feed says that they have changed.

use keyway_core::jwt::{Jwk, Jwks, VerificationKeys};
use keyway_core::source::SourceError;
use serde::Deserialize;

use super::http::{Portal, read};

const MAX_ANSWER: usize = 256 * 1024;

/// A set as published: it may hold keys for other purposes, of algorithms that mean nothing to a guard.
#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

pub(super) async fn keys(portal: &Portal) -> Result<VerificationKeys, SourceError> {
    let published: Published = read(portal.get("/.well-known/jwks.json"), MAX_ANSWER).await?;
    let ours = |key| serde_json::from_value::<Jwk>(key).ok().filter(|key| key.usage == "sig");
    let jwks = Jwks { keys: published.keys.into_iter().filter_map(ours).collect() };
    VerificationKeys::from_jwks(&jwks).map_err(|error| SourceError::Inconsistent(error.to_string()))
}
