//! Why a call is refused: the check that failed, a stable code, and what would mend it.

use serde::{Deserialize, Serialize};

use crate::change::UnknownName;
use crate::oauth::dpop::ProofError;
use crate::quota::Measure;

/// The checks of a guard, in their order. The same in code, in the explainer and in the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Exactly one credential, in a place where one may be.
    Parsed,
    /// The checksum of a key or an opaque token.
    Checksum,
    /// It is known.
    Found,
    /// The signature of a JWT.
    Signature,
    /// It is from this issuer and for this API.
    IssuerAndAudience,
    /// Proof of possession (RFC 9449), where the credential is bound to a key.
    Proof,
    /// Neither it nor an ancestor has been revoked.
    NotRevoked,
    /// Neither it nor its owner is switched off.
    Enabled,
    /// It has begun and has not ended.
    InTime,
    /// It may be used from this address.
    Address,
    /// There is budget left.
    Limit,
    /// It has the scopes of this route.
    Scope,
}

impl Check {
    /// In order.
    pub const ALL: [Self; 12] = [
        Self::Parsed,
        Self::Checksum,
        Self::Found,
        Self::Signature,
        Self::IssuerAndAudience,
        Self::Proof,
        Self::NotRevoked,
        Self::Enabled,
        Self::InTime,
        Self::Address,
        Self::Limit,
        Self::Scope,
    ];

    /// As sent and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parsed => "parsed",
            Self::Checksum => "checksum",
            Self::Found => "found",
            Self::Signature => "signature",
            Self::IssuerAndAudience => "issuer_and_audience",
            Self::Proof => "proof",
            Self::NotRevoked => "not_revoked",
            Self::Enabled => "enabled",
            Self::InTime => "in_time",
            Self::Address => "address",
            Self::Limit => "limit",
            Self::Scope => "scope",
        }
    }
}

impl std::str::FromStr for Check {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|check| check.as_str() == s).ok_or(UnknownName)
    }
}

/// Which of a credential's limits is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpentLimit {
    /// The credential's own.
    Own,
    /// The one that all credentials of the owner share.
    Shared,
    /// The one on look-ups of unknown credentials from one address.
    Address,
}

impl SpentLimit {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Shared => "shared",
            Self::Address => "address",
        }
    }
}

/// Why a call is refused.
///
/// Before a secret matched whole, or a signature verified, there is one code for everything that is wrong with the
/// credential: [`Refusal::InvalidCredential`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    MissingCredential,
    /// There is more than one (RFC 6750 §2: at most one method per request).
    SeveralCredentials,
    /// A credential in the query string (RFC 9700 §4.3.2).
    CredentialInQuery,
    /// An `Authorization` scheme that is neither Bearer nor DPoP.
    UnsupportedScheme,
    /// Not a credential for an API, a typo, unknown, or not signed by us; the check tells which.
    InvalidCredential(Check),
    /// It is for another API.
    WrongAudience,
    /// It is bound to a key (RFC 9449), and was presented without proof.
    ProofRequired,
    /// It was presented with the scheme DPoP, and is bound to no key.
    NotBound,
    /// The proof is missing or wrong, or was used before.
    InvalidProof(ProofError),
    /// It, or something it descends from, was revoked.
    Revoked,
    /// It is switched off.
    Disabled,
    /// Its owner is suspended.
    OwnerSuspended,
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYetValid,
    /// It may not be used from this address.
    AddressNotAllowed,
    /// No budget is left.
    LimitExceeded {
        /// Which limit.
        limit: SpentLimit,
        /// How much it lets through.
        measure: Measure,
        /// Whole seconds until one call is allowed, at least 1.
        retry_after: u64,
    },
    /// It lacks a scope of this route.
    InsufficientScope {
        /// All scopes that the route needs, space-separated.
        required: String,
        /// The first that is missing.
        missing: String,
    },
    /// It could not be looked up. Never taken for "unknown".
    CannotTell {
        /// Whole seconds after which another try makes sense, at least 1.
        retry_after: u64,
    },
}

