//! The errors of OAuth's endpoints (RFC 6749 §4.1.2.1 and §5.2, and what later RFCs added).

use std::borrow::Cow;

/// The `error` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// RFC 6749: missing, repeated or malformed parameters.
    InvalidRequest,
    /// RFC 6749: the client is unknown or did not authenticate.
    InvalidClient,
    /// RFC 6749: the code or refresh token is not valid, or not this client's.
    InvalidGrant,
    /// RFC 6749: this client may not use this grant.
    UnauthorizedClient,
    /// RFC 6749: no such grant.
    UnsupportedGrantType,
    /// RFC 6749: a scope that cannot be had.
    InvalidScope,
    /// RFC 6749 §4.1.2.1: the user said no.
    AccessDenied,
    /// RFC 6749 §4.1.2.1: only `code` is served.
    UnsupportedResponseType,
    /// RFC 8707 §2: the resource is not ours, or more than one.
    InvalidTarget,
    /// RFC 9449 §5: the DPoP proof is missing or wrong.
    InvalidDpopProof,
    /// RFC 7009 §2.2.1: this kind of token cannot be revoked.
    UnsupportedTokenType,
    /// RFC 7591 §3.2.2: a redirect URI cannot be registered.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2: a client cannot be registered with this.
    InvalidClientMetadata,
    /// RFC 7591 §3.2.2: a software statement that is not believed.
    InvalidSoftwareStatement,
    /// OpenID Connect Core §3.1.2.6: `prompt=none`, and nobody is signed in.
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6: `prompt=none`, and there is no consent yet.
    ConsentRequired,
    /// OpenID Connect Core §3.1.2.6: no request objects by value.
    RequestNotSupported,
    /// OpenID Connect Core §3.1.2.6: a `request_uri` that was not pushed to us.
    RequestUriNotSupported,
    /// OpenID Connect Core §3.1.2.6: no registration within a request.
    RegistrationNotSupported,
    /// RFC 8628 §3.5: the user has not decided yet.
    AuthorizationPending,
    /// RFC 8628 §3.5: not yet either, and the device has to ask less often.
    SlowDown,
    /// RFC 8628 §3.5: the device code is too old.
    ExpiredToken,
    /// RFC 6749 §4.1.2.1: a fault of ours.
    ServerError,
    /// RFC 6749 §4.1.2.1: not now.
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// As sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// The HTTP status at the token endpoint and its siblings (RFC 6749 §5.2).
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}

/// An error as an endpoint answers it. The description is for the client's developer and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct OauthError {
    /// The `error` parameter.
    pub code: ErrorCode,
    /// The `error_description` parameter: ASCII, without quotes or backslash (RFC 6749 §5.2).
    pub description: Cow<'static, str>,
}

impl OauthError {
    /// With a description; characters that RFC 6749 §5.2 does not allow in it are replaced.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        let description = description.into();
        let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        let description = if description.chars().all(allowed) {
            description
        } else {
            description.chars().map(|c| if allowed(c) { c } else { '?' }).collect::<String>().into()
        };
        Self { code, description }
    }
}
