//! What OAuth's endpoints answer when they refuse (RFC 6749 §5.2): JSON, `no-store`, and on a 401 a challenge.

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use keyway_core::oauth::dpop::{PROOF_ALGORITHMS, ProofError};
use keyway_core::oauth::{ErrorCode, OauthError};
use keyway_store::StoreError;
use serde::Serialize;

use super::answer::answer;
use crate::flows::tokens::TokenError;
use crate::outside::Unavailable;

/// Why an endpoint refuses.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// For the client's developer to read.
    #[error(transparent)]
    Oauth(#[from] OauthError),
    /// A body larger than is read: mostly [`MAX_FORM`](super::params::MAX_FORM).
    #[error("the request is too large")]
    TooLarge,
    /// Not for this client, however well it proves who it is.
    #[error("{0}")]
    Forbidden(&'static str),
    /// A protected endpoint was called without a token (RFC 6750 §3.1: no error code).
    #[error("a bearer token is needed")]
    NoToken,
    /// A protected endpoint was called with more than one token (RFC 6750 §2 and §3.1).
    #[error("the access token is sent more than once")]
    SeveralTokens,
    /// A token that does not work at the protected endpoint (RFC 6750 §3.1).
    #[error("the bearer token does not work")]
    InvalidToken,
    /// No good proof that the key of a bound token is held (RFC 9449 §7.1).
    #[error(transparent)]
    InvalidProof(ProofError),
    /// A living token that was not granted this scope (RFC 6750 §3.1).
    #[error("the token lacks the scope {0}")]
    InsufficientScope(&'static str),
    /// Over one of the limits in `[limits]`.
    #[error("too many requests")]
    TooMany {
        /// Whole seconds until the next is allowed, at least 1.
        retry_after: u64,
    },
    /// A trusted issuer of the token was needed, and could not be asked.
    #[error(transparent)]
    Outside(#[from] Unavailable),
    /// A fault of ours, or of the database; nothing of it is told.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A key could not be read or used; nothing of it is told.
    #[error(transparent)]
    Key(#[from] keyway_core::jwt::KeyError),
}

impl From<TokenError> for EndpointError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Oauth(error) => Self::Oauth(error),
            TokenError::Store(error) => Self::Store(error),
            TokenError::Key(error) => Self::Key(error),
        }
    }
}

#[derive(Serialize)]
struct Body<'b> {
    error: &'b str,
    error_description: &'b str,
}

impl ResponseError for EndpointError {
    fn status_code(&self) -> StatusCode {
        let code = match self {
            Self::Oauth(error) => error.code.status(),
            Self::Forbidden(_) | Self::InsufficientScope(_) => 403,
            Self::NoToken | Self::InvalidToken | Self::InvalidProof(_) => 401,
            Self::SeveralTokens => 400,
            Self::TooLarge => 413,
            Self::TooMany { .. } => 429,
            Self::Outside(_) => 503,
            Self::Store(error) if error.is_temporary() => 503,
            Self::Store(_) | Self::Key(_) => 500,
        };
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = answer(self.status_code());
        let description;
        let (error, description) = match self {
            Self::Oauth(error) => {
                if error.code == ErrorCode::InvalidClient {
                    answer.insert_header((WWW_AUTHENTICATE, r#"Basic realm="keyway", charset="UTF-8""#));
                }
                (error.code.as_str(), error.description.as_ref())
            }
            Self::Forbidden(text) => ("unauthorized_client", *text),
            Self::NoToken => {
                answer.insert_header((WWW_AUTHENTICATE, r#"Bearer realm="keyway""#));
                ("invalid_token", "a bearer token is needed")
            }
            Self::SeveralTokens => {
                answer.insert_header((WWW_AUTHENTICATE, r#"Bearer realm="keyway", error="invalid_request""#));
                ("invalid_request", "the access token is sent more than once")
            }
            Self::InvalidToken => {
                answer.insert_header((WWW_AUTHENTICATE, r#"Bearer realm="keyway", error="invalid_token""#));
                ("invalid_token", "the bearer token does not work")
            }
            Self::InvalidProof(error) => {
                let algorithms = PROOF_ALGORITHMS.join(" ");
                let challenge = format!(r#"DPoP error="invalid_dpop_proof", algs="{algorithms}""#);
                answer.insert_header((WWW_AUTHENTICATE, challenge));
                description = error.to_string();
                ("invalid_dpop_proof", description.as_str())
            }
            Self::InsufficientScope(scope) => {
                let challenge =
                    format!(r#"Bearer realm="keyway", error="insufficient_scope", scope="{scope}""#);
                answer.insert_header((WWW_AUTHENTICATE, challenge));
                ("insufficient_scope", "the token was not granted the scope that this endpoint needs")
            }
            Self::TooLarge => ("invalid_request", "the body is too large"),
            Self::TooMany { retry_after } => {
                answer.insert_header((RETRY_AFTER, retry_after.to_string()));
                ("temporarily_unavailable", "too many requests: wait as long as Retry-After says")
            }
            Self::Outside(_) => {
                answer.insert_header((RETRY_AFTER, "5"));
                ("temporarily_unavailable", "the issuer of the token cannot be asked")
            }
            Self::Store(error) if error.is_temporary() => {
                answer.insert_header((RETRY_AFTER, "1"));
                ("temporarily_unavailable", "try again in a moment")
            }
            Self::Store(_) | Self::Key(_) => ("server_error", "the request could not be served"),
        };
        answer.json(Body { error, error_description: description })
    }
}

impl EndpointError {
    /// Short for an error that the client's developer reads.
    pub fn oauth(code: ErrorCode, description: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::Oauth(OauthError::new(code, description))
    }
    /// Whether the fault is ours and belongs into the log.
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Key(_))
    }
}
