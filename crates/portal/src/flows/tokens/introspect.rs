//! What a credential is worth now (RFC 7662), for those whom it concerns: a resource server asks about credentials for
//! its own API, any other confidential client about tokens that were issued to itself.

use std::sync::Arc;

use keyway_core::Timestamp;
use keyway_core::change::Position;
use keyway_core::credential::{Kind, Shape, Shapes};
use keyway_core::facts::{Facts, Method};
use keyway_core::jwt::{Confirmation, LEEWAY};
use keyway_core::oauth::{Client, ClientKind, GuardFacts, Introspection};
use keyway_core::quota::Day;
use keyway_core::secret::PlainSecret;
use keyway_store::tables::{counted_calls, families, refresh_tokens};
use keyway_store::{Conn, StoreError, facts, feed};

use super::live::{self, why_inactive};
use super::{Issuance, TokenError, outside};
use crate::outside::Verified;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks. It has been authenticated.
    pub asker: Arc<Client>,
    /// About which credential.
    pub token: PlainSecret,
    /// What it is if it is a good JWT of a trusted issuer.
    pub outside: Option<Verified>,
    /// Whether a resource server wants to know why the answer is no.
    pub explain: bool,
}

/// Answers. Whoever may not know gets the same answer as for a credential that does not exist.
///
/// # Errors
/// When the database cannot answer, or the published keys cannot be read.
pub fn introspect(
    conn: &mut Conn,
    issuance: &Issuance,
    shapes: &Shapes,
    asked: &Asked,
    now: Timestamp,
) -> Result<Introspection, TokenError> {
    // Before the look-up, so that whoever keeps the answer knows from where on it may be stale.
    let position = feed::head(conn)?.head;
    let found = match (shapes.classify(asked.token.expose()), &asked.outside) {
        (Shape::ApiKey, _) => facts::api_key(conn, asked.token.digest(), &issuance.limits)?,
        (Shape::WrongKind(Kind::RefreshToken), _) => return Ok(refresh_token(conn, issuance, asked, now)?),
        (_, Some(verified)) => outside::facts(conn, &issuance.limits, verified)?,
        (_, None) => live::access_token(conn, issuance, shapes, &asked.token)?,
    };
    let mut answer = answer(issuance, asked, found.as_ref(), position, now);
    // A guard that asks begins to count.
    let counting = found.filter(|facts| asked.explain && facts.budgets.has_quotas());
    if let (Some(told), Some(facts)) = (answer.keyway.as_mut(), counting) {
        let budgets: Vec<_> = facts.budgets.ids().map(|id| (id, facts.environment, Day::of(now))).collect();
        told.counted = counted_calls::of(conn, &budgets)?;
    }
    Ok(answer)
}

/// The answer where the facts are known, as of `position`; without facts there is no such credential.
pub fn answer(
    issuance: &Issuance,
    asked: &Asked,
    facts: Option<&Facts>,
    position: Position,
    now: Timestamp,
) -> Introspection {
    let Some(facts) = facts else { return Introspection::inactive() };
    let asker = &asked.asker;
    let (concerned, is_guard) = match asker.kind {
        ClientKind::ResourceServer => {
            (asker.audience.as_ref().is_some_and(|own| facts.audiences.contains(own)), true)
        }
        ClientKind::Confidential => (facts.method != Method::ApiKey && facts.client == Some(asker.id), false),
        ClientKind::Public => (false, false),
    };
    if !concerned {
        return Introspection::inactive();
    }
    let guard_facts = || is_guard.then(|| GuardFacts::of(facts, position));
    let why = why_inactive(facts, now);
    if let Some(reason) = why {
        return match guard_facts().filter(|_| asked.explain) {
            Some(facts) => Introspection {
                reason: Some(reason.to_owned()),
                keyway: Some(facts),
                ..Introspection::inactive()
            },
            None => Introspection::inactive(),
        };
    }
    Introspection {
        active: true,
        scope: Some(facts.scopes.clone()),
        client_id: facts.client,
        token_type: Some(if facts.bound_to.is_some() { "DPoP" } else { "Bearer" }.to_owned()),
        exp: facts.expires_at.map(Timestamp::as_seconds),
        iat: Some((facts.not_before + LEEWAY).as_seconds()),
        sub: Some(facts.subject.to_string()),
        aud: facts.audiences.to_vec(),
        iss: Some(issuance.issuer.to_string()),
        jti: Some(facts.id),
        cnf: facts.bound_to.map(|jkt| Confirmation { jkt }),
        reason: None,
        keyway: guard_facts(),
    }
}

/// A refresh token concerns the client that holds it and nobody else.
fn refresh_token(
    conn: &mut Conn,
    issuance: &Issuance,
    asked: &Asked,
    now: Timestamp,
) -> Result<Introspection, StoreError> {
    let Some(token) = refresh_tokens::find(conn, asked.token.digest())? else {
        return Ok(Introspection::inactive());
    };
    let family = families::find(conn, token.family)?.filter(|family| {
        asked.asker.kind == ClientKind::Confidential
            && family.client == asked.asker.id
            && family.is_living(now)
            && token.consumed_at.is_none()
            && now < token.expires_at
    });
    Ok(family.map_or_else(Introspection::inactive, |family| Introspection {
        active: true,
        scope: Some(family.scopes),
        client_id: Some(family.client),
        exp: Some(token.expires_at.as_seconds()),
        iat: Some(token.created_at.as_seconds()),
        sub: Some(family.owner.to_string()),
        iss: Some(issuance.issuer.to_string()),
        ..Introspection::inactive()
    }))
}
