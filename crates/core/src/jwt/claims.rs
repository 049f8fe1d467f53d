//! What stands in an access token.

use super::Confirmation;
use serde::{Deserialize, Serialize};
use smallvec::smallvec;

use crate::address::AddressList;
use crate::audience::Audience;
use crate::change::Position;
use crate::clock::Timestamp;
use crate::facts::{Ancestors, Budgets, Facts, Method, State, Subject};
use crate::ids::{ClientId, EntityId, OwnerId, TokenId};
use crate::owner::Environment;
use crate::quota::Quotas;
use crate::rate::Limit;
use crate::scope::ScopeSet;

/// The `typ` header of an access token (RFC 9068 §2.1).
pub const TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token (RFC 9068 §2.2), and one private claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Issuer: the portal's public URL.
    pub iss: String,
    /// Subject: the person, team or client that acts.
    pub sub: String,
    /// Audience: one API.
    pub aud: Audience,
    /// Expiry, in seconds since the epoch.
    pub exp: i64,
    /// Issued at, in seconds since the epoch.
    pub iat: i64,
    /// The token's id.
    pub jti: TokenId,
    /// The client that holds it.
    pub client_id: ClientId,
    /// Scopes, space-separated.
    pub scope: ScopeSet,
    /// When the user signed in (RFC 9068 §2.2.1), where a user did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The key that it is bound to (RFC 9449 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// What a guard needs and no standard claim says.
    pub keyway: Descent,
}

/// The private claim `keyway`: what the token's end follows from, and what it draws on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descent {
    /// The feed's position when it was issued: whatever an ancestor loses after it ends the token.
    pub pos: Position,
    /// Whom it belongs to.
    pub own: OwnerId,
    /// All revocable ancestors.
    pub anc: Ancestors,
    /// Live or test.
    pub env: Environment,
    /// The credential on whose limit it draws.
    pub root: EntityId,
    /// That credential's own limit.
    pub lim: Limit,
    /// Whether the owner's shared budget is drawn on too, and its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Limit>,
    /// That credential's own quotas.
    #[serde(default, skip_serializing_if = "Quotas::is_off")]
    pub quotas: Quotas,
    /// The owner's shared quotas.
    #[serde(default, skip_serializing_if = "Quotas::is_off")]
    pub shared_quotas: Quotas,
    /// From where it may be used.
    #[serde(default, skip_serializing_if = "AddressList::is_empty")]
    pub addr: AddressList,
}

impl AccessClaims {
    /// The facts that these claims state, once their signature is verified; `None` if `sub` is not an id.
    pub fn facts(&self, signing_key: EntityId) -> Option<Facts> {
        let descent = &self.keyway;
        let subject = if self.sub == self.client_id.to_string() {
            Subject::Client(self.client_id)
        } else {
            Subject::Owner(self.sub.parse().ok()?)
        };
        Some(Facts {
            method: Method::Jwt,
            id: self.jti.entity(),
            owner: descent.own,
            subject,
            client: Some(self.client_id),
            environment: descent.env,
            audiences: smallvec![self.aud.clone()],
            scopes: self.scope.clone(),
            not_before: Timestamp::from_seconds(self.iat) - super::LEEWAY,
            expires_at: Some(Timestamp::from_seconds(self.exp)),
            state: State::Active,
            addresses: descent.addr.clone(),
            ancestors: descent.anc.clone(),
            signing_key: Some(signing_key),
            bound_to: self.cnf.map(|cnf| cnf.jkt),
            budgets: Budgets {
                root: descent.root,
                own: descent.lim,
                owner: descent.shared.map(|_| descent.own),
                shared: descent.shared.unwrap_or(Limit::Off),
                own_quotas: descent.quotas,
                shared_quotas: descent.shared_quotas,
            },
        })
    }
}

impl Descent {
    /// The private claim for a token with these facts, issued at `pos`.
    pub fn of(facts: &Facts, pos: Position) -> Self {
        Self {
            pos,
            own: facts.owner,
            anc: facts.ancestors.clone(),
            env: facts.environment,
            root: facts.budgets.root,
            lim: facts.budgets.own,
            shared: facts.budgets.owner.map(|_| facts.budgets.shared),
            quotas: facts.budgets.own_quotas,
            shared_quotas: facts.budgets.shared_quotas,
            addr: facts.addresses.clone(),
        }
    }
}
