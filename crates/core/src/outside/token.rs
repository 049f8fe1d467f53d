//! An outside access token that is a JWT: read, judged as far as it goes without a key, and verified.

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{IssuerKeys, SignedWith, TrustedIssuer};
use crate::clock::Timestamp;
use crate::credential::MAX_LEN;
use crate::jwt::{
    Audiences, Confirmation, LEEWAY, Thumbprint, algorithm_named, is_type, numeric_date, read_part,
};
use crate::scope::ScopeSet;

/// The longest `sub`, in bytes (OpenID Connect Core §2).
pub const MAX_SUBJECT_LEN: usize = 255;
/// The longest `kid`, in bytes.
const MAX_KID_LEN: usize = 256;

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideToken {
    /// Whom it is about, as the issuer calls them.
    pub subject: String,
    /// What it may do here.
    pub scopes: ScopeSet,
    /// From when it works.
    pub not_before: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// The key that it is bound to (RFC 9449 §6).
    pub bound_to: Option<Thumbprint>,
}

/// Why a token is not good. For logs: whoever sent it is told nothing of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// Not a JWS, a header that is not accepted, or claims that are missing or malformed.
    #[error("malformed token")]
    Malformed,
    /// Another `typ` than this issuer's access tokens have.
    #[error("not an access token of this issuer: wrong typ")]
    WrongType,
    /// It has claims that ID tokens and logout tokens have, and access tokens have not.
    #[error("an ID token or a logout token is no access token")]
    IdToken,
    /// Not one of those that the issuer may sign with.
    #[error("the algorithm is not accepted of this issuer")]
    Algorithm,
    /// Another `iss`.
    #[error("wrong issuer")]
    WrongIssuer,
    /// It is for somebody else.
    #[error("not for this audience")]
    WrongAudience,
    /// Bound to something that cannot be proven here.
    #[error("bound to its holder in a way that is not known here")]
    Binding,
    /// The issuer publishes no key with this `kid` for this algorithm.
    #[error("unknown signing key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("bad signature")]
    BadSignature,
}

/// A token that is right in everything but its signature, which has not been looked at: nothing of it is believed.
#[derive(Debug)]
pub struct Candidate<'t> {
    signed: &'t str,
    signature: &'t str,
    algorithm: Algorithm,
    kid: String,
    claims: OutsideToken,
}

/// Other members, `jku`, `x5u` and `jwk` among them, are ignored: a token does not say by which key it is verified.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// The claims that count, of a JWT (RFC 9068 §2.2) and of an introspection answer (RFC 7662 §2.2).
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    aud: Audiences,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    scope: Option<String>,
    cnf: Option<Value>,
    nonce: Option<IgnoredAny>,
    at_hash: Option<IgnoredAny>,
    c_hash: Option<IgnoredAny>,
    s_hash: Option<IgnoredAny>,
    events: Option<IgnoredAny>,
}

impl<'t> Candidate<'t> {
    /// Reads a token that claims to be from `issuer`. What is wrong here costs no key.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(token: &'t str, issuer: &TrustedIssuer) -> Result<Self, OutsideError> {
        if token.len() > MAX_LEN {
            return Err(OutsideError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(OutsideError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(OutsideError::Malformed)?;
        let Header { alg, typ, kid, crit } = read_part(header).ok_or(OutsideError::Malformed)?;
        if crit.is_some() {
            return Err(OutsideError::Malformed);
        }
        if !typ.is_some_and(|typ| is_type(&typ, &issuer.typ)) {
            return Err(OutsideError::WrongType);
        }
        let accepted = |algorithm: &Algorithm| {
            issuer.algorithms.iter().copied().map(SignedWith::algorithm).any(|own| own == *algorithm)
        };
        let algorithm = algorithm_named(&alg).filter(accepted).ok_or(OutsideError::Algorithm)?;
        let named = |kid: &String| !kid.is_empty() && kid.len() <= MAX_KID_LEN;
        let kid = kid.filter(named).ok_or(OutsideError::UnknownKey)?;
        let claims: Claims = read_part(claims).ok_or(OutsideError::Malformed)?;
        Ok(Self { signed, signature, algorithm, kid, claims: claims.judged(issuer)? })
    }

    /// The key that it names.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it says, if the key that it names is among `keys` and has signed it with its own algorithm.
    ///
    /// # Errors
    /// [`OutsideError::UnknownKey`] or [`OutsideError::BadSignature`].
    pub fn verified_by(self, keys: &IssuerKeys) -> Result<OutsideToken, OutsideError> {
        let key = keys.find(&self.kid, self.algorithm).ok_or(OutsideError::UnknownKey)?;
        match jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), &key, self.algorithm) {
            Ok(true) => Ok(self.claims),
            Ok(false) | Err(_) => Err(OutsideError::BadSignature),
        }
    }
}

impl Claims {
    /// Issuer, audience, and that it is an access token. Times depend on the moment, and are for those to check who
    /// accept it.
    pub(super) fn judged(self, issuer: &TrustedIssuer) -> Result<OutsideToken, OutsideError> {
        if self.iss != issuer.issuer {
            return Err(OutsideError::WrongIssuer);
        }
        let of_id_tokens = [self.nonce, self.at_hash, self.c_hash, self.s_hash, self.events];
        if of_id_tokens.iter().any(Option::is_some) {
            return Err(OutsideError::IdToken);
        }
        if !self.aud.all().iter().any(|aud| aud == issuer.audience.as_str()) {
            return Err(OutsideError::WrongAudience);
        }
        if self.sub.is_empty() || self.sub.len() > MAX_SUBJECT_LEN || self.sub.chars().any(char::is_control) {
            return Err(OutsideError::Malformed);
        }
        let date = |seconds: f64| numeric_date(seconds).ok_or(OutsideError::Malformed);
        let expires_at = date(self.exp)?;
        let since = [self.iat, self.nbf].into_iter().flatten().map(date);
        let since = since.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or_default();
        Ok(OutsideToken {
            scopes: issuer.granted(self.scope.as_deref().unwrap_or_default()),
            subject: self.sub,
            not_before: since - LEEWAY,
            expires_at,
            bound_to: self.cnf.map(bound_to).transpose()?,
        })
    }
}

/// A token that is bound to anything else, a client certificate say, is not to be taken for an unbound one.
fn bound_to(cnf: Value) -> Result<Thumbprint, OutsideError> {
    if cnf.as_object().is_none_or(|members| members.len() != 1) {
        return Err(OutsideError::Binding);
    }
    serde_json::from_value::<Confirmation>(cnf).map(|cnf| cnf.jkt).map_err(|_| OutsideError::Binding)
}

#[cfg(test)]
pub(super) mod tests;
