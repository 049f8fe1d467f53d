//! Whether an ID token holds (OpenID Connect Core §3.1.3.7, RFC 8725).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_core::jwt::LEEWAY;
use keyway_core::{Timestamp, secret::PlainSecret};
use openidconnect::core::{CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier, CoreJsonWebKeySet};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, IssuerUrl, Nonce,
    SignatureVerificationError,
};
use serde_json::Value;

use super::error::IdTokenFault;
use super::service::Service;

/// What an ID token must fit.
pub(super) struct Expected<'a> {
    pub(super) client_id: &'a str,
    pub(super) service: &'a Service,
    pub(super) nonce: &'a PlainSecret,
    pub(super) access_token: &'a PlainSecret,
    pub(super) fresh_since: Option<Timestamp>,
    pub(super) now: Timestamp,
}

/// What an ID token says, once it holds.
pub(super) struct Vouched {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) auth_time: Option<Timestamp>,
    /// All of its claims.
    pub(super) claims: Value,
}

/// Verifies `token` with `keys`.
pub(super) fn verify(
    token: &str,
    keys: &CoreJsonWebKeySet,
    expected: &Expected<'_>,
) -> Result<Vouched, IdTokenFault> {
    let claims = payload(token).ok_or(IdTokenFault::Malformed)?;
    let issuer = expected.service.issuer.of_claims(&claims)?;
    let token: CoreIdToken = token.parse().map_err(|_| IdTokenFault::Malformed)?;
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(expected.client_id.to_owned()),
        IssuerUrl::new(issuer.clone()).map_err(|_| IdTokenFault::Issuer)?,
        keys.clone(),
    )
    .set_allowed_algs(expected.service.algorithms.iter().cloned())
    .set_time_fn(|| expected.now.to_utc());
    let held = token
        .claims(&verifier, &Nonce::new(expected.nonce.expose().to_owned()))
        .map_err(|error| fault_of(&error))?;
    // `azp` is left to us: whoever is named must be this portal, and among several audiences somebody must be.
    let party = held.authorized_party().map(|party| party.as_str());
    if party.is_some_and(|party| party != expected.client_id)
        || (party.is_none() && held.audiences().len() > 1)
    {
        return Err(IdTokenFault::AuthorizedParty);
    }
    if micros(held.issue_time().timestamp_micros()) > expected.now + LEEWAY {
        return Err(IdTokenFault::NotYet);
    }
    check_access_token(&token, held, &verifier, expected)?;
    let auth_time = held.auth_time().map(|at| micros(at.timestamp_micros()));
    // Their clock may be a little behind ours, or ahead. A sign-in that is still to come proves nothing, asked for or not.
    let early = auth_time.is_some_and(|at| at > expected.now + LEEWAY);
    let stale = |since| auth_time.is_none_or(|at| at + LEEWAY < since);
    if early || expected.fresh_since.is_some_and(stale) {
        return Err(IdTokenFault::AuthTime);
    }
    let subject = held.subject().as_str().to_owned();
    Ok(Vouched { issuer, subject, auth_time, claims })
}

/// `at_hash`, where it is given (§3.1.3.8).
fn check_access_token(
    token: &CoreIdToken,
    held: &CoreIdTokenClaims,
    verifier: &CoreIdTokenVerifier<'_>,
    expected: &Expected<'_>,
) -> Result<(), IdTokenFault> {
    let Some(given) = held.access_token_hash() else { return Ok(()) };
    let algorithm = token.signing_alg().map_err(|_| IdTokenFault::Algorithm)?;
    let key = token.signing_key(verifier).map_err(|_| IdTokenFault::UnknownKey)?;
    let access_token = AccessToken::new(expected.access_token.expose().to_owned());
    let own =
        AccessTokenHash::from_token(&access_token, algorithm, key).map_err(|_| IdTokenFault::Algorithm)?;
    if own == *given { Ok(()) } else { Err(IdTokenFault::AccessTokenHash) }
}

/// What a JWT says, its signature aside.
fn payload(token: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?).ok()
}

const fn micros(at: i64) -> Timestamp {
    Timestamp::from_micros(at)
}

const fn fault_of(error: &ClaimsVerificationError) -> IdTokenFault {
    match error {
        ClaimsVerificationError::Expired(_) => IdTokenFault::Expired,
        ClaimsVerificationError::InvalidAudience(_) => IdTokenFault::Audience,
        ClaimsVerificationError::InvalidIssuer(_) => IdTokenFault::Issuer,
        ClaimsVerificationError::InvalidNonce(_) => IdTokenFault::Nonce,
        ClaimsVerificationError::InvalidAuthTime(_) => IdTokenFault::AuthTime,
        ClaimsVerificationError::SignatureVerification(error) => match error {
            SignatureVerificationError::NoMatchingKey => IdTokenFault::UnknownKey,
            SignatureVerificationError::DisallowedAlg(_)
            | SignatureVerificationError::NoSignature
            | SignatureVerificationError::UnsupportedAlg(_) => IdTokenFault::Algorithm,
            _ => IdTokenFault::Signature,
        },
        _ => IdTokenFault::Malformed,
    }
}
