//! ID tokens (OpenID Connect Core §3.1.3.3): given beside an access token wherever `openid` was granted.

use keyway_core::Timestamp;
use keyway_core::ids::{ClientId, OwnerId, SessionId};
use keyway_core::jwt::{
    ID_TOKEN_LIFETIME, ID_TOKEN_TYPE, IdClaims, KeyError, KeyState, Purpose, SigningKey, VerificationKey,
    at_hash, kid_of, verify_id_token_hint,
};
use keyway_core::secret::PlainSecret;
use keyway_store::tables::families::Family;
use keyway_store::tables::signing_keys;
use keyway_store::{Conn, StoreError};

use super::Issuance;

/// Whom an ID token tells of, and whom it tells.
#[derive(Clone, Debug)]
pub struct SignedIn<'s> {
    /// The person.
    pub subject: OwnerId,
    /// The client that is told.
    pub client: ClientId,
    /// As the client asked; not repeated when refreshing (§12.2).
    pub nonce: Option<&'s str>,
    /// When the person signed in.
    pub auth_time: Timestamp,
    /// How: values of RFC 8176, with single spaces between.
    pub amr: &'s str,
    /// In which browser session.
    pub sid: Option<SessionId>,
}

impl<'s> SignedIn<'s> {
    /// What the family of tokens that a sign-in gave remembers of it; `None` for tokens without a sign-in.
    pub fn of(family: &'s Family, nonce: Option<&'s str>) -> Option<Self> {
        Some(Self {
            subject: family.owner,
            client: family.client,
            nonce,
            auth_time: family.auth_time?,
            amr: &family.amr,
            sid: family.sid,
        })
    }

    /// The ID token, for the access token that it is given beside.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn sign(
        &self,
        key: &SigningKey,
        issuer: &str,
        access_token: &PlainSecret,
        now: Timestamp,
    ) -> Result<PlainSecret, KeyError> {
        let claims = IdClaims {
            iss: issuer.to_owned(),
            sub: self.subject,
            aud: self.client,
            exp: (now + ID_TOKEN_LIFETIME).as_seconds(),
            iat: now.as_seconds(),
            auth_time: self.auth_time.as_seconds(),
            nonce: self.nonce.map(str::to_owned),
            at_hash: Some(at_hash(key.algorithm(), access_token.expose())),
            amr: self.amr.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
            sid: self.sid,
        };
        key.sign_as(ID_TOKEN_TYPE, &claims).map(PlainSecret::new)
    }
}

/// The claims of an ID token of ours that a client sends as a hint, however old; `None` for anything else. What a
/// revoked key signed is nothing.
///
/// # Errors
/// When the database cannot answer.
pub fn hint(conn: &mut Conn, issuance: &Issuance, token: &str) -> Result<Option<IdClaims>, StoreError> {
    let Some(kid) = kid_of(token) else { return Ok(None) };
    let stored = signing_keys::find(conn, &kid)?
        .filter(|key| matches!(key.purpose, Purpose::IdToken(_)) && key.state != KeyState::Revoked);
    let key = stored.and_then(|stored| VerificationKey::from_jwk(&stored.public).ok());
    Ok(key.and_then(|key| verify_id_token_hint(token, &key, &issuance.issuer)))
}
