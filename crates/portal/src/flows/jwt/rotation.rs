//! How signing keys come and go: next → current → retiring → retired, and revoked from any of them. On schedule, by
//! hand, and at the first start.

use keyway_core::change::{EntityKind, NewChange};
use keyway_core::jwt::{
    Algorithm, Jwks, KeyError, KeyState, LEEWAY, MAX_ACCESS_TOKEN_LIFETIME, Purpose, key_entity, new_kid,
    private_jwk,
};
use keyway_core::{Duration, Timestamp};
use keyway_store::tables::signing_keys::{self, StoredKey};
use keyway_store::{Conn, Store, StoreError, Tx};
use serde_json::json;

use super::{KeyRing, RingError};
use crate::flows::{Act, Deed};

/// How long a key signs.
pub const ROTATION_PERIOD: Duration = Duration::days(30);
/// How long a key is published before it signs: twice the `max-age` of the JWKS, so that every verifier has it.
pub const PUBLISHED_AHEAD: Duration = Duration::minutes(10);

/// Why keys were not changed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The key ring or the database failed.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The next key has not been published long enough.
    #[error("the next key may sign from {0}, when every verifier has fetched it")]
    TooSoon(Timestamp),
    /// There is no such key.
    #[error("there is no signing key {0}")]
    Unknown(String),
    /// The key is revoked already.
    #[error("the signing key {0} is revoked already")]
    AlreadyRevoked(String),
    /// There is a key with this `kid`.
    #[error("there is a signing key {0} already")]
    Taken(String),
}

impl From<StoreError> for RotationError {
    fn from(error: StoreError) -> Self {
        Self::Ring(error.into())
    }
}

impl From<KeyError> for RotationError {
    fn from(error: KeyError) -> Self {
        Self::Ring(error.into())
    }
}

/// When the next key takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAction {
    /// When the current one has signed for [`ROTATION_PERIOD`].
    OnSchedule,
    /// Now, if it has been published for [`PUBLISHED_AHEAD`].
    Now,
    /// Now, even if verifiers that keep the JWKS for its `max-age` refuse its first tokens.
    Regardless,
}

/// The public keys (RFC 7517) of all purposes, as published now.
///
/// # Errors
/// When the database cannot answer.
pub fn jwks(conn: &mut Conn) -> Result<Jwks, StoreError> {
    let mut keys = Vec::new();
    for purpose in Purpose::ALL {
        keys.extend(published(conn, purpose)?.keys);
    }
    Ok(Jwks { keys })
}

/// The public keys of one purpose, as published now.
///
/// # Errors
/// When the database cannot answer.
pub fn published(conn: &mut Conn, purpose: Purpose) -> Result<Jwks, StoreError> {
    let keys = signing_keys::published(conn, purpose)?.into_iter().map(|key| key.public).collect();
    Ok(Jwks { keys })
}

/// At the start of a process: sees to it that each of `purposes` has a key that signs and one that will.
///
/// # Errors
/// When a key cannot be made or stored.
pub async fn ensure(
    store: &Store,
    ring: &KeyRing,
    act: Act,
    purposes: &[Purpose],
) -> Result<(), RotationError> {
    for purpose in purposes {
        let once = || change(store, ring, act.clone(), *purpose, KeyAction::OnSchedule);
        match once().await {
            // Another process made the first key at the same moment.
            Err(RotationError::Ring(RingError::Store(StoreError::Conflict))) => once().await?,
            other => other?,
        };
    }
    Ok(())
}

/// Does what the schedule asks for: from time to time.
///
/// # Errors
/// When a key cannot be made or stored.
pub async fn tick(store: &Store, ring: &KeyRing, act: Act) -> Result<(), RotationError> {
    for purpose in Purpose::ALL {
        change(store, ring, act.clone(), purpose, KeyAction::OnSchedule).await?;
    }
    Ok(())
}

/// Lets the next key of a purpose sign; the `kid` of the one that signs now.
///
/// # Errors
/// [`RotationError::TooSoon`], or when a key cannot be made or stored.
pub async fn rotate(
    store: &Store,
    ring: &KeyRing,
    act: Act,
    purpose: Purpose,
    regardless: bool,
) -> Result<String, RotationError> {
    let action = if regardless { KeyAction::Regardless } else { KeyAction::Now };
    change(store, ring, act, purpose, action).await
}

