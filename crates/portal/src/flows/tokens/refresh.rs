//! Refreshing (RFC 6749 §6, RFC 9700 §4.14.2): a refresh token works once. Presented again while its successor is
//! unused, and soon enough, it gets the same answer again; presented again in any other way, it was stolen, and its
//! family ends.

use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::{Client, ErrorCode, OFFLINE_ACCESS, OauthError, offline_access};
use keyway_core::scope::{Scope, ScopeSet};
use keyway_core::secret::PlainSecret;
use keyway_core::{Duration, Random, Timestamp};
use keyway_store::tables::families::{self, EndReason, Family, FamilyKind};
use keyway_store::tables::grants;
use keyway_store::tables::refresh_tokens::{self, RefreshToken};
use keyway_store::{Conn, Store, StoreError, Tx, feed};

use super::families::{begin_refresh, end_because, idle_until, refresh_token, still_stands, terms};
use super::id_token::SignedIn;
use super::{Answer, Ground, Issuance, Issued, Terms, TokenError, is_target};
use crate::flows::Act;
use crate::flows::notices::{Notice, Notices};

/// What a client presents. It has been authenticated: a failure there changes nothing here.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The refresh token.
    pub token: PlainSecret,
    /// Who presents it.
    pub client: Client,
    /// Fewer scopes than were given, for the access token alone.
    pub scope: Option<ScopeSet>,
    /// The API, if it is named once more (RFC 8707 §2.2).
    pub resource: Option<String>,
    /// The key that the client proves to hold (RFC 9449).
    pub proven: Option<Thumbprint>,
}

/// What was found before the transaction.
enum Found {
    /// It can be exchanged, if it still can when its turn comes.
    Unspent(Box<Rotation>),
    /// It was used before.
    Spent,
}

struct Rotation {
    family: Family,
    sequence: u64,
    ground: Ground,
    terms: Terms,
}

/// What a token will be exchanged for, made before the transaction.
struct Offer {
    successor: PlainSecret,
    issued: Issued,
    answer: Answer,
    sealed: Vec<u8>,
}

enum Outcome {
    Given(Answer),
    Repeated(Vec<u8>),
    Refused(OauthError),
}

/// Exchanges a refresh token for the next pair.
///
/// # Errors
/// `invalid_grant` if it is not this client's, was revoked, has expired, or was used before; `invalid_scope` if more
/// is asked than was given.
pub async fn run(
    store: &Store,
    issuance: &Issuance,
    act: Act,
    presented: Presented,
    notices: Notices,
) -> Result<Answer, TokenError> {
    let (asked, context, now) = (presented.clone(), issuance.clone(), act.now);
    let found = store.read(move |conn| find(conn, &context, &asked, now)).await?;
    let offer = match found {
        Found::Spent => None,
        Found::Unspent(rotation) => {
            let offer = make(issuance, &rotation, &presented, now, &*act.random)?;
            Some((*rotation, offer))
        }
    };
    let (token, repeat) = (presented.token.clone(), issuance.refresh_repeat);
    let outcome = store
        .write(move |tx| match offer {
            Some((rotation, offer)) => rotate(tx, &act, &presented, &rotation, offer, repeat, &notices),
            None => spent(tx, &act, &presented, repeat, &notices),
        })
        .await?;
    match outcome {
        Outcome::Given(answer) => Ok(answer),
        Outcome::Repeated(sealed) => Ok(Answer::open(&token, &sealed)?),
        Outcome::Refused(error) => Err(error.into()),
    }
}

fn refused(description: &'static str) -> OauthError {
    OauthError::new(ErrorCode::InvalidGrant, description)
}

/// The token's row and its family's, if it is this client's and not over.
fn look_up(
    conn: &mut Conn,
    presented: &Presented,
) -> Result<Result<(RefreshToken, Family), OauthError>, StoreError> {
    let Some(token) = refresh_tokens::find(conn, presented.token.digest())? else {
        return Ok(Err(refused("the refresh token is unknown")));
    };
    let family = families::find(conn, token.family)?
        .ok_or(StoreError::Inconsistent { table: "refresh_tokens", column: "family_id" })?;
    if family.client != presented.client.id {
        return Ok(Err(refused("the refresh token was issued to another client")));
    }
    if family.bound_to.is_some() && family.bound_to != presented.proven {
        return Ok(Err(refused("the refresh token is bound to a key that was not proven")));
    }
    if family.ended_at.is_some() {
        return Ok(Err(refused("the refresh token has been revoked")));
    }
    Ok(Ok((token, family)))
}

fn find(
    conn: &mut Conn,
    issuance: &Issuance,
    presented: &Presented,
    now: Timestamp,
) -> Result<Found, TokenError> {
    let position = feed::head(conn)?.head;
    let (token, family) = look_up(conn, presented)??;
    if token.consumed_at.is_some() {
        return Ok(Found::Spent);
    }
    if now >= token.expires_at || !family.is_living(now) {
        return Err(TokenError::grant("the refresh token has expired"));
    }
    is_target(presented.resource.as_deref(), &family.audience)?;
    let scopes = scopes(conn, issuance, presented, &family)?;
    let ground = issuance.ground_at(conn, position, family.owner, family.format)?;
    let ground = ground.with_id_token_key(conn, issuance, &presented.client, &scopes)?;
    let terms = terms(issuance, &family, &ground.owner, scopes, presented.proven);
    Ok(Found::Unspent(Box::new(Rotation { family, sequence: token.sequence, ground, terms })))
}

