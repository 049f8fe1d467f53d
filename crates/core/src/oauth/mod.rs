//! OAuth: clients and their rules, PKCE, errors. The states of codes, families and refresh tokens stand with the
//! tables that keep them, because each of their transitions is one conditional UPDATE.

mod client;
mod error;
mod grant;
mod introspection;
pub mod pkce;

pub use client::{
    AuthMethod, Client, ClientKind, ClientOrigin, GrantType, InvalidRedirectUri, MAX_REDIRECT_URIS,
    RedirectUri, TokenFormat,
};
pub use error::{ErrorCode, OauthError};
pub use grant::Grant;
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
