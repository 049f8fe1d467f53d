//! The answer of the introspection endpoint (RFC 7662 §2.2), as the portal writes it and a remote guard reads it.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::address::AddressList;
use crate::audience::Audience;
use crate::change::Position;
use crate::clock::Timestamp;
use crate::facts::{Ancestors, Budgets, Facts, Method, State, Subject};
use crate::ids::{ClientId, EntityId, OwnerId};
use crate::jwt::{Confirmation, Thumbprint};
use crate::owner::Environment;
use crate::quota::Counted;
use crate::scope::ScopeSet;

/// Asks the portal to say why a credential is inactive: a form parameter beside `token`, with the value `1`.
/// Heeded for resource servers and credentials of their own audience alone.
pub const EXPLAIN: &str = "explain";

/// An answer. Anything but an active credential that the asker may know of is [`Introspection::inactive`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introspection {
    /// Whether the credential works now.
    pub active: bool,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeSet>,
    /// The client that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// `Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// Until when, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Since when, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// Who acts with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The APIs that it is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<Audience>,
    /// The portal's public URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The credential's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<EntityId>,
    /// The key that it is bound to (RFC 9449 §6.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Why it is inactive: `revoked`, `disabled`, `owner_suspended`, `expired`; only where asked for with
    /// [`EXPLAIN`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a guard decides by; for resource servers alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyway: Option<GuardFacts>,
}

impl Introspection {
    /// `{"active":false}` and nothing more.
    pub fn inactive() -> Self {
        Self::default()
    }
}

/// [`Facts`] as a remote guard receives them, exact to the microsecond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardFacts {
    /// How the credential proves itself.
    pub method: Method,
    /// The key or the token.
    pub id: EntityId,
    /// Whom it belongs to.
    pub own: OwnerId,
    /// Who acts with it.
    pub sub: Subject,
    /// The app that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// Live or test.
    pub env: Environment,
    /// The APIs that it is for.
    pub aud: SmallVec<[Audience; 1]>,
    /// What it may do.
    pub scope: ScopeSet,
    /// From when, in microseconds since the epoch.
    pub nbf: Timestamp,
    /// Until when, in microseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<Timestamp>,
    /// Whether it works at all.
    pub state: State,
    /// From where it may be used.
    #[serde(default, skip_serializing_if = "AddressList::is_empty")]
    pub addr: AddressList,
    /// All revocable ancestors.
    pub anc: Ancestors,
    /// The signing key of a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<EntityId>,
    /// The key that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<Thumbprint>,
    /// What it draws on.
    pub budgets: Budgets,
    /// The feed's position before this was looked up.
    pub pos: Position,
    /// What all guards have counted of the budgets, where a quota holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
}

impl GuardFacts {
    /// These facts, looked up after the feed stood at `pos`.
    pub fn of(facts: &Facts, pos: Position) -> Self {
        Self {
            method: facts.method,
            id: facts.id,
            own: facts.owner,
            sub: facts.subject,
            client: facts.client,
            env: facts.environment,
            aud: facts.audiences.clone(),
            scope: facts.scopes.clone(),
            nbf: facts.not_before,
            exp: facts.expires_at,
            state: facts.state,
            addr: facts.addresses.clone(),
            anc: facts.ancestors.clone(),
            key: facts.signing_key,
            jkt: facts.bound_to,
            budgets: facts.budgets,
            pos,
            counted: Vec::new(),
        }
    }
}

impl From<GuardFacts> for Facts {
    fn from(sent: GuardFacts) -> Self {
        Self {
            method: sent.method,
            id: sent.id,
            owner: sent.own,
            subject: sent.sub,
            client: sent.client,
            environment: sent.env,
            audiences: sent.aud,
            scopes: sent.scope,
            not_before: sent.nbf,
            expires_at: sent.exp,
            state: sent.state,
            addresses: sent.addr,
            ancestors: sent.anc,
            signing_key: sent.key,
            bound_to: sent.jkt,
            budgets: sent.budgets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inactive_answer_says_nothing_more() {
        let text = serde_json::to_string(&Introspection::inactive()).unwrap();
        assert_eq!(text, r#"{"active":false}"#);
        let read: Introspection = serde_json::from_str(&text).unwrap();
        assert_eq!(read, Introspection::inactive());
    }
}
