//! OAuth: clients and their rules, PKCE, errors. The states of codes, families and refresh tokens stand with the
//! tables that keep them, because each of their transitions is one conditional UPDATE.

mod assertion;
mod client;
mod client_keys;
mod device;
pub mod dpop;
mod error;
mod grant;
mod identity;
mod introspection;
pub mod pkce;

pub use assertion::{
    ASSERTION_TYPE, Assertion, AssertionError, MAX_ASSERTION_LIFETIME, claimed_client, verify_assertion,
};
pub use client::{
    AuthMethod, Client, ClientKind, ClientOrigin, GrantType, InvalidRedirectUri, MAX_REDIRECT_URI_LEN,
    MAX_REDIRECT_URIS, RedirectUri, TokenFormat,
};
pub(crate) use client_keys::PRIVATE_MEMBERS;
pub use client_keys::{
    ASSERTION_ALGORITHMS, ClientKeys, InvalidClientKeys, MAX_CLIENT_KEYS, MAX_CLIENT_KEYS_LEN,
};
pub use device::{DEVICE_CODE_LIFETIME, DEVICE_POLL_INTERVAL, InvalidUserCode, UserCode};
pub use error::{ErrorCode, OauthError};
pub use grant::Grant;
pub use identity::{
    EMAIL, IDENTITY_SCOPES, OFFLINE_ACCESS, OPENID, PROFILE, described, identity_scopes, is_about_user,
    offline_access,
};
pub use introspection::{EXPLAIN, GuardFacts, Introspection};

use crate::clock::Duration;

/// How long an authorization code lives.
pub const CODE_LIFETIME: Duration = Duration::seconds(60);
/// How long a refresh token lives unused.
pub const REFRESH_IDLE: Duration = Duration::days(30);
/// How long a refresh-token family lives in all.
pub const FAMILY_LIFETIME: Duration = Duration::days(180);
/// How long a spent refresh token may be presented again for the same answer, unless set otherwise.
pub const REFRESH_REPEAT: Duration = Duration::seconds(30);
/// Failed redemptions that end a code.
pub const MAX_CODE_FAILURES: i64 = 10;
