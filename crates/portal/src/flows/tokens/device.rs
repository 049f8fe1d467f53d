//! Redeeming a device code (RFC 8628 §3.4): the device polls until a person has decided.

use keyway_core::Timestamp;
use keyway_core::jwt::{KeyError, Thumbprint};
use keyway_core::oauth::{Client, ErrorCode, OauthError};
use keyway_core::secret::PlainSecret;
use keyway_store::tables::device_codes::{self, Approval, Decision, DeviceCode};
use keyway_store::{Conn, Store, StoreError, Tx, feed};

use super::consented::{Consented, Offer};
use super::{Answer, Ground, Issuance, TokenError, is_target};
use crate::flows::Act;

/// What a device presents. Its client has been authenticated and may use this grant.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The device code.
    pub code: PlainSecret,
    /// Who presents it.
    pub client: Client,
    /// The API, if it is named once more (RFC 8707 §2.2).
    pub resource: Option<String>,
    /// The key that the client proves to hold (RFC 9449).
    pub proven: Option<Thumbprint>,
}

enum Found {
    Approved(Box<(DeviceCode, Approval, Ground)>),
    /// Nobody has decided yet.
    Pending,
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
    let outcome = store.write(move |tx| redeem(tx, &act, &code, offer)).await?;
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
    is_target(presented.resource.as_deref(), &code.audience)?;
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
) -> Result<Offer, KeyError> {
    let consented = Consented {
        owner: approval.owner,
        grant: approval.grant,
        audience: &code.audience,
        scopes: &code.scopes,
        session: None,
        auth_time: approval.auth_time,
        sid: None,
        amr: &approval.amr,
        nonce: None,
        proven: presented.proven,
    };
    Offer::make(issuance, act, &presented.client, ground, &consented)
}

fn redeem(
    tx: &mut Tx<'_>,
    act: &Act,
    code: &DeviceCode,
    offer: Offer,
) -> Result<Result<Answer, OauthError>, StoreError> {
    if !device_codes::redeem(tx.conn(), code.digest, act.now)? {
        return Ok(Err(OauthError::new(ErrorCode::InvalidGrant, "the device code was redeemed before")));
    }
    offer.keep(tx, act)
}
