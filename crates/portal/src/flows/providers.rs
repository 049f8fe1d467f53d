//! Providers that an administrator sets up in the portal.

use keyway_core::Timestamp;
use keyway_store::seal::MasterKey;
use keyway_store::tables::providers::{self, StoredProvider, secret_place};
use keyway_store::{StoreError, Tx};

use crate::flows::{Act, Deed};
use crate::providers::{Definition, MAX_STORED};

/// Why a provider was not set up, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum ProviderChangeError {
    /// The name is taken.
    #[error("the name is taken")]
    Taken,
    /// There are as many as there may be.
    #[error("there are {MAX_STORED} providers already")]
    TooMany,
    /// There is no such provider.
    #[error("there is no such provider")]
    Nothing,
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ProviderChangeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Taken,
            other => Self::Store(other),
        }
    }
}

/// Sets one up. The definition was checked before.
///
/// # Errors
/// [`ProviderChangeError`].
pub fn set_up(
    tx: &mut Tx<'_>,
    act: &Act,
    definition: &Definition,
    master_key: &MasterKey,
) -> Result<(), ProviderChangeError> {
    let there = providers::list(tx.conn(), MAX_STORED)?.len();
    if u32::try_from(there).is_ok_and(|there| there >= MAX_STORED) {
        return Err(ProviderChangeError::TooMany);
    }
    let row = row(act, definition, master_key, act.now)?;
    providers::insert(tx.conn(), &row)?;
    write_down(tx, act, "provider.set_up", &row.definition, definition.id.as_str())
}

/// Changes one. Without a secret in `definition` it keeps the one that it has.
///
/// # Errors
/// [`ProviderChangeError`].
pub fn change(
    tx: &mut Tx<'_>,
    act: &Act,
    definition: &Definition,
    master_key: &MasterKey,
) -> Result<(), ProviderChangeError> {
    let id = definition.id.as_str();
    let before = providers::find(tx.conn(), id)?.ok_or(ProviderChangeError::Nothing)?;
    let mut row = row(act, definition, master_key, before.created_at)?;
    if row.secret.is_none() {
        row.secret = before.secret;
    }
    if !providers::update(tx.conn(), &row)? {
        return Err(ProviderChangeError::Nothing);
    }
    write_down(tx, act, "provider.changed", &row.definition, id)
}

/// Removes one. Connections with it stay, and work again if it is set up again.
///
/// # Errors
/// [`ProviderChangeError`].
pub fn remove(tx: &mut Tx<'_>, act: &Act, id: &str) -> Result<(), ProviderChangeError> {
    if !providers::delete(tx.conn(), id)? {
        return Err(ProviderChangeError::Nothing);
    }
    Ok(act.audit(tx, Deed::new(None, "provider.removed", "provider", id))?)
}

fn row(
    act: &Act,
    definition: &Definition,
    master_key: &MasterKey,
    created_at: Timestamp,
) -> Result<StoredProvider, StoreError> {
    let id = definition.id.to_string();
    let unfit = |_| StoreError::Inconsistent { table: "providers", column: "definition" };
    let secret = definition.client_secret.as_ref();
    let seal = |secret: &keyway_core::secret::PlainSecret| {
        master_key.seal(&secret_place(&id), secret.expose().as_bytes(), &*act.random)
    };
    Ok(StoredProvider {
        definition: serde_json::to_string(definition).map_err(unfit)?,
        secret: secret.map(seal).transpose()?,
        created_at,
        updated_at: act.now,
        id,
    })
}

/// The definition has no secret in it.
fn write_down(
    tx: &mut Tx<'_>,
    act: &Act,
    action: &str,
    definition: &str,
    id: &str,
) -> Result<(), ProviderChangeError> {
    let after = serde_json::from_str(definition).unwrap_or_default();
    Ok(act.audit(tx, Deed::new(None, action, "provider", id).after(after))?)
}
