//! What the token endpoint answers (RFC 6749 §5.1, RFC 8693 §2.2.1), and what is kept of it, sealed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use keyway_core::Random;
use keyway_core::ids::ClientId;
use keyway_core::scope::ScopeSet;
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_store::StoreError;
use keyway_store::seal::{MasterKey, Place};
use serde::{Serialize, Serializer};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A successful answer.
#[derive(Clone, Debug, Serialize)]
pub struct TokenResponse {
    /// The access token.
    #[serde(serialize_with = "exposed")]
    pub access_token: PlainSecret,
    /// `Bearer` (RFC 6750), or `DPoP` (RFC 9449 §5).
    pub token_type: &'static str,
    /// How long it lives, in seconds.
    pub expires_in: u64,
    /// The refresh token.
    #[serde(serialize_with = "exposed_opt", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<PlainSecret>,
    /// Who signed in (OpenID Connect Core §3.1.3.3).
    #[serde(serialize_with = "exposed_opt", skip_serializing_if = "Option::is_none")]
    pub id_token: Option<PlainSecret>,
    /// What it may do.
    pub scope: ScopeSet,
    /// What kind of token was given for the one that was exchanged (RFC 8693 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    /// Whose tokens these are, where nobody asked as a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
}

fn exposed<S: Serializer>(secret: &PlainSecret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

fn exposed_opt<S: Serializer>(secret: &Option<PlainSecret>, to: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => exposed(secret, to),
        None => to.serialize_none(),
    }
}

impl TokenResponse {
    /// As JSON.
    pub fn to_answer(&self) -> Answer {
        // Neither a map with keys that are no texts nor a number that JSON lacks: this cannot fail.
        Answer(Zeroizing::new(serde_json::to_string(self).unwrap_or_default()))
    }
}

/// An answer as it is sent: JSON that holds secrets.
#[derive(Clone)]
pub struct Answer(Zeroizing<String>);

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(…)")
    }
}

impl Answer {
    /// The JSON, for the one response that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Sealed so that only who presents `token` again can open it: its digest, which is stored, is not enough.
    pub(super) fn seal(&self, token: &PlainSecret, random: &dyn Random) -> Result<Vec<u8>, StoreError> {
        let row = row(token);
        key(token)?.seal(&place(&row), self.0.as_bytes(), random)
    }

    /// Opens what was sealed for `token`.
    pub(super) fn open(token: &PlainSecret, sealed: &[u8]) -> Result<Self, StoreError> {
        let row = row(token);
        let plain = key(token)?.open(&place(&row), sealed)?;
        let text = String::from_utf8(plain.to_vec()).map_err(|_| unusable())?;
        Ok(Self(Zeroizing::new(text)))
    }
}

/// HKDF's extraction over the token (RFC 5869 §2.2); the rest of it is the sealing key's own.
fn key(token: &PlainSecret) -> Result<MasterKey, StoreError> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(b"keyway answer to a refresh token 1").map_err(|_| unusable())?;
    mac.update(token.expose().as_bytes());
    let extracted: Zeroizing<[u8; 32]> = Zeroizing::new(mac.finalize().into_bytes().into());
    MasterKey::from_slice(&*extracted).ok_or_else(unusable)
}

fn row(token: &PlainSecret) -> String {
    let digest: SecretDigest = token.digest();
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

const fn place(row: &str) -> Place<'_> {
    Place { table: "refresh_tokens", column: "sealed_answer", row }
}

const fn unusable() -> StoreError {
    StoreError::Inconsistent { table: "refresh_tokens", column: "sealed_answer" }
}

#[cfg(test)]
mod tests {
    use keyway_core::random::SeededRandom;

    use super::*;

    #[test]
    fn only_the_token_itself_opens_its_answer() {
        let (token, other) = (PlainSecret::new("keyway_rt_a"), PlainSecret::new("keyway_rt_b"));
        let answer = Answer(Zeroizing::new("{}".to_owned()));
        let sealed = answer.seal(&token, &SeededRandom::new(1)).unwrap();
        assert_eq!(Answer::open(&token, &sealed).unwrap().expose(), "{}");
        assert!(Answer::open(&other, &sealed).is_err());
    }
}
