//! Redeeming an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6): client, redirect URI, verifier and key first; what
//! fails there is counted and changes nothing else. A code that is redeemed twice ends what the first redemption gave.

use keyway_core::Timestamp;
use keyway_core::jwt::{KeyError, Thumbprint};
use keyway_core::oauth::{Client, ErrorCode, MAX_CODE_FAILURES, OauthError};
use keyway_core::secret::PlainSecret;
use keyway_store::tables::codes::{self, AuthorizationCode};
use keyway_store::tables::families::{self as table, EndReason};
use keyway_store::{Conn, Store, StoreError, Tx, feed};

use super::consented::{Consented, Offer};
use super::families::end_because;
use super::{Answer, Ground, Issuance, TokenError, is_target};
use crate::flows::Act;

/// What a client presents. It has been authenticated.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The code.
    pub code: PlainSecret,
    /// Who presents it.
    pub client: Client,
    /// The redirect URI that the code was sent to.
    pub redirect_uri: Option<String>,
    /// The PKCE verifier.
    pub verifier: Option<String>,
    /// The API, if it is named once more (RFC 8707 §2.2).
    pub resource: Option<String>,
    /// The key that the client proves to hold (RFC 9449).
    pub proven: Option<Thumbprint>,
}

enum Found {
    Good(Box<(AuthorizationCode, Ground)>),
    /// Not this client's, or it does not prove that it asked for it.
    Failed(OauthError),
    /// Everything is right, but it was redeemed before.
    Redeemed,
}

/// Exchanges a code for an access token and, for a client that may use them, a refresh token.
///
/// # Errors
/// `invalid_grant` if it is unknown, too old, not this client's, was redeemed before, or redirect URI or verifier are
/// not those that it was asked for with.
pub async fn run(
    store: &Store,
    issuance: &Issuance,
    act: Act,
    presented: Presented,
) -> Result<Answer, TokenError> {
    let (asked, context, now) = (presented.clone(), issuance.clone(), act.now);
    let found = store.read(move |conn| find(conn, &context, &asked, now)).await?;
    let outcome = match found {
        Found::Failed(error) => {
            let digest = presented.code.digest();
            store.write(move |tx| codes::count_failure(tx.conn(), digest)).await?;
            return Err(error.into());
        }
        Found::Redeemed => store.write(move |tx| replayed(tx, &act, &presented)).await?,
        Found::Good(good) => {
            let (code, ground) = *good;
            let offer = make(issuance, &presented, &code, &ground, &act)?;
            store.write(move |tx| redeem(tx, &act, &presented, &code, offer)).await?
        }
    };
    Ok(outcome?)
}

fn refused(description: &'static str) -> OauthError {
    OauthError::new(ErrorCode::InvalidGrant, description)
}

fn find(
    conn: &mut Conn,
    issuance: &Issuance,
    presented: &Presented,
    now: Timestamp,
) -> Result<Found, TokenError> {
    let position = feed::head(conn)?.head;
    let code = codes::find(conn, presented.code.digest())?
        .ok_or_else(|| TokenError::grant("the code is unknown or too old"))?;
    if code.client != presented.client.id {
        return Ok(Found::Failed(refused("the code was issued to another client")));
    }
    // RFC 6749 §4.1.3: to be named again if it was named; else it has at least to be the client's.
    let named = presented.redirect_uri.as_deref();
    let right = match code.redirect_uri.as_str() {
        "" => named.is_none_or(|uri| presented.client.redirect_uri(uri).is_some()),
        asked => named == Some(asked),
    };
    if !right {
        return Ok(Found::Failed(refused("redirect_uri is not the one that the code was sent to")));
    }
    if !presented.verifier.as_deref().is_some_and(|verifier| code.challenge.is_met_by(verifier)) {
        return Ok(Found::Failed(refused("code_verifier does not meet the code_challenge")));
    }
    if code.bound_to.is_some() && code.bound_to != presented.proven {
        return Ok(Found::Failed(refused("the code is bound to a key that was not proven")));
    }
    if code.failures >= MAX_CODE_FAILURES {
        return Err(TokenError::grant("the code was presented wrongly too often"));
    }
    if code.consumed_at.is_some() {
        return Ok(Found::Redeemed);
    }
    if now >= code.expires_at {
        return Err(TokenError::grant("the code is unknown or too old"));
    }
    is_target(presented.resource.as_deref(), &code.audience)?;
    let ground = issuance.ground_at(conn, position, code.owner, presented.client.token_format)?;
    let ground = ground.with_id_token_key(conn, issuance, &presented.client, &code.scopes)?;
    Ok(Found::Good(Box::new((code, ground))))
}

fn make(
    issuance: &Issuance,
    presented: &Presented,
    code: &AuthorizationCode,
    ground: &Ground,
    act: &Act,
) -> Result<Offer, KeyError> {
    let consented = Consented {
        owner: code.owner,
        grant: code.grant,
        audience: &code.audience,
        scopes: &code.scopes,
        session: code.session,
        auth_time: code.auth_time,
        sid: code.sid,
        amr: &code.amr,
        nonce: code.nonce.as_deref(),
        proven: presented.proven,
    };
    Offer::make(issuance, act, &presented.client, ground, &consented)
}

type Outcome = Result<Answer, OauthError>;

fn redeem(
    tx: &mut Tx<'_>,
    act: &Act,
    presented: &Presented,
    code: &AuthorizationCode,
    offer: Offer,
) -> Result<Outcome, StoreError> {
    if !codes::redeem(tx.conn(), code.digest, act.now)? {
        return replayed(tx, act, presented);
    }
    let family = offer.family.id;
    let given = offer.keep(tx, act)?;
    if given.is_ok() {
        codes::set_family(tx.conn(), code.digest, family)?;
    }
    Ok(given)
}

/// A code that everything is right of but that was redeemed before: whoever came first may be the thief.
fn replayed(tx: &mut Tx<'_>, act: &Act, presented: &Presented) -> Result<Outcome, StoreError> {
    let code = codes::find(tx.conn(), presented.code.digest())?;
    if let Some(id) = code.filter(|code| code.consumed_at.is_some()).and_then(|code| code.family)
        && let Some(family) = table::find(tx.conn(), id)?
    {
        end_because(tx, act, &family, EndReason::CodeReplayed)?;
    }
    Ok(Err(refused("the code was redeemed before, is too old, or was presented wrongly too often")))
}
