//! What can go wrong between the portal and a provider, in words for people.

use std::fmt;

use crate::outgoing::OutgoingError;

/// Why a provider has not told who signed in, or has not renewed or revoked what it gave. Nothing that it sent is in
/// here but a cleaned error code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No answer, a broken one, or one that says that it is in trouble.
    #[error("The provider does not answer. Try again in a minute, or sign in another way.")]
    Down,
    /// An answer that cannot be used.
    #[error(
        "The provider's answer makes no sense. Try again; if that does not help, tell whoever runs this portal."
    )]
    Nonsense,
    /// One of its addresses is none that the portal calls.
    #[error(
        "The provider's address leads where this portal does not call. Tell whoever runs this portal: its settings \
         need mending."
    )]
    Unreachable,
    /// The person said no.
    #[error("You did not agree at the provider, so nothing has changed. Start again if you want to go on.")]
    Denied,
    /// The provider said no.
    #[error(
        "The provider refused ({code}). Start again; if that does not help, tell whoever runs this portal."
    )]
    Refused {
        /// Its reason.
        code: ErrorCode,
    },
    /// The provider does not know the portal.
    #[error(
        "The provider does not accept this portal's client id, secret or address. Tell whoever runs this portal: its \
         settings need mending."
    )]
    ClientRefused,
    /// The code from the callback is spent or too old.
    #[error("This took too long, or was done twice. Start again.")]
    CodeDied,
    /// Somebody else answered than was asked (RFC 9207), or the discovery document is another issuer's.
    #[error(
        "The answer comes from another provider than the one that was asked, so it was not used. Start again; if this \
         happens twice, tell whoever runs this portal."
    )]
    WrongIssuer,
    /// Its ID token does not hold (OpenID Connect Core §3.1.3.7).
    #[error(
        "What the provider says about you does not hold: {0}. Start again; if that does not help, tell whoever runs this portal."
    )]
    BadIdToken(IdTokenFault),
    /// Its profile is about somebody else than its ID token (OpenID Connect Core §5.3.2).
    #[error("The provider spoke of two different people, so its answer was not used. Start again.")]
    WrongSubject,
    /// It says nothing that tells the person from others.
    #[error(
        "The provider does not say who you are. Tell whoever runs this portal: its settings need mending."
    )]
    NoSubject,
    /// Another provider stands under this name now.
    #[error(
        "The account that is connected is another provider's than the one that is set up now. Disconnect it."
    )]
    Replaced,
    /// What it granted has ended there.
    #[error("The provider's permission has ended. Reconnect to give it again.")]
    GrantDied,
}

/// What is wrong with an ID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// There is none.
    #[error("there is no ID token")]
    Missing,
    /// It cannot be read, or says what is not understood.
    #[error("the ID token cannot be read")]
    Malformed,
    /// It is unsigned, or signed with what is not accepted.
    #[error("the ID token's algorithm is not accepted")]
    Algorithm,
    /// No key of the provider's has its `kid`.
    #[error("the ID token's key is unknown")]
    UnknownKey,
    /// It is signed by somebody else.
    #[error("the ID token's signature is wrong")]
    Signature,
    /// `iss`.
    #[error("the ID token is another issuer's")]
    Issuer,
    /// `tid`.
    #[error("your organisation is not among those that may come in")]
    Tenant,
    /// `aud`.
    #[error("the ID token is meant for another application")]
    Audience,
    /// `azp`.
    #[error("the ID token was given to another application")]
    AuthorizedParty,
    /// `exp`.
    #[error("the ID token has expired")]
    Expired,
    /// `iat` in the future.
    #[error("the ID token is from the future")]
    NotYet,
    /// `nonce`.
    #[error("the ID token belongs to another sign-in")]
    Nonce,
    /// `at_hash`.
    #[error("the ID token belongs to another access token")]
    AccessTokenHash,
    /// `auth_time`.
    #[error("the provider does not say that you signed in just now")]
    AuthTime,
}

/// A provider's error code, cleaned: at most 64 letters, digits, `_`, `-` and `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCode(String);

impl ErrorCode {
    /// Takes out of `text` what may be shown.
    pub(super) fn clean(text: &str) -> Self {
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let code: String = text.chars().filter(plain).take(64).collect();
        Self(if code.is_empty() { "unknown".to_owned() } else { code })
    }

    /// For an answer without a code of its own.
    pub(super) fn status(status: u16) -> Self {
        Self(format!("HTTP-{status}"))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ProviderError {
    /// What an error code means, wherever it came from (RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6, and
    /// GitHub's own).
    pub(super) fn from_code(code: &str) -> Self {
        match code {
            "access_denied" | "consent_required" | "interaction_required" => Self::Denied,
            "server_error" | "temporarily_unavailable" => Self::Down,
            "invalid_client"
            | "unauthorized_client"
            | "incorrect_client_credentials"
            | "redirect_uri_mismatch" => Self::ClientRefused,
            other => Self::Refused { code: ErrorCode::clean(other) },
        }
    }
}

impl From<OutgoingError> for ProviderError {
    fn from(error: OutgoingError) -> Self {
        match error {
            OutgoingError::Late | OutgoingError::Connection | OutgoingError::Client => Self::Down,
            OutgoingError::TooLarge => Self::Nonsense,
            OutgoingError::Url | OutgoingError::Private => Self::Unreachable,
        }
    }
}
