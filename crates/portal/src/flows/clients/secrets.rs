//! Client secrets: several at once, so that one can follow another without a gap.

use keyway_core::Duration;
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::credential::{self, Brand, Kind};
use keyway_core::ids::{ClientId, ClientSecretId, OwnerId};
use keyway_core::oauth::Client;
use keyway_core::secret::PlainSecret;
use keyway_store::tables::client_secrets::{self, ClientSecret};
use keyway_store::tables::clients;
use keyway_store::{StoreError, Tx};
use serde_json::json;

use super::{ClientError, find_own};
use crate::flows::{Act, Deed};

/// The most secrets of a client that hold at once.
pub const MAX_SECRETS: usize = 5;

/// How long secrets may keep working beside the one that follows them.
pub const MAX_OVERLAP: Duration = Duration::days(30);

/// Gives a client of `owner` one more secret. Those before keep working for `overlap`, at most [`MAX_OVERLAP`];
/// without one, until they are revoked.
///
/// # Errors
/// [`ClientError::NotFound`], [`ClientError::TooManySecrets`], or that the client has no use for one.
pub fn add_secret(
    tx: &mut Tx<'_>,
    act: &Act,
    brand: &Brand,
    owner: OwnerId,
    id: ClientId,
    overlap: Option<Duration>,
) -> Result<PlainSecret, ClientError> {
    let client = find_own(tx, owner, id)?;
    if !client.auth_method.has_secret() {
        return Err(ClientError::Mismatch("this client authenticates without a secret"));
    }
    clients::lock(tx.conn(), id)?;
    if client_secrets::list(tx.conn(), id, act.now)?.len() >= MAX_SECRETS {
        return Err(ClientError::TooManySecrets);
    }
    let (secret, plain) = insert(tx, act, brand, &client)?;
    if let Some(overlap) = overlap {
        let end = act.now + overlap.min(MAX_OVERLAP);
        client_secrets::end_others(tx.conn(), id, secret, end)?;
        let deed = Deed::new(Some(owner), "app.secrets_ending", "client", id);
        act.audit(tx, deed.after(json!({ "kept": secret, "others_end_at": end.to_rfc3339() })))?;
    }
    tx.publish(NewChange::changed(EntityKind::Client, id, act.now));
    Ok(plain)
}

/// Revokes one secret of a client of `owner`. Tokens that were issued stay: what they rest on is the client.
///
/// # Errors
/// [`ClientError::NotFound`] if there is no such secret, or it was revoked before.
pub fn revoke_secret(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    id: ClientId,
    secret: ClientSecretId,
) -> Result<(), ClientError> {
    find_own(tx, owner, id)?;
    if !client_secrets::revoke(tx.conn(), id, secret, act.now)? {
        return Err(ClientError::NotFound);
    }
    tx.publish(NewChange::changed(EntityKind::Client, id, act.now));
    let deed = Deed::new(Some(owner), "app.secret_revoked", "client", id);
    act.audit(tx, deed.after(json!({ "secret": secret })))?;
    Ok(())
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    act: &Act,
    brand: &Brand,
    client: &Client,
) -> Result<(ClientSecretId, PlainSecret), StoreError> {
    let plain = credential::generate(brand, Kind::ClientSecret, &*act.random);
    let secret = ClientSecret {
        id: ClientSecretId::new(act.now, &*act.random),
        client: client.id,
        digest: plain.digest(),
        last4: plain.last4().to_owned(),
        created_at: act.now,
        expires_at: None,
        last_used_at: None,
    };
    client_secrets::insert(tx.conn(), &secret)?;
    let deed = Deed::new(Some(client.owner), "app.secret_added", "client", client.id);
    act.audit(tx, deed.after(json!({ "secret": secret.id, "last4": secret.last4 })))?;
    Ok((secret.id, plain))
}
