//! The providers that are set up: those of the settings, which stay as they are, and those that administrators made,
//! which the database has.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_core::Timestamp;
use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::seal::MasterKey;
use keyway_store::tables::providers::{self, StoredProvider, secret_place};
use parking_lot::Mutex;

use super::{Definition, Provider};
use crate::error::PageError;
use crate::state::Portal;

/// As many can be made in the portal.
pub const MAX_STORED: u32 = 50;

/// The providers of a portal.
#[derive(Debug, Default)]
pub struct Registry {
    fixed: Vec<Arc<Provider>>,
    /// With what was learnt of them, until they are changed.
    stored: Mutex<BTreeMap<String, (Timestamp, Arc<Provider>)>>,
}

impl Registry {
    /// With those of the settings.
    pub fn new(fixed: Vec<Provider>) -> Self {
        Self { fixed: fixed.into_iter().map(Arc::new).collect(), stored: Mutex::default() }
    }

    /// Those of the settings, in their order.
    pub fn fixed(&self) -> &[Arc<Provider>] {
        &self.fixed
    }

    /// Whether the settings name it.
    pub fn is_fixed(&self, id: &str) -> bool {
        self.fixed.iter().any(|provider| provider.definition().id.as_str() == id)
    }

    /// All of them: those of the settings first, then the others by name. What cannot be used is left out and logged.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn all(&self, portal: &Portal) -> Result<Vec<Arc<Provider>>, PageError> {
        let read =
            |conn: &mut keyway_store::Conn| -> Result<_, StoreError> { providers::list(conn, MAX_STORED) };
        let rows = portal.store.read(read).await?;
        let mut all = self.fixed.clone();
        let mut stored = self.stored.lock();
        stored.retain(|id, _| rows.iter().any(|row| row.id == *id));
        for row in rows.into_iter().filter(|row| !self.is_fixed(&row.id)) {
            match stored.get(&row.id) {
                Some((as_of, provider)) if *as_of == row.updated_at => all.push(Arc::clone(provider)),
                _ => {
                    let Some(provider) = opened(&row, &portal.master_key).map(Arc::new) else { continue };
                    all.push(Arc::clone(&provider));
                    stored.insert(row.id, (row.updated_at, provider));
                }
            }
        }
        Ok(all)
    }

    /// The one of this name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, portal: &Portal, id: &str) -> Result<Option<Arc<Provider>>, PageError> {
        let is = |provider: &&Arc<Provider>| provider.definition().id.as_str() == id;
        if let Some(provider) = self.fixed.iter().find(is) {
            return Ok(Some(Arc::clone(provider)));
        }
        Ok(self.all(portal).await?.iter().find(is).map(Arc::clone))
    }
}

/// The definition of a stored provider, its secret opened.
pub fn definition(row: &StoredProvider, master_key: &MasterKey) -> Option<Definition> {
    let mut definition: Definition = serde_json::from_str(&row.definition).ok()?;
    if let Some(sealed) = &row.secret {
        let plain = master_key.open(&secret_place(&row.id), sealed).ok()?;
        definition.client_secret = Some(PlainSecret::new(std::str::from_utf8(&plain).ok()?));
    }
    Some(definition)
}

fn opened(row: &StoredProvider, master_key: &MasterKey) -> Option<Provider> {
    let provider = definition(row, master_key).and_then(|definition| Provider::new(definition).ok());
    if provider.is_none() {
        tracing::error!(provider = row.id, "a provider cannot be read: set it up anew");
    }
    provider
}