impl Refusal {
    /// The check that failed.
    pub const fn check(&self) -> Check {
        match self {
            Self::MissingCredential
            | Self::SeveralCredentials
            | Self::CredentialInQuery
            | Self::UnsupportedScheme => Check::Parsed,
            Self::InvalidCredential(check) => *check,
            Self::CannotTell { .. } => Check::Found,
            Self::WrongAudience => Check::IssuerAndAudience,
            Self::ProofRequired | Self::NotBound | Self::InvalidProof(_) => Check::Proof,
            Self::Revoked => Check::NotRevoked,
            Self::Disabled | Self::OwnerSuspended => Check::Enabled,
            Self::Expired | Self::NotYetValid => Check::InTime,
            Self::AddressNotAllowed => Check::Address,
            Self::LimitExceeded { .. } => Check::Limit,
            Self::InsufficientScope { .. } => Check::Scope,
        }
    }

    /// Stable; clients may branch on it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingCredential => "missing_credential",
            Self::SeveralCredentials => "several_credentials",
            Self::CredentialInQuery => "credential_in_query",
            Self::UnsupportedScheme => "unsupported_scheme",
            Self::InvalidCredential(_) => "invalid_credential",
            Self::WrongAudience => "wrong_audience",
            Self::ProofRequired => "proof_required",
            Self::NotBound => "not_bound",
            Self::InvalidProof(_) => "invalid_proof",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::OwnerSuspended => "owner_suspended",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::LimitExceeded { measure: Measure::Rate(_), .. } => "limit_exceeded",
            Self::LimitExceeded { measure: Measure::Quota(..), .. } => "quota_exceeded",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::CannotTell { .. } => "cannot_tell",
        }
    }

    /// The HTTP status: 401 who are you, 403 you may not, 429 not now, 503 we cannot tell, 400 not a question.
    pub const fn status(&self) -> u16 {
        match self {
            Self::SeveralCredentials | Self::CredentialInQuery => 400,
            Self::MissingCredential
            | Self::UnsupportedScheme
            | Self::InvalidCredential(_)
            | Self::WrongAudience
            | Self::ProofRequired
            | Self::NotBound
            | Self::InvalidProof(_)
            | Self::Revoked
            | Self::Disabled
            | Self::OwnerSuspended
            | Self::Expired
            | Self::NotYetValid => 401,
            Self::AddressNotAllowed | Self::InsufficientScope { .. } => 403,
            Self::LimitExceeded { .. } => 429,
            Self::CannotTell { .. } => 503,
        }
    }

    /// The `error` of `WWW-Authenticate` (RFC 6750 §3.1, RFC 9449 §7.1); `None` where the RFC wants none.
    pub const fn challenge_error(&self) -> Option<&'static str> {
        match self {
            Self::SeveralCredentials | Self::CredentialInQuery => Some("invalid_request"),
            Self::InvalidCredential(_)
            | Self::WrongAudience
            | Self::ProofRequired
            | Self::NotBound
            | Self::Revoked
            | Self::Disabled
            | Self::OwnerSuspended
            | Self::Expired
            | Self::NotYetValid => Some("invalid_token"),
            Self::InvalidProof(_) => Some("invalid_dpop_proof"),
            Self::InsufficientScope { .. } => Some("insufficient_scope"),
            Self::MissingCredential
            | Self::UnsupportedScheme
            | Self::AddressNotAllowed
            | Self::LimitExceeded { .. }
            | Self::CannotTell { .. } => None,
        }
    }

    /// One short sentence: what happened.
    pub const fn title(&self) -> &'static str {
        match self {
            Self::MissingCredential => "This call carries no credential",
            Self::SeveralCredentials => "This call carries more than one credential",
            Self::CredentialInQuery => "A credential stands in the query string",
            Self::UnsupportedScheme => "The Authorization scheme is not supported",
            Self::InvalidCredential(_) => "The credential is not valid",
            Self::WrongAudience => "The credential is for another API",
            Self::ProofRequired => "The credential is bound to a key",
            Self::NotBound => "The credential is not bound to a key",
            Self::InvalidProof(_) => "The proof of possession is not valid",
            Self::Revoked => "The credential was revoked",
            Self::Disabled => "The credential is disabled",
            Self::OwnerSuspended => "The credential's owner is suspended",
            Self::Expired => "The credential has expired",
            Self::NotYetValid => "The credential is not valid yet",
            Self::AddressNotAllowed => "The credential may not be used from this address",
            Self::LimitExceeded { .. } => "Too many calls",
            Self::InsufficientScope { .. } => "The credential lacks a scope",
            Self::CannotTell { .. } => "The credential cannot be checked right now",
        }
    }

    /// What would mend it.
    pub fn remedy(&self) -> String {
        match self {
            Self::MissingCredential | Self::UnsupportedScheme => {
                "Send `Authorization: Bearer <API key, JWT or access token>`, or an API key as `X-API-Key`."
                    .into()
            }
            Self::SeveralCredentials => "Send exactly one: `Authorization` or `X-API-Key`, once.".into(),
            Self::CredentialInQuery => {
                "Send it in the `Authorization` header, and replace it: addresses end up in logs.".into()
            }
            Self::InvalidCredential(Check::Checksum) => {
                "The checksum does not fit: the credential was cut off or mistyped. Copy it again.".into()
            }
            Self::InvalidCredential(_) => "Check that it was copied whole, or create a new one.".into(),
            Self::WrongAudience => "Use a credential whose audience is this API.".into(),
            Self::ProofRequired => {
                "Send it as `Authorization: DPoP <token>`, with a `DPoP` header that proves its key (RFC 9449).".into()
            }
            Self::NotBound => "Send it as `Authorization: Bearer <credential>`.".into(),
            Self::InvalidProof(_) => {
                "Make a proof for each request: its method, its URL, the hash of the token, the time, and a new jti."
                    .into()
            }
            Self::Revoked => "Create a new one; a revoked credential does not come back.".into(),
            Self::Disabled => "Enable it in the portal.".into(),
            Self::OwnerSuspended => "Ask the portal's administrator.".into(),
            Self::Expired => "Create or refresh it.".into(),
            Self::NotYetValid => "Wait until it begins, or check the clocks.".into(),
            Self::AddressNotAllowed => {
                "Call from an allowed network, or change the list in the portal.".into()
            }
            Self::LimitExceeded { limit, measure, retry_after } => {
                let what = match measure {
                    Measure::Rate(_) => "limit",
                    Measure::Quota(..) => "quota",
                };
                let whose = match limit {
                    SpentLimit::Own => format!("this credential's own {what}"),
                    SpentLimit::Shared => format!("the {what} that all credentials of this owner share"),
                    SpentLimit::Address => format!("the {what} on unknown credentials from this address"),
                };
                format!("Wait {retry_after} s: {whose} of {measure} is spent.")
            }
            Self::InsufficientScope { missing, .. } => {
                format!("Use a credential with the scope `{missing}`.")
            }
            Self::CannotTell { retry_after } => format!("Try again in {retry_after} s."),
        }
    }

    /// The value of `Retry-After` in seconds, where there is one.
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::LimitExceeded { retry_after, .. } | Self::CannotTell { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_stand_in_their_order() {
        assert!(Check::ALL.is_sorted());
    }

    #[test]
    fn before_a_match_there_is_one_code() {
        let codes: Vec<_> = [Check::Parsed, Check::Checksum, Check::Found, Check::Signature]
            .map(|check| Refusal::InvalidCredential(check).code())
            .into();
        assert!(codes.iter().all(|code| *code == "invalid_credential"));
    }
}
