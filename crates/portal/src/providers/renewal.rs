//! Kept tokens are refreshed before they end, by one at a time.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use futures_util::future::join_all;
use keyway_core::{Duration, Timestamp};
use keyway_store::StoreError;
use keyway_store::tables::audit::{Actor, ActorKind};
use keyway_store::tables::connections::turns::{self, Turn};
use keyway_store::tables::connections::{self, Connection};
use serde_json::json;

use super::{Provider, ProviderError, Tokens};
use crate::error::PageError;
use crate::flows::connections::{open, seal};
use crate::flows::{Act, Deed};
use crate::state::Portal;

/// So often it is looked whose tokens are about to end.
const ROUND: StdDuration = StdDuration::from_secs(60);
/// Connections of one round.
const BATCH: u32 = 20;
/// Tokens are refreshed so long before they end.
const AHEAD: Duration = Duration::minutes(5);
/// A turn lasts so long: a look for the provider, an exchange, and writing down what it brought.
const TURN: Duration = Duration::seconds(30);
/// A provider that did not refresh a connection's tokens is left alone with it so long, unless its person asks.
const PAUSE: Duration = Duration::minutes(5);

/// What came of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// There are new tokens.
    Done,
    /// Another has refreshed them, is doing it, or has just failed to.
    NotNow,
}

/// Why tokens were not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider. After [`ProviderError::GrantDied`] the connection is marked.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// There is nothing to refresh with.
    #[error("the provider gave nothing to refresh with")]
    NotKept,
    /// The work ended before its time: the process is stopping.
    #[error("the refresh was interrupted")]
    Interrupted,
}

/// Refreshes the tokens of a connection as it was last seen. Of several at once, in whatever process, one asks the
/// provider. Goes on if its caller does not: what the provider has given in exchange must not be lost.
///
/// # Errors
/// See [`RenewalError`].
pub async fn refresh(
    portal: Arc<Portal>,
    provider: Arc<Provider>,
    act: Act,
    connection: Connection,
) -> Result<Renewed, RenewalError> {
    let work = tokio::spawn(async move { renew(&portal, &provider, &act, &connection).await });
    work.await.map_err(|_| RenewalError::Interrupted)?
}

async fn renew(
    portal: &Portal,
    provider: &Provider,
    act: &Act,
    connection: &Connection,
) -> Result<Renewed, RenewalError> {
    let old = open(connection, &portal.master_key)?.ok_or(RenewalError::NotKept)?;
    let refresh_token = old.refresh.as_ref().ok_or(RenewalError::NotKept)?;
    let clock = &*portal.clock;
    let Some(turn) = begin(portal, connection, portal.now() + TURN).await? else {
        return Ok(Renewed::NotNow);
    };
    match provider.refresh(&portal.outgoing, clock, &connection.issuer, refresh_token, &old.scopes).await {
        Ok(new) if keep(portal, act, connection, turn, &new).await? => Ok(Renewed::Done),
        Ok(new) => {
            // Disconnected or connected anew meanwhile: nobody has a use for these.
            if let Err(error) = provider.revoke(&portal.outgoing, clock, &connection.issuer, &new).await {
                tracing::warn!(connection = %connection.id, %error, "tokens that came too late were not revoked");
            }
            Ok(Renewed::NotNow)
        }
        Err(ProviderError::GrantDied) => {
            break_off(portal, act, connection, turn).await?;
            Err(ProviderError::GrantDied.into())
        }
        Err(error) => {
            let by_itself = act.actor.kind == ActorKind::System;
            let pause = by_itself.then(|| portal.now() + PAUSE);
            let ended: Result<bool, StoreError> =
                portal.store.write(move |tx| turns::give_back(tx.conn(), turn, pause)).await;
            ended?;
            Err(error.into())
        }
    }
}

async fn begin(portal: &Portal, seen: &Connection, until: Timestamp) -> Result<Option<Turn>, StoreError> {
    let (seen, now) = (seen.clone(), portal.now());
    portal.store.write(move |tx| turns::begin(tx.conn(), &seen, now, until)).await
}

