//! Secrets shown once: made by a POST, shown by the GET that it redirects to, erased as they are shown.
//!
//! A form carries a random submission. From it follow a row's id, so that a form sent twice makes one thing, and
//! the key under which the secret lies sealed in between. The database holds neither: the key comes back in a
//! cookie of five minutes, and a second submission of the same form gets the same cookie.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_core::ids::{EntityId, OwnerId, SessionId};
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_core::{Duration, Random, Timestamp};
use keyway_store::seal::{MasterKey, Place};
use keyway_store::tables::owners;
use keyway_store::tables::shown_secrets::{self, ShownSecret};
use keyway_store::{StoreError, Tx};
use zeroize::Zeroizing;

/// How long a secret waits to be shown.
pub const LIFETIME: Duration = Duration::minutes(5);

const LEN: usize = 32;

/// What a form carries in its hidden field `submission`.
#[derive(Clone, Debug)]
pub struct Submission(PlainSecret);

/// What the cookie carries: the secret can be read with it and with nothing else.
#[derive(Clone, Debug)]
pub struct CookieKey(PlainSecret);

/// What a page that shows a secret finds.
#[derive(Debug)]
pub enum Shown {
    /// The secret, for the first and only time.
    Once(PlainSecret),
    /// Nothing: it was shown before, the five minutes are over, or this is another browser.
    AlreadyShown,
}

impl Submission {
    /// For a form about to be shown.
    pub fn new(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0_u8; LEN]);
        random.fill(&mut *bytes);
        Self(PlainSecret::new(URL_SAFE_NO_PAD.encode(*bytes)))
    }
    /// From a form's field; `None` if it is not from one of our forms.
    pub fn parse(field: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(field).ok()?);
        (bytes.len() == LEN).then(|| Self(PlainSecret::new(field)))
    }
    /// For the form's field.
    pub fn field(&self) -> &str {
        self.0.expose()
    }
    fn id(&self) -> EntityId {
        EntityId::from_digest(&self.derive("id"))
    }
    fn cookie_key(&self) -> CookieKey {
        CookieKey(PlainSecret::new(URL_SAFE_NO_PAD.encode(self.derive("cookie").as_bytes())))
    }
    fn derive(&self, purpose: &str) -> SecretDigest {
        SecretDigest::of(format!("keyway submission {purpose} {}", self.field()).as_bytes())
    }
}

impl CookieKey {
    /// From the cookie's value; `None` if it is none of ours.
    pub fn parse(value: &str) -> Option<Self> {
        let key = Self(PlainSecret::new(value));
        key.sealer().map(|_| key)
    }
    /// For the cookie's value.
    pub fn value(&self) -> &str {
        self.0.expose()
    }
    fn sealer(&self) -> Option<MasterKey> {
        MasterKey::from_slice(&Zeroizing::new(URL_SAFE_NO_PAD.decode(self.0.expose()).ok()?))
    }
}

/// The thing that this form made, if it was sent before in this session, and the cookie's key for its page. Holds
/// the owner's row, so that of two submissions at once the second finds what the first made.
///
/// # Errors
/// When the database cannot answer.
pub fn sent_before(
    tx: &mut Tx<'_>,
    owner: OwnerId,
    session: SessionId,
    submission: &Submission,
) -> Result<Option<(EntityId, CookieKey)>, StoreError> {
    owners::lock(tx.conn(), owner)?;
    let found = shown_secrets::find(tx.conn(), submission.id())?;
    let own = found.filter(|secret| secret.owner == owner && secret.session == session);
    Ok(own.map(|secret| (secret.target, submission.cookie_key())))
}

/// What a secret belongs to and who is to see it.
#[derive(Clone, Copy, Debug)]
pub struct Destination {
    /// Whose it is.
    pub owner: OwnerId,
    /// The browser session that made it.
    pub session: SessionId,
    /// What it is the secret of.
    pub target: EntityId,
}

/// Keeps `plain` until its page is shown. [`sent_before`] comes first.
///
/// # Errors
/// [`StoreError::Conflict`] when the form was sent before.
pub fn put(
    tx: &mut Tx<'_>,
    now: Timestamp,
    random: &dyn Random,
    submission: &Submission,
    to: Destination,
    plain: &PlainSecret,
) -> Result<CookieKey, StoreError> {
    let (id, key) = (submission.id(), submission.cookie_key());
    let sealer = key.sealer().ok_or(unreadable())?;
    let sealed = sealer.seal(&place(&id.to_string()), plain.expose().as_bytes(), random)?;
    shown_secrets::insert(
        tx.conn(),
        &ShownSecret {
            id,
            owner: to.owner,
            session: to.session,
            target: to.target,
            sealed: Some(sealed),
            created_at: now,
            expires_at: now + LIFETIME,
        },
    )?;
    Ok(key)
}

/// Gives the secret of a target to the one page that shows it, and erases it. Without the cookie's key it stays.
///
/// # Errors
/// When the database cannot answer.
pub fn take(
    tx: &mut Tx<'_>,
    now: Timestamp,
    from: Destination,
    cookie: Option<&CookieKey>,
) -> Result<Shown, StoreError> {
    let Some(sealer) = cookie.and_then(CookieKey::sealer) else { return Ok(Shown::AlreadyShown) };
    let found = shown_secrets::find_by_target(tx.conn(), from.owner, from.session, from.target)?;
    let Some(secret) = found.filter(|secret| secret.expires_at > now) else {
        return Ok(Shown::AlreadyShown);
    };
    let Some(sealed) = secret.sealed else { return Ok(Shown::AlreadyShown) };
    let plain = match sealer.open(&place(&secret.id.to_string()), &sealed) {
        Ok(plain) => plain,
        // The cookie of something else.
        Err(StoreError::WrongMasterKey { .. } | StoreError::Sealed { .. }) => return Ok(Shown::AlreadyShown),
        Err(other) => return Err(other),
    };
    if !shown_secrets::erase(tx.conn(), secret.id, now)? {
        return Ok(Shown::AlreadyShown);
    }
    let text = std::str::from_utf8(&plain).map_err(|_| unreadable())?;
    Ok(Shown::Once(PlainSecret::new(text)))
}

const fn place(row: &str) -> Place<'_> {
    Place { table: "shown_secrets", column: "sealed", row }
}

const fn unreadable() -> StoreError {
    StoreError::Sealed { table: "shown_secrets", column: "sealed" }
}

#[cfg(test)]
mod tests;
