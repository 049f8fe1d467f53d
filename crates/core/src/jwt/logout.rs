//! What stands in a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::ids::{ClientId, EntityId, OwnerId, SessionId};
use crate::random::Random;

/// The `typ` header of a logout token.
pub const LOGOUT_TOKEN_TYPE: &str = "logout+jwt";
/// The one event that it tells of.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a logout token. There is never a `nonce`: it must not pass for an ID token.
#[derive(Clone, Debug, Serialize)]
pub struct LogoutClaims {
    iss: String,
    sub: OwnerId,
    aud: ClientId,
    iat: i64,
    exp: i64,
    jti: EntityId,
    sid: SessionId,
    events: Map<String, Value>,
}

impl LogoutClaims {
    /// That `subject` signed out of the browser session `sid`; issued and expiring at `times`.
    pub fn new(
        issuer: &str,
        client: ClientId,
        subject: OwnerId,
        sid: SessionId,
        times: (Timestamp, Timestamp),
        random: &dyn Random,
    ) -> Self {
        let (now, until) = times;
        Self {
            iss: issuer.to_owned(),
            sub: subject,
            aud: client,
            iat: now.as_seconds(),
            exp: until.as_seconds(),
            jti: EntityId::new(now, random),
            sid,
            events: Map::from_iter([(EVENT.to_owned(), json!({}))]),
        }
    }
}