/// Writes down what a turn brought; whether it still counted. The portal's own refreshes leave no audit row: they
/// would bury everything else.
async fn keep(
    portal: &Portal,
    act: &Act,
    connection: &Connection,
    turn: Turn,
    new: &Tokens,
) -> Result<bool, StoreError> {
    let sealed = seal(new, &portal.master_key, act, connection.id)?;
    let (act, scopes, now) = (act.clone(), new.scopes.clone(), portal.now());
    let (id, owner) = (connection.id, connection.owner);
    portal
        .store
        .write(move |tx| {
            let kept = turns::keep(tx.conn(), turn, &sealed, &scopes, now)?;
            if kept && act.actor.kind != ActorKind::System {
                act.audit(tx, Deed::new(Some(owner), "connection.refreshed", "connection", id))?;
            }
            Ok(kept)
        })
        .await
}

async fn break_off(
    portal: &Portal,
    act: &Act,
    connection: &Connection,
    turn: Turn,
) -> Result<(), StoreError> {
    let (act, now) = (act.clone(), portal.now());
    let Connection { id, owner, provider, .. } = connection.clone();
    portal
        .store
        .write(move |tx| {
            if turns::break_off(tx.conn(), turn, now)? {
                let deed = Deed::new(Some(owner), "connection.broken", "connection", id);
                act.audit(tx, deed.after(json!({ "provider": provider })))?;
            }
            Ok(())
        })
        .await
}

/// Refreshes tokens before they end, as long as the process runs.
pub async fn keep_fresh(portal: Arc<Portal>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let done = match portal.providers.all(&portal).await {
            Ok(all) => tend(&portal, &all).await.map_err(PageError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(%error, "it could not be looked whose tokens are about to end");
        }
    }
}

/// A round: what is not to be kept any more is forgotten, what is kept stays fresh.
async fn tend(portal: &Arc<Portal>, providers: &[Arc<Provider>]) -> Result<(), StoreError> {
    forget_unkept(portal, providers).await?;
    refresh_due(portal, providers).await.map(drop)
}

/// Forgets the tokens of providers whose settings do not ask for them (any more); of how many connections.
///
/// # Errors
/// When the database fails.
pub async fn forget_unkept(portal: &Portal, providers: &[Arc<Provider>]) -> Result<usize, StoreError> {
    let definitions = providers.iter().map(|provider| provider.definition());
    let unkept: Vec<String> =
        definitions.filter(|one| !one.keep_tokens).map(|one| one.id.to_string()).collect();
    if unkept.is_empty() {
        return Ok(0);
    }
    portal.store.write(move |tx| connections::forget_tokens(tx.conn(), &unkept)).await
}

/// Refreshes those that are about to end, all at once, so that no slow provider holds up the others; how many it did.
///
/// # Errors
/// When the database fails before anything is done; whatever happens to one connection is logged.
pub async fn refresh_due(portal: &Arc<Portal>, providers: &[Arc<Provider>]) -> Result<usize, StoreError> {
    let (now, demo) = (portal.now(), portal.demo_identities());
    let due = portal.store.read(move |conn| turns::due(conn, now, now + AHEAD, demo, BATCH)).await?;
    let work = due.into_iter().map(|connection| {
        let is = |one: &&Arc<Provider>| one.definition().id.as_str() == connection.provider;
        let provider = providers.iter().find(is).map(Arc::clone);
        refresh_one(portal, provider, connection)
    });
    Ok(join_all(work).await.into_iter().filter(|done| *done).count())
}

async fn refresh_one(portal: &Arc<Portal>, provider: Option<Arc<Provider>>, connection: Connection) -> bool {
    let id = connection.id;
    let Some(provider) = provider else {
        // Not set up any more, or not in this command: the others come first for a while.
        if let Err(error) = begin(portal, &connection, portal.now() + PAUSE).await {
            tracing::warn!(connection = %id, %error, "a connection without a provider could not be put aside");
        }
        return false;
    };
    let act =
        Act { now: portal.now(), random: Arc::clone(&portal.random), actor: Actor::system(), address: None };
    match refresh(Arc::clone(portal), provider, act, connection).await {
        Ok(renewed) => renewed == Renewed::Done,
        Err(error) => {
            tracing::warn!(connection = %id, %error, "a connection's tokens were not refreshed");
            false
        }
    }
}
