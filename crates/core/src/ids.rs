//! Typed ids: UUIDv7 made from the injected clock and randomness (RFC 9562 §5.7).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::random::Random;
use crate::secret::SecretDigest;

/// A text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct InvalidId;

/// Any id of anything that can be taken away: what feed rows and ancestor lists hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(pub Uuid);

impl EntityId {
    /// A new id, ordered by time.
    pub fn new(now: Timestamp, random: &dyn Random) -> Self {
        let mut bytes = [0_u8; 10];
        random.fill_id(&mut bytes);
        let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
    }

    /// Room for [`Self::encode`].
    pub const fn buffer() -> [u8; 36] {
        [0; 36]
    }

    /// As [`fmt::Display`] writes it, into a buffer of the caller's.
    pub fn encode(self, buffer: &mut [u8; 36]) -> &str {
        self.0.as_hyphenated().encode_lower(buffer)
    }

    /// The id that follows from a digest (UUIDv8, RFC 9562 §5.8): the same for the same digest.
    pub fn from_digest(digest: &SecretDigest) -> Self {
        let mut bytes = [0_u8; 16];
        for (to, from) in bytes.iter_mut().zip(digest.as_bytes()) {
            *to = *from;
        }
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

impl FromStr for EntityId {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        // Only the hyphenated form: one id has one spelling.
        if s.len() != 36 {
            return Err(InvalidId);
        }
        Uuid::try_parse(s).map(Self).map_err(|_| InvalidId)
    }
}

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(EntityId);

        impl $name {
            /// A new id, ordered by time.
            pub fn new(now: Timestamp, random: &dyn Random) -> Self {
                Self(EntityId::new(now, random))
            }
            /// From an id whose kind is known from where it stood.
            pub const fn from_entity(id: EntityId) -> Self {
                Self(id)
            }
            /// Without its type, as feed rows and ancestor lists hold it.
            pub const fn entity(self) -> EntityId {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(s: &str) -> Result<Self, InvalidId> {
                EntityId::from_str(s).map(Self)
            }
        }

        impl From<$name> for EntityId {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )+};
}

typed_id! {
    /// A person or a team; also the `sub` of what acts for it.
    OwnerId;
    /// An API key.
    ApiKeyId;
    /// A refresh-token family: what one sign-in, mint or authorisation gave, and all that grew from it.
    FamilyId;
    /// A user's consent to one app.
    GrantId;
    /// One access token; the `jti` of a JWT.
    TokenId;
    /// A browser session, as shown in lists (never the cookie's value).
    SessionId;
    /// An account elsewhere that somebody signs in with.
    ConnectionId;
    /// An audit row.
    AuditId;
    /// A client's secret, as shown in lists.
    ClientSecretId;
    /// An initial access token for client registration, as shown in lists.
    RegistrationTokenId;
    /// A one-time link sent by mail or printed in a terminal.
    LinkId;
    /// A request seen by a guard; sent back as `X-Request-Id`.
    RequestId;
    /// A batch of records sent by a guard; a repeated batch counts once.
    BatchId;
    /// A server's signing key, apart from its public `kid`.
    SigningKeyId;
}

/// An OAuth client's public identifier (RFC 6749 §2.2). The built-in command-line client is spelt `keyway-cli`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(EntityId);

impl ClientId {
    /// The built-in public client that `keyway login` and the dashboard's JWT form use.
    pub const CLI: Self = Self(EntityId(Uuid::from_u128(0x4b65_7977_6179_7000_8000_0000_0000_0001)));
    const CLI_NAME: &'static str = "keyway-cli";

    /// A new id, ordered by time.
    pub fn new(now: Timestamp, random: &dyn Random) -> Self {
        Self(EntityId::new(now, random))
    }
    /// From an id whose kind is known from where it stood.
    pub const fn from_entity(id: EntityId) -> Self {
        Self(id)
    }
    /// Without its type, as feed rows and ancestor lists hold it.
    pub const fn entity(self) -> EntityId {
        self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::CLI { f.write_str(Self::CLI_NAME) } else { fmt::Display::fmt(&self.0, f) }
    }
}

impl FromStr for ClientId {
    type Err = InvalidId;
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        if s == Self::CLI_NAME {
            return Ok(Self::CLI);
        }
        EntityId::from_str(s).map(Self).and_then(|id| if id == Self::CLI { Err(InvalidId) } else { Ok(id) })
    }
}

impl From<ClientId> for EntityId {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

impl Serialize for ClientId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn ids_sort_by_time() {
        let random = SeededRandom::new(1);
        let a = ApiKeyId::new(Timestamp::from_seconds(1_000), &random);
        let b = ApiKeyId::new(Timestamp::from_seconds(1_001), &random);
        assert!(a < b);
        assert_eq!(a.to_string().parse(), Ok(a));
    }

    #[test]
    fn the_built_in_client_has_one_spelling() {
        assert_eq!("keyway-cli".parse(), Ok(ClientId::CLI));
        assert_eq!(ClientId::CLI.to_string(), "keyway-cli");
        assert!(ClientId::CLI.entity().to_string().parse::<ClientId>().is_err());
    }
}