/// What the new access token may do: at most what was given, and what consent, client and API still allow.
fn scopes(
    conn: &mut Conn,
    issuance: &Issuance,
    presented: &Presented,
    family: &Family,
) -> Result<ScopeSet, TokenError> {
    // Not in the token, but often repeated by clients with what they asked for at first.
    let asked = presented.scope.as_ref().unwrap_or(&family.scopes).without(&offline_access());
    if !family.scopes.contains_all(&asked) {
        return Err(OauthError::new(ErrorCode::InvalidScope, "more is asked than was given").into());
    }
    let offered = issuance
        .catalogue
        .scopes_at(&family.audience)
        .ok_or_else(|| TokenError::grant("the API that the token is for is gone"))?;
    let mut scopes = asked.intersection(&offered);
    if let Some(grant) = family.grant {
        let grant =
            grants::find(conn, grant)?.ok_or_else(|| TokenError::grant("the consent was taken back"))?;
        scopes = scopes.intersection(&grant.scopes);
    }
    if family.kind == FamilyKind::Oauth {
        let may_ask = |scope: &&Scope| presented.client.may_ask_user_for(scope.as_str());
        scopes = scopes.iter().filter(may_ask).cloned().collect();
    }
    if scopes.is_empty() {
        return Err(OauthError::new(ErrorCode::InvalidScope, "none of the scopes can be had any more").into());
    }
    Ok(scopes)
}

fn make(
    issuance: &Issuance,
    rotation: &Rotation,
    presented: &Presented,
    now: Timestamp,
    random: &dyn Random,
) -> Result<Offer, TokenError> {
    let issued = issuance.issue(&rotation.ground, &rotation.terms, now, random)?;
    let successor = refresh_token(issuance, random);
    let signed_in = SignedIn::of(&rotation.family, None);
    let mut response = issued.response(Some(successor.clone()));
    response.id_token = rotation.ground.id_token(issuance, signed_in, &issued, now)?;
    let repeated = presented.scope.as_ref().is_none_or(|asked| asked.contains(OFFLINE_ACCESS));
    if rotation.family.is_offline() && repeated {
        response.scope = response.scope.union(&offline_access());
    }
    let answer = response.to_answer();
    let sealed = answer.seal(&presented.token, random)?;
    Ok(Offer { successor, issued, answer, sealed })
}

fn rotate(
    tx: &mut Tx<'_>,
    act: &Act,
    presented: &Presented,
    rotation: &Rotation,
    offer: Offer,
    repeat: Duration,
    notices: &Notices,
) -> Result<Outcome, StoreError> {
    let family = &rotation.family;
    let until = idle_until(family, act.now);
    // Holds the family's row: the refreshes of one family come one after another.
    if !families::refreshed(tx.conn(), family.id, act.now, until, act.address)? {
        return Ok(Outcome::Refused(refused("the refresh token has been revoked")));
    }
    let digest = presented.token.digest();
    if !refresh_tokens::consume(tx.conn(), digest, act.now, offer.successor.digest(), &offer.sealed)? {
        return spent(tx, act, presented, repeat, notices);
    }
    if !still_stands(tx.conn(), family)? {
        return Ok(Outcome::Refused(refused("what the token rests on was taken away")));
    }
    begin_refresh(tx, act, family, &offer.successor, rotation.sequence + 1, until)?;
    refresh_tokens::forget_answers_before(tx.conn(), family.id, rotation.sequence)?;
    offer.issued.keep(tx)?;
    if let Some(grant) = family.grant {
        grants::touch(tx.conn(), grant, act.now)?;
    }
    Ok(Outcome::Given(offer.answer))
}

/// A token that was used before: the same answer again, or theft.
fn spent(
    tx: &mut Tx<'_>,
    act: &Act,
    presented: &Presented,
    repeat: Duration,
    notices: &Notices,
) -> Result<Outcome, StoreError> {
    let (token, family) = match look_up(tx.conn(), presented)? {
        Ok(found) => found,
        Err(error) => return Ok(Outcome::Refused(error)),
    };
    let soon = repeat > Duration::ZERO
        && token.consumed_at.is_some_and(|consumed_at| act.now.since(consumed_at) <= repeat);
    let successor = match token.successor {
        Some(digest) => refresh_tokens::find(tx.conn(), digest)?,
        None => None,
    };
    let unused = successor.is_some_and(|next| next.consumed_at.is_none());
    match token.sealed_answer {
        Some(sealed) if soon && unused => Ok(Outcome::Repeated(sealed)),
        Some(_) | None => {
            if end_because(tx, act, &family, EndReason::Theft)? {
                tell_owner(tx, act, presented, &family, notices)?;
            }
            Ok(Outcome::Refused(refused(
                "the refresh token was used before: all tokens of its family have been ended",
            )))
        }
    }
}

fn tell_owner(
    tx: &mut Tx<'_>,
    act: &Act,
    presented: &Presented,
    family: &Family,
    notices: &Notices,
) -> Result<(), StoreError> {
    let (client, path) = match family.kind {
        FamilyKind::Dashboard if !family.name.is_empty() => (family.name.clone(), "/tokens"),
        FamilyKind::Dashboard => (presented.client.name.clone(), "/tokens"),
        FamilyKind::Oauth => (presented.client.name.clone(), "/authorized"),
    };
    notices.tell(tx, act, family.owner, &Notice::RefreshTheft { client, path })?;
    Ok(())
}
