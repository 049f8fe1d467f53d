//! What is signed, under the rules of RFC 8725: access tokens (the profile of RFC 9068), ID tokens and logout tokens
//! (OpenID Connect), each with a type of its own; the keys that sign, and other people's (JWK, thumbprints).

mod claims;
mod id_token;
mod import;
mod jwk;
mod keys;
mod logout;
mod parts;
mod thumbprint;
mod verify;

pub use claims::{AccessClaims, Descent, TOKEN_TYPE};
pub use id_token::{ID_TOKEN_LIFETIME, ID_TOKEN_TYPE, IdClaims, at_hash, kid_of, verify_id_token_hint};
pub use import::{ImportedKey, private_jwk};
pub(crate) use jwk::algorithm_named;
pub use jwk::{Jwk, Jwks, PublicKey};
pub use keys::{
    Algorithm, KeyError, KeyState, Purpose, SigningKey, VerificationKey, VerificationKeys, generate_key,
    key_entity, new_kid,
};
pub use logout::{LOGOUT_TOKEN_TYPE, LogoutClaims};
pub(crate) use parts::{Audiences, is_type, numeric_date, read_part};
pub use thumbprint::{Confirmation, InvalidThumbprint, Thumbprint};
pub use verify::{JwtError, Verified, verify};

use crate::clock::Duration;

/// An access token's lifetime unless a shorter one is asked for.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::minutes(15);
/// The longest lifetime of any access token. What was taken away stays in the revoked set at least as long.
pub const MAX_ACCESS_TOKEN_LIFETIME: Duration = Duration::minutes(60);
/// How far ahead another machine's clock may be: a token issued in the future by no more than this is accepted.
/// Expiry has no tolerance.
pub const LEEWAY: Duration = Duration::seconds(60);
