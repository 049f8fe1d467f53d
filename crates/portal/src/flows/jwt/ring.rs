//! The keys that sign now, unsealed and kept while they stay the ones.

use std::sync::Arc;

use keyway_core::ids::SigningKeyId;
use keyway_core::jwt::{Algorithm, KeyError, KeyState, Purpose, SigningKey, generate_key, new_kid};
use keyway_core::{Random, Timestamp};
use keyway_store::seal::{MasterKey, Place};
use keyway_store::tables::signing_keys::{self, SEALED_IN, StoredKey};
use keyway_store::{Conn, StoreError};
use parking_lot::Mutex;

/// Why there is nothing to sign with.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The database cannot answer, or holds no key that signs.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be made, read or used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Signs for the portal. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct KeyRing {
    inner: Arc<Inner>,
}

struct Inner {
    master: MasterKey,
    algorithm: Algorithm,
    /// One for each purpose at most.
    cached: Mutex<Vec<(Purpose, Arc<SigningKey>)>>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({})", self.inner.algorithm.as_str())
    }
}

impl KeyRing {
    /// With private halves sealed under `master`; new keys for access tokens are of `algorithm`.
    pub fn new(master: MasterKey, algorithm: Algorithm) -> Self {
        Self { inner: Arc::new(Inner { master, algorithm, cached: Mutex::new(Vec::new()) }) }
    }

    /// What new keys of a purpose sign with.
    pub fn algorithm(&self, purpose: Purpose) -> Algorithm {
        match purpose {
            Purpose::AccessToken => self.inner.algorithm,
            Purpose::IdToken(algorithm) => algorithm,
        }
    }

    /// The key that signs for a purpose now. Which one it is stands in the database and is asked each time, so that no process
    /// signs with a key that another has revoked; unsealed it is once.
    ///
    /// # Errors
    /// When the database cannot answer, no key signs, or the key cannot be unsealed.
    pub fn current(&self, conn: &mut Conn, purpose: Purpose) -> Result<Arc<SigningKey>, RingError> {
        let none = StoreError::Inconsistent { table: "signing_keys", column: "state" };
        let kid = signing_keys::current_kid(conn, purpose)?.ok_or(none)?;
        if let Some((_, key)) = self.inner.cached.lock().iter().find(|(_, key)| key.kid() == kid) {
            return Ok(Arc::clone(key));
        }
        let none = StoreError::Inconsistent { table: "signing_keys", column: "kid" };
        let stored = signing_keys::find(conn, &kid)?.ok_or(none)?;
        let key = Arc::new(self.unseal(&stored)?);
        let mut cached = self.inner.cached.lock();
        cached.retain(|(other, _)| *other != purpose);
        cached.push((purpose, Arc::clone(&key)));
        drop(cached);
        Ok(key)
    }

    fn unseal(&self, stored: &StoredKey) -> Result<SigningKey, RingError> {
        let row = stored.id.to_string();
        let der = self.inner.master.open(&place(&row), &stored.sealed)?;
        Ok(SigningKey::from_pkcs8(stored.kid(), stored.algorithm, &der)?)
    }

    /// A new key in the state `next`, sealed, not stored yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn generate(
        &self,
        purpose: Purpose,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<StoredKey, RingError> {
        let algorithm = self.algorithm(purpose);
        let der = generate_key(algorithm)?;
        self.seal(&new_kid(random), (purpose, algorithm), &der, now, random)
    }

    /// A private key (PKCS #8 in DER) in the state `next`, sealed, not stored yet.
    ///
    /// # Errors
    /// When it cannot be read or sealed.
    pub fn seal(
        &self,
        kid: &str,
        what: (Purpose, Algorithm),
        der: &[u8],
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<StoredKey, RingError> {
        let (purpose, algorithm) = what;
        let id = SigningKeyId::new(now, random);
        let row = id.to_string();
        Ok(StoredKey {
            id,
            purpose,
            algorithm,
            public: SigningKey::from_pkcs8(kid, algorithm, der)?.public_jwk()?,
            sealed: self.inner.master.seal(&place(&row), der, random)?,
            state: KeyState::Next,
            created_at: now,
            published_at: now,
            current_from: None,
            retire_at: None,
            revoked_at: None,
        })
    }
}

const fn place(row: &str) -> Place<'_> {
    Place { table: SEALED_IN.0, column: SEALED_IN.1, row }
}
