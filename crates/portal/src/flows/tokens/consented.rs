//! What a client gets for a consent, by a code or at a device: a family, its first tokens and, with `openid`, an ID
//! token.

use keyway_core::Timestamp;
use keyway_core::audience::Audience;
use keyway_core::facts::Ancestors;
use keyway_core::ids::{FamilyId, GrantId, OwnerId, SessionId};
use keyway_core::jwt::{ACCESS_TOKEN_LIFETIME, KeyError, Thumbprint};
use keyway_core::oauth::{
    Client, ClientKind, ErrorCode, FAMILY_LIFETIME, GrantType, OauthError, REFRESH_IDLE, offline_access,
};
use keyway_core::owner::Environment;
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_store::tables::families::{Family, FamilyKind};
use keyway_store::tables::grants;
use keyway_store::{StoreError, Tx};

use super::families::{begin, refresh_token, still_stands, terms};
use super::id_token::SignedIn;
use super::{Answer, Ground, Issuance, Issued};
use crate::flows::Act;

/// What a user said yes to, redeemed.
pub(super) struct Consented<'c> {
    pub(super) owner: OwnerId,
    pub(super) grant: GrantId,
    pub(super) audience: &'c Audience,
    pub(super) scopes: &'c ScopeSet,
    /// The browser session that the family ends with.
    pub(super) session: Option<SessionId>,
    /// What an ID token tells of the sign-in, with `nonce` as the client sent it.
    pub(super) auth_time: Timestamp,
    pub(super) sid: Option<SessionId>,
    pub(super) amr: &'c str,
    pub(super) nonce: Option<&'c str>,
    /// The key that the client proves to hold (RFC 9449).
    pub(super) proven: Option<Thumbprint>,
}

/// What will be given, made before the transaction. It works once [`Offer::keep`] has been committed.
pub(super) struct Offer {
    pub(super) family: Family,
    grant: GrantId,
    refresh: Option<PlainSecret>,
    issued: Issued,
    answer: Answer,
}

impl Offer {
    /// Makes it for `client`.
    pub(super) fn make(
        issuance: &Issuance,
        act: &Act,
        client: &Client,
        ground: &Ground,
        consented: &Consented<'_>,
    ) -> Result<Self, KeyError> {
        let family = family(act, client, consented);
        let terms = terms(issuance, &family, &ground.owner, consented.scopes.clone(), consented.proven);
        let issued = issuance.issue(ground, &terms, act.now, &*act.random)?;
        let refresh = family.has_refresh.then(|| refresh_token(issuance, &*act.random));
        let signed_in = SignedIn::of(&family, consented.nonce);
        let mut response = issued.response(refresh.clone());
        response.id_token = ground.id_token(issuance, signed_in, &issued, act.now)?;
        if family.is_offline() {
            response.scope = response.scope.union(&offline_access());
        }
        let answer = response.to_answer();
        Ok(Self { family, grant: consented.grant, refresh, issued, answer })
    }

    /// Keeps it, in the transaction that redeemed the code, and gives the answer; `invalid_grant` if the consent or
    /// its owner went in the meantime.
    pub(super) fn keep(self, tx: &mut Tx<'_>, act: &Act) -> Result<Result<Answer, OauthError>, StoreError> {
        if !still_stands(tx.conn(), &self.family)? {
            return Ok(Err(OauthError::new(ErrorCode::InvalidGrant, "the consent was taken back")));
        }
        begin(tx, act, &self.family, self.refresh.as_ref())?;
        self.issued.keep(tx)?;
        grants::touch(tx.conn(), self.grant, act.now)?;
        Ok(Ok(self.answer))
    }
}

/// The family that begins when `client` redeems a consent.
fn family(act: &Act, client: &Client, consented: &Consented<'_>) -> Family {
    let has_refresh = client.may_use(GrantType::RefreshToken);
    let (owner, grant) = (consented.owner, consented.grant);
    Family {
        id: FamilyId::new(act.now, &*act.random),
        owner,
        client: client.id,
        grant: Some(grant),
        kind: FamilyKind::Oauth,
        name: client.name.clone(),
        audience: consented.audience.clone(),
        scopes: consented.scopes.clone(),
        environment: Environment::Live,
        format: client.token_format,
        access_lifetime: ACCESS_TOKEN_LIFETIME,
        has_refresh,
        ancestors: Ancestors::from_slice(&[owner.entity(), client.id.entity(), grant.entity()]),
        root: grant.entity(),
        created_at: act.now,
        last_refreshed_at: None,
        idle_expires_at: act.now + if has_refresh { REFRESH_IDLE } else { ACCESS_TOKEN_LIFETIME },
        expires_at: act.now + FAMILY_LIFETIME,
        ended_at: None,
        ended_reason: None,
        session: consented.session,
        address: act.address,
        auth_time: Some(consented.auth_time),
        sid: consented.sid,
        amr: consented.amr.to_owned(),
        bound_to: refresh_binding(client, consented.proven),
    }
}

/// The key that the refresh tokens of a family are bound to: the first that was proven, for a client that has no other
/// way to prove who it is (RFC 9449 §5).
fn refresh_binding(client: &Client, proven: Option<Thumbprint>) -> Option<Thumbprint> {
    proven.filter(|_| client.kind == ClientKind::Public)
}
