//! Redeeming a device code (RFC 8628 §3.4): the device polls until a person has decided.

use keyway_core::Timestamp;
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::{Client, ErrorCode, OauthError, offline_access};
use keyway_core::secret::PlainSecret;
use keyway_store::tables::device_codes::{self, Approval, Decision, DeviceCode};
use keyway_store::tables::families::Family;
use keyway_store::tables::{grants, owners};
use keyway_store::{Conn, Store, StoreError, Tx, feed};

use super::families::{Consented, begin, of_consent, refresh_token, terms};
use super::id_token::SignedIn;
use super::{Answer, Ground, Issuance, Issued, TokenError};
use crate::flows::Act;

/// What a device presents. Its client has been authenticated and may use this grant.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The device code.
    pub code: PlainSecret,
    /// Who presents it.
    pub client: Client,
    /// The key that the client proves to hold (RFC 9449).
    pub proven: Option<Thumbprint>,
}

enum Found {
    Approved(Box<(DeviceCode, Approval, Ground)>),
    /// Nobody has decided yet.
    Pending,
}

struct Offer {
    family: Family,
    refresh: Option<PlainSecret>,
    issued: Issued,
    answer: Answer,
}

/// Exchanges an approved device code for an access token and, for a client that may use them, a refresh token.
///
/// # Errors
/// `authorization_pending`, `slow_down` (the interval is five seconds longer from then on), `access_denied`,
/// `expired_token` (RFC 8628 §3.5); `invalid_grant` if the code is unknown, another client's, or was redeemed.
pub async fn run(
    store: &Store,
    issuance: &Issuance,
    act: Act,
    presented: Presented,
) -> Result<Answer, TokenError> {
    let (asked, context, now) = (presented.clone(), issuance.clone(), act.now);
    let (code, approval, ground) = match store.read(move |conn| find(conn, &context, &asked, now)).await? {
        Found::Approved(found) => *found,
        Found::Pending => {
            let digest = presented.code.digest();
            let in_time = store.write(move |tx| device_codes::poll(tx.conn(), digest, now)).await?;
            return Err(pending(in_time).into());
        }
    };
    let offer = make(issuance, &presented, &code, &approval, &ground, &act)?;
    let outcome = store.write(move |tx| redeem(tx, &act, &code, &approval, offer)).await?;
    Ok(outcome?)
}

fn pending(in_time: bool) -> OauthError {
    if in_time {
        OauthError::new(ErrorCode::AuthorizationPending, "the user has not decided yet")
    } else {
        OauthError::new(ErrorCode::SlowDown, "wait five seconds longer between two polls")
    }
}

fn find(
    conn: &mut Conn,
    issuance: &Issuance,
    presented: &Presented,
    now: Timestamp,
) -> Result<Found, TokenError> {
    let position = feed::head(conn)?.head;
    let code = device_codes::find(conn, presented.code.digest())?
        .filter(|code| code.client == presented.client.id)
        .ok_or_else(|| TokenError::grant("the device code is unknown, or another client's"))?;
    if code.consumed_at.is_some() {
        return Err(TokenError::grant("the device code was redeemed before"));
    }
    if now >= code.expires_at {
        let text = "the device code is too old: ask for another";
        return Err(OauthError::new(ErrorCode::ExpiredToken, text).into());
    }
    if code.bound_to.is_some() && code.bound_to != presented.proven {
        return Err(TokenError::grant("the device code is bound to a key that was not proven"));
    }
    let approval = match &code.decision {
        None => return Ok(Found::Pending),
        Some(Decision::Denied) => {
            return Err(OauthError::new(ErrorCode::AccessDenied, "the user said no").into());
        }
        Some(Decision::Approved(approval)) => approval.clone(),
    };
    let ground = issuance.ground_at(conn, position, approval.owner, presented.client.token_format)?;
    let ground = ground.with_id_token_key(conn, issuance, &presented.client, &code.scopes)?;
    Ok(Found::Approved(Box::new((code, approval, ground))))
}

fn make(
    issuance: &Issuance,
    presented: &Presented,
    code: &DeviceCode,
    approval: &Approval,
    ground: &Ground,
    act: &Act,
) -> Result<Offer, TokenError> {
    let consented = Consented {
        owner: approval.owner,
        grant: approval.grant,
        audience: &code.audience,
        scopes: &code.scopes,
        session: None,
        auth_time: approval.auth_time,
        sid: None,
        amr: &approval.amr,
        proven: presented.proven,
    };
    let family = of_consent(act, &presented.client, &consented);
    let terms = terms(issuance, &family, &ground.owner, code.scopes.clone(), presented.proven);
    let issued = issuance.issue(ground, &terms, act.now, &*act.random)?;
    let refresh = family.has_refresh.then(|| refresh_token(issuance, &*act.random));
    let mut response = issued.response(refresh.clone());
    response.id_token = ground.id_token(issuance, SignedIn::of(&family, None), &issued, act.now)?;
    if family.is_offline() {
        response.scope = response.scope.union(&offline_access());
    }
    let answer = response.to_answer();
    Ok(Offer { family, refresh, issued, answer })
}

fn redeem(
    tx: &mut Tx<'_>,
    act: &Act,
    code: &DeviceCode,
    approval: &Approval,
    offer: Offer,
) -> Result<Result<Answer, OauthError>, StoreError> {
    let refused = |text: &'static str| Ok(Err(OauthError::new(ErrorCode::InvalidGrant, text)));
    if !device_codes::redeem(tx.conn(), code.digest, act.now)? {
        return refused("the device code was redeemed before");
    }
    let owner = owners::find(tx.conn(), approval.owner)?.is_some_and(|owner| owner.suspended_at.is_none());
    if !owner || grants::find(tx.conn(), approval.grant)?.is_none() {
        return refused("the consent was taken back");
    }
    begin(tx, act, &offer.family, offer.refresh.as_ref())?;
    offer.issued.keep(tx)?;
    grants::touch(tx.conn(), approval.grant, act.now)?;
    Ok(Ok(offer.answer))
}