async fn change(
    store: &Store,
    ring: &KeyRing,
    act: Act,
    purpose: Purpose,
    action: KeyAction,
) -> Result<String, RotationError> {
    let found = store.read::<_, StoreError, _>(move |conn| signing_keys::published(conn, purpose)).await?;
    let of = |state| found.iter().find(|key| key.state == state);
    let (current, next) = (of(KeyState::Current), of(KeyState::Next));
    if let (KeyAction::OnSchedule, Some(current), Some(_), false) =
        (action, current, next, is_due(&found, act.now))
    {
        return Ok(current.kid().to_owned());
    }
    // One to stand ready, and one to sign where none does.
    let count = if current.is_none() && next.is_none() { 2 } else { 1 };
    let mut spares = spares(ring, &act, purpose, count).await?;
    store.write(move |tx| advance(tx, &act, purpose, action, &mut spares)).await
}

/// Keys for a transaction that may need them: making them in it would hold up the others, and making them here the
/// other requests of this thread.
async fn spares(
    ring: &KeyRing,
    act: &Act,
    purpose: Purpose,
    count: usize,
) -> Result<Vec<StoredKey>, RingError> {
    let (ring, act) = (ring.clone(), act.clone());
    let made = tokio::task::spawn_blocking(move || {
        (0..count).map(|_| ring.generate(purpose, act.now, &*act.random)).collect()
    });
    made.await.unwrap_or(Err(RingError::Key(KeyError::Signing)))
}

fn is_due(published: &[StoredKey], now: Timestamp) -> bool {
    published.iter().any(|key| match key.state {
        KeyState::Current => key.current_from.is_none_or(|from| from + ROTATION_PERIOD <= now),
        KeyState::Retiring => key.retire_at.is_some_and(|at| at <= now),
        KeyState::Next | KeyState::Retired | KeyState::Revoked => false,
    })
}

fn advance(
    tx: &mut Tx<'_>,
    act: &Act,
    purpose: Purpose,
    action: KeyAction,
    spares: &mut Vec<StoredKey>,
) -> Result<String, RotationError> {
    let now = act.now;
    for key in signing_keys::in_state(tx.conn(), purpose, KeyState::Retiring)? {
        if key.retire_at.is_some_and(|at| at <= now) && signing_keys::retire(tx.conn(), key.id)? {
            told(tx, act, &key, "signing_key.retired")?;
        }
    }
    let next = signing_keys::in_state(tx.conn(), purpose, KeyState::Next)?;
    let current = signing_keys::in_state(tx.conn(), purpose, KeyState::Current)?.into_iter().next();
    let signing = match (current, next.first()) {
        (None, _) => promote_or_insert(tx, act, &next, spares)?,
        (Some(current), next) => {
            let scheduled = current.current_from.is_none_or(|from| from + ROTATION_PERIOD <= now);
            let ready_at = next.map(|key| key.published_at + PUBLISHED_AHEAD);
            let ready = ready_at.is_some_and(|at| at <= now);
            let turn = match action {
                KeyAction::OnSchedule => scheduled && ready,
                KeyAction::Now if !ready => {
                    return Err(RotationError::TooSoon(ready_at.unwrap_or(now + PUBLISHED_AHEAD)));
                }
                KeyAction::Now | KeyAction::Regardless => true,
            };
            match next {
                Some(next) if turn => take_over(tx, act, &current, next)?,
                Some(_) | None => current.kid().to_owned(),
            }
        }
    };
    publish_next(tx, act, purpose, spares)?;
    Ok(signing)
}

/// The current key stops and the next begins.
fn take_over(
    tx: &mut Tx<'_>,
    act: &Act,
    current: &StoredKey,
    next: &StoredKey,
) -> Result<String, RotationError> {
    let retire_at = act.now + MAX_ACCESS_TOKEN_LIFETIME + LEEWAY;
    // Of two at once, the second finds that the key signs no more.
    if signing_keys::stop(tx.conn(), current.id, retire_at)?
        && signing_keys::promote(tx.conn(), next.id, act.now)?
    {
        told(tx, act, next, "signing_key.promoted")?;
        return Ok(next.kid().to_owned());
    }
    Ok(signing_keys::current_kid(tx.conn(), next.purpose)?.unwrap_or_default())
}

