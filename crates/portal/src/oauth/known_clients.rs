//! What is remembered of OAuth clients, and which key signs, between two requests: for as long as the change feed says
//! nothing of them (see [`Guard::holds`](keyway_guard::Guard::holds)). Facts only: every check is made anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use keyway_core::change::Position;
use keyway_core::ids::{ClientId, ClientSecretId};
use keyway_core::jwt::{Purpose, SigningKey, VerificationKeys};
use keyway_core::oauth::{Client, TokenFormat};
use keyway_core::owner::Owner;
use keyway_core::secret::SecretDigest;
use keyway_core::{Duration, Timestamp};
use keyway_guard::{CaughtUp, Learnt};
use keyway_store::tables::client_secrets::{self, ClientSecret};
use keyway_store::tables::{clients, owners};
use keyway_store::{StoreError, feed};
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::flows::tokens::{Ground, TokenError};
use crate::state::Portal;

/// How many clients are remembered.
const MAX_CLIENTS: usize = 4_096;
/// How exactly the last use of a client or secret is remembered.
const TOUCH_AFTER: Duration = Duration::minutes(1);

/// The clients that asked lately.
pub struct KnownClients {
    clients: Cache<ClientId, Arc<KnownClient>>,
    /// The key that signs access tokens, and the published keys beside which it was read.
    signing: Mutex<Option<(Arc<VerificationKeys>, Arc<SigningKey>)>>,
}

/// A client as it is stored, with what it is known by.
pub struct KnownClient {
    /// The client, suspended or not.
    pub client: Arc<Client>,
    /// Whom it belongs to; `None` if that owner was deleted.
    owner: Option<Owner>,
    secrets: Vec<ClientSecret>,
    /// When it, and each of the secrets in their order, was last noted as used, in microseconds.
    touched: Vec<AtomicI64>,
    learnt: Learnt,
}

/// A client that is remembered or was just read.
pub struct Found {
    /// The client.
    pub known: Arc<KnownClient>,
    /// What is said of it holds as of here.
    pub position: Position,
    /// Whether it comes from memory: what is missing in it may have been added since.
    pub remembered: bool,
}

/// What is to be noted of a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The client itself.
    pub client: bool,
    /// The secret that was shown.
    pub secret: Option<ClientSecretId>,
}

impl Default for KnownClients {
    fn default() -> Self {
        Self { clients: Cache::new(MAX_CLIENTS), signing: Mutex::new(None) }
    }
}

impl KnownClients {
    /// What is remembered of a client and still holds.
    pub async fn remembered(&self, portal: &Portal, id: ClientId) -> Option<Found> {
        let known = self.clients.get(&id)?;
        let caught_up = portal.guard.caught_up().await?;
        let watched = [id.entity(), known.client.owner.entity()];
        let holds = portal.guard.holds(&known.learnt, caught_up, watched);
        holds.then_some(Found { known, position: caught_up.position, remembered: true })
    }

    /// Reads a client, and remembers it.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn read(&self, portal: &Portal, id: ClientId) -> Result<Option<Found>, StoreError> {
        let learnt = portal.guard.learning();
        let now = portal.clock.now();
        let read = portal.store.read(move |conn| {
            let position = feed::head(conn)?.head;
            let Some(client) = clients::find(conn, id)? else { return Ok(None) };
            let secrets = client_secrets::list(conn, id, now)?;
            let owner = owners::find(conn, client.owner)?;
            Ok::<_, StoreError>(Some((position, client, secrets, owner)))
        });
        let Some((position, client, secrets, owner)) = read.await? else { return Ok(None) };
        let micros = |at: Option<Timestamp>| AtomicI64::new(at.map_or(i64::MIN, Timestamp::as_micros));
        let touched = std::iter::once(client.last_used_at)
            .chain(secrets.iter().map(|secret| secret.last_used_at))
            .map(micros)
            .collect();
        let known = Arc::new(KnownClient { client: Arc::new(client), owner, secrets, touched, learnt });
        self.clients.insert(id, Arc::clone(&known));
        Ok(Some(Found { known, position, remembered: false }))
    }

    /// The key that signs access tokens now.
    ///
    /// # Errors
    /// When the database cannot answer, or there is no key.
    async fn signing_key(&self, portal: &Portal) -> Result<Arc<SigningKey>, TokenError> {
        // Whoever has caught up has other published keys after any change of a signing key. Taken before the question.
        let published =
            portal.guard.caught_up().await.and_then(|_: CaughtUp| portal.guard.verification_keys());
        if let (Some(now), Some((then, key))) = (&published, &*self.signing.lock())
            && Arc::ptr_eq(now, then)
        {
            return Ok(Arc::clone(key));
        }
        let ring = portal.issuance.ring.clone();
        let read = portal.store.read(move |conn| ring.current(conn, Purpose::AccessToken));
        let key = read.await.map_err(TokenError::from)?;
        if let Some(published) = published {
            *self.signing.lock() = Some((published, Arc::clone(&key)));
        }
        Ok(key)
    }
}

impl Found {
    /// What a token for the client itself rests on.
    ///
    /// # Errors
    /// `invalid_grant` if the client's owner is suspended or gone; or when the key that signs cannot be read.
    pub async fn ground(&self, portal: &Portal) -> Result<Ground, TokenError> {
        let key = match self.known.client.token_format {
            TokenFormat::Jwt => Some(portal.known_clients.signing_key(portal).await?),
            TokenFormat::Opaque => None,
        };
        Ground::new(self.position, self.known.owner.clone(), key)
    }
}

impl KnownClient {
    /// The secret with this digest, if it holds at `now`; compared in constant time.
    pub fn secret(&self, digest: &SecretDigest, now: Timestamp) -> Option<&ClientSecret> {
        let holds = |secret: &&ClientSecret| secret.expires_at.is_none_or(|end| now < end);
        self.secrets.iter().find(|secret| secret.digest == *digest).filter(holds)
    }

    /// What is to be noted of a use now. Whoever asks next is not told to.
    pub fn touch(&self, secret: Option<ClientSecretId>, now: Timestamp) -> Due {
        let due = |at: usize| {
            self.touched.get(at).is_some_and(|last| {
                let before = last.load(Ordering::Relaxed);
                let due = now.as_micros().saturating_sub(before) > TOUCH_AFTER.as_micros();
                due && last
                    .compare_exchange(before, now.as_micros(), Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            })
        };
        let place = |id| self.secrets.iter().position(|known| known.id == id).map(|at| at + 1);
        Due { client: due(0), secret: secret.filter(|id| place(*id).is_some_and(due)) }
    }
}
