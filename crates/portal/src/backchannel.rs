//! Telling clients that a user signed out (OpenID Connect Back-Channel Logout 1.0), as long as the process runs.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use futures_util::future::try_join_all;
use keyway_core::jwt::{LOGOUT_TOKEN_TYPE, LogoutClaims, Purpose};
use keyway_core::oauth::Client;
use keyway_core::{Duration, Timestamp};
use keyway_store::StoreError;
use keyway_store::tables::clients;
use keyway_store::tables::logout_notices::{self, LogoutNotice};

use crate::flows::jwt::RingError;
use crate::state::Portal;

/// So often it is looked whom to tell.
const ROUND: StdDuration = StdDuration::from_secs(1);
/// Notices of one round.
const BATCH: u32 = 20;
/// A client that does not take it is given up after so many tries: an hour.
const TRIES: u64 = 7;
/// The wait before the second try; each further one is twice as long.
const FIRST_RETRY: Duration = Duration::seconds(30);
/// How long a logout token may be used (§2.4 recommends at most two minutes).
const TOKEN_LIFETIME: Duration = Duration::seconds(120);

/// Sends notices until the future is dropped. What a client did not take is tried again, ever later.
pub async fn deliver(portal: Arc<Portal>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        if let Err(error) = deliver_due(&portal).await {
            tracing::error!(%error, "clients could not be told of a sign-out");
        }
    }
}

/// Sends what is due now, all at once, so that no slow client holds up the others; how many took it.
///
/// # Errors
/// When the database fails or nothing can be signed; a client that does not answer is no error here.
pub async fn deliver_due(portal: &Portal) -> Result<usize, RingError> {
    let now = portal.now();
    let due = portal.store.read(move |conn| logout_notices::due(conn, now, BATCH)).await?;
    let told = try_join_all(due.into_iter().map(|notice| deliver_one(portal, notice, now))).await?;
    Ok(told.into_iter().filter(|taken| *taken).count())
}

/// One attempt, unless another process makes it; whether the client took it.
async fn deliver_one(portal: &Portal, notice: LogoutNotice, now: Timestamp) -> Result<bool, RingError> {
    let wait = FIRST_RETRY.as_micros().saturating_mul(1 << notice.attempts.min(TRIES));
    let (claim, next) = (notice.clone(), now + Duration::micros(wait));
    let claimed: Result<bool, StoreError> =
        portal.store.write(move |tx| logout_notices::claim(tx.conn(), &claim, next)).await;
    if !claimed? {
        return Ok(false);
    }
    let (id, tries) = (notice.id, notice.attempts + 1);
    let told = tell(portal, &notice).await?;
    if !told && tries < TRIES {
        return Ok(false);
    }
    let over: Result<(), StoreError> = portal
        .store
        .write(move |tx| match told {
            true => logout_notices::sent(tx.conn(), id, now),
            false => logout_notices::failed(tx.conn(), id, now),
        })
        .await;
    over?;
    Ok(told)
}

/// Whether the client took it (§2.8): or has no use for it any more.
async fn tell(portal: &Portal, notice: &LogoutNotice) -> Result<bool, RingError> {
    let id = notice.client;
    let client: Result<Option<Client>, StoreError> =
        portal.store.read(move |conn| clients::find(conn, id)).await;
    let Some(client) = client? else { return Ok(true) };
    let Some(uri) = client.backchannel_logout_uri.clone() else { return Ok(true) };
    let token = sign(portal, &client, notice).await?;
    let answer = portal.outgoing.post_form(&uri, &[("logout_token", &token)]).await;
    let client = client.id;
    match answer {
        Ok(answer) if answer.status.is_success() => Ok(true),
        Ok(answer) => {
            tracing::warn!(%client, status = answer.status.as_u16(), "a client did not take a logout token");
            Ok(false)
        }
        Err(error) => {
            tracing::warn!(%client, %error, "a client could not be told of a sign-out");
            Ok(false)
        }
    }
}

/// The logout token (§2.4), signed as the client's ID tokens are.
async fn sign(portal: &Portal, client: &Client, notice: &LogoutNotice) -> Result<String, RingError> {
    let (ring, purpose) = (portal.issuance.ring.clone(), Purpose::IdToken(client.id_token_algorithm));
    let key = portal.store.read(move |conn| ring.current(conn, purpose)).await?;
    let now = portal.now();
    let claims = LogoutClaims::new(
        portal.settings.public_url.as_str(),
        client.id,
        notice.subject,
        notice.sid,
        (now, now + TOKEN_LIFETIME),
        &*portal.random,
    );
    Ok(key.sign_as(LOGOUT_TOKEN_TYPE, &claims)?)
}

#[cfg(test)]
mod tests;