/// Where no key signs: a next one begins, or a new one.
fn promote_or_insert(
    tx: &mut Tx<'_>,
    act: &Act,
    next: &[StoredKey],
    spares: &mut Vec<StoredKey>,
) -> Result<String, RotationError> {
    if let Some(key) = next.first()
        && signing_keys::promote(tx.conn(), key.id, act.now)?
    {
        told(tx, act, key, "signing_key.promoted")?;
        return Ok(key.kid().to_owned());
    }
    let mut key = spares.pop().ok_or(KeyError::Signing)?;
    key.state = KeyState::Current;
    key.current_from = Some(act.now);
    signing_keys::insert(tx.conn(), &key)?;
    told(tx, act, &key, "signing_key.created")?;
    Ok(key.kid().to_owned())
}

/// Sees to it that a key stands ready to be the next.
fn publish_next(
    tx: &mut Tx<'_>,
    act: &Act,
    purpose: Purpose,
    spares: &mut Vec<StoredKey>,
) -> Result<(), RotationError> {
    if !signing_keys::in_state(tx.conn(), purpose, KeyState::Next)?.is_empty() {
        return Ok(());
    }
    if let Some(spare) = spares.pop() {
        signing_keys::insert(tx.conn(), &spare)?;
        told(tx, act, &spare, "signing_key.created")?;
    }
    Ok(())
}

/// Writes a change down and lets guards fetch the keys anew.
fn told(tx: &mut Tx<'_>, act: &Act, key: &StoredKey, action: &str) -> Result<(), StoreError> {
    tx.publish(NewChange::changed(EntityKind::SigningKey, key_entity(key.kid()), act.now));
    let what = json!({ "purpose": key.purpose.as_str(), "algorithm": key.algorithm.as_str() });
    act.audit(tx, Deed::new(None, action, "signing_key", key.kid()).after(what))
}

/// Revokes a key: everything that it signed dies at once. If it signed, the next one begins; the `kid` of the one that
/// signs for its purpose now is answered.
///
/// # Errors
/// [`RotationError::Unknown`], [`RotationError::AlreadyRevoked`], or when a key cannot be made or stored.
pub async fn revoke(store: &Store, ring: &KeyRing, act: Act, kid: String) -> Result<String, RotationError> {
    let wanted = kid.clone();
    let found = store.read::<_, StoreError, _>(move |conn| signing_keys::find(conn, &wanted)).await?;
    let key = found.ok_or_else(|| RotationError::Unknown(kid.clone()))?;
    let mut spares = spares(ring, &act, key.purpose, 2).await?;
    store
        .write(move |tx| {
            if !signing_keys::revoke(tx.conn(), key.id, act.now)? {
                return Err(RotationError::AlreadyRevoked(kid));
            }
            tx.publish(NewChange::ended(EntityKind::SigningKey, key_entity(&kid), act.now));
            act.audit(tx, Deed::new(None, "signing_key.revoked", "signing_key", &kid))?;
            advance(tx, &act, key.purpose, KeyAction::OnSchedule, &mut spares)
        })
        .await
}

/// Takes over a private JWK as the next key of a purpose, before any other; its `kid`. Without a purpose named, an RSA
/// key is for ID tokens and any other for access tokens: what is signed by default.
///
/// # Errors
/// When it cannot be read, or there is a key of its name.
pub async fn import(
    store: &Store,
    ring: &KeyRing,
    act: Act,
    jwk: &str,
    purpose: Option<fn(Algorithm) -> Purpose>,
) -> Result<String, RotationError> {
    let key = private_jwk(jwk)?;
    let kid = key.kid.unwrap_or_else(|| new_kid(&*act.random));
    let purpose = match (purpose, key.algorithm) {
        (Some(of), algorithm) => of(algorithm),
        (None, Algorithm::Rs256) => Purpose::IdToken(Algorithm::Rs256),
        (None, Algorithm::Es256 | Algorithm::EdDsa) => Purpose::AccessToken,
    };
    let stored = ring.seal(&kid, (purpose, key.algorithm), &key.pkcs8, act.now, &*act.random)?;
    store
        .write(move |tx| {
            if signing_keys::find(tx.conn(), stored.kid())?.is_some() {
                return Err(RotationError::Taken(stored.kid().to_owned()));
            }
            for other in signing_keys::in_state(tx.conn(), purpose, KeyState::Next)? {
                if signing_keys::discard(tx.conn(), other.id)? {
                    told(tx, &act, &other, "signing_key.retired")?;
                }
            }
            signing_keys::insert(tx.conn(), &stored)?;
            told(tx, &act, &stored, "signing_key.imported")?;
            Ok(kid)
        })
        .await
}
