//! What goes to a provider and what comes back.

use keyway_core::Timestamp;
use keyway_core::secret::PlainSecret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::flows::inputs::Email;

/// What is asked beyond "who is it".
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// That the person sign in there anew, provably (`max_age=0`, OpenID Connect Core §3.1.2.1).
    pub max_age_zero: bool,
    /// The account that is meant, if there is one.
    pub login_hint: Option<String>,
}

/// Where the browser goes, and what is kept until it is back.
#[derive(Clone, Debug)]
pub struct Start {
    /// The provider's authorization endpoint, with everything that it needs.
    pub url: String,
    /// To be kept, sealed, for this browser alone, and used once.
    pub secrets: FlowSecrets,
}

/// What binds a callback to its start.
#[derive(Clone, Debug)]
pub struct FlowSecrets {
    /// `state`: 256 random bits.
    pub state: PlainSecret,
    /// `nonce`: 256 random bits.
    pub nonce: PlainSecret,
    /// The PKCE verifier (RFC 7636 §4.1).
    pub verifier: PlainSecret,
    /// When `max_age=0` was asked, since when the person must have signed in.
    pub fresh_since: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct KeptSecrets {
    state: Zeroizing<String>,
    nonce: Zeroizing<String>,
    verifier: Zeroizing<String>,
    fresh_since: Option<i64>,
}

impl FlowSecrets {
    /// As JSON, to be sealed.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let text = |secret: &PlainSecret| Zeroizing::new(secret.expose().to_owned());
        let kept = KeptSecrets {
            state: text(&self.state),
            nonce: text(&self.nonce),
            verifier: text(&self.verifier),
            fresh_since: self.fresh_since.map(Timestamp::as_micros),
        };
        // Three strings and a number are always written.
        Zeroizing::new(serde_json::to_vec(&kept).unwrap_or_default())
    }

    /// From [`FlowSecrets::to_json`].
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let kept: KeptSecrets = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            state: PlainSecret::new(kept.state.as_str()),
            nonce: PlainSecret::new(kept.nonce.as_str()),
            verifier: PlainSecret::new(kept.verifier.as_str()),
            fresh_since: kept.fresh_since.map(Timestamp::from_micros),
        })
    }
}

/// The query string with which the browser came back (RFC 6749 §4.1.2, RFC 9207 §2). `state` is compared before.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Callback {
    /// The code.
    #[serde(default)]
    pub code: Option<String>,
    /// Who answers.
    #[serde(default)]
    pub iss: Option<String>,
    /// Why there is no code.
    #[serde(default)]
    pub error: Option<String>,
    /// The same for people. Never shown: anybody can write a link with it.
    #[serde(default)]
    pub error_description: Option<String>,
}

/// Somebody, as a provider vouches for them.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who vouches.
    pub issuer: String,
    /// Who it is there, for good.
    pub subject: String,
    /// What they call themselves there: a login or an address; 1 to 100 characters, none of them control characters.
    pub account: String,
    /// Their name, if the provider knows it; of the same length.
    pub name: Option<String>,
    /// Their address, if the provider tells a usable one.
    pub email: Option<ProviderEmail>,
    /// When they signed in there, if it says so.
    pub auth_time: Option<Timestamp>,
    /// What was granted.
    pub scopes: Vec<String>,
    /// The tokens, if the provider's settings ask for them to be kept.
    pub tokens: Option<Tokens>,
}

/// An address, and whether the provider has verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEmail {
    /// The address.
    pub address: Email,
    /// Whether it counts as theirs.
    pub verified: bool,
}

/// What a provider gave for calling it in a person's name.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: PlainSecret,
    /// What renews it, if anything.
    pub refresh: Option<PlainSecret>,
    /// When the access token ends, if the provider said so.
    pub expires_at: Option<Timestamp>,
    /// What was granted.
    pub scopes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptTokens {
    access: Zeroizing<String>,
    refresh: Option<Zeroizing<String>>,
    expires_at: Option<i64>,
    scopes: Vec<String>,
}

impl Tokens {
    /// As JSON, to be sealed.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let text = |secret: &PlainSecret| Zeroizing::new(secret.expose().to_owned());
        let kept = KeptTokens {
            access: text(&self.access),
            refresh: self.refresh.as_ref().map(text),
            expires_at: self.expires_at.map(Timestamp::as_micros),
            scopes: self.scopes.clone(),
        };
        Zeroizing::new(serde_json::to_vec(&kept).unwrap_or_default())
    }

    /// From [`Tokens::to_json`].
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let kept: KeptTokens = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            access: PlainSecret::new(kept.access.as_str()),
            refresh: kept.refresh.map(|refresh| PlainSecret::new(refresh.as_str())),
            expires_at: kept.expires_at.map(Timestamp::from_micros),
            scopes: kept.scopes,
        })
    }
}
