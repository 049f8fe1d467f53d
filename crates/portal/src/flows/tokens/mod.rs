//! Access and refresh tokens: how each grant gives them, and how they are taken back.
//!
//! Each grant has three steps: what the token rests on is read, the feed's position first; then it is made and
//! signed outside of any transaction; then one transaction consumes what was presented and keeps what was made.

pub mod client_credentials;
pub mod code;
mod consented;
pub mod device;
pub mod exchange;
pub mod families;
pub mod id_token;
pub mod inspect;
pub mod introspect;
mod issue;
pub mod live;
pub mod mint;
pub mod outside;
pub mod refresh;
mod response;
pub mod revoke;
#[cfg(test)]
pub(crate) mod tests;
pub mod userinfo;

pub use issue::{Ground, Issuance, Issued, Terms};
pub use response::{Answer, TokenResponse};

use keyway_core::audience::Audience;
use keyway_core::jwt::KeyError;
use keyway_core::oauth::{ErrorCode, OauthError};
use keyway_store::StoreError;

use super::jwt::RingError;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// For the client's developer to read.
    #[error(transparent)]
    Oauth(#[from] OauthError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key could not be read or used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<RingError> for TokenError {
    fn from(error: RingError) -> Self {
        match error {
            RingError::Store(error) => Self::Store(error),
            RingError::Key(error) => Self::Key(error),
        }
    }
}

/// RFC 8707 §2.2: a token request may name the API once more, and no other than the one that was granted.
fn is_target(resource: Option<&str>, granted: &Audience) -> Result<(), OauthError> {
    if resource.is_none_or(|named| named == granted.as_str()) {
        return Ok(());
    }
    Err(OauthError::new(ErrorCode::InvalidTarget, "resource is not the API that was granted"))
}

impl TokenError {
    fn grant(description: &'static str) -> Self {
        OauthError::new(ErrorCode::InvalidGrant, description).into()
    }
}
