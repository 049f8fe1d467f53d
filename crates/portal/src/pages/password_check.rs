//! Looking at a password: counted, slowed down, and verified in the same time whether or not there is an account.

use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::tables::accounts::StoredPassword;

use crate::error::PageError;
use crate::flows::inputs::MAX_PASSWORD;
use crate::flows::throttle::{self, Decision, Guesser};
use crate::state::Portal;

/// What came of it.
pub enum Checked {
    /// It is the password.
    Right {
        /// As it is stored.
        stored: StoredPassword,
        /// At today's cost, where it is stored at another.
        rehashed: Option<StoredPassword>,
    },
    /// It is not, or there is no such account.
    Wrong,
    /// Nothing was looked at; so many seconds to wait.
    Wait(u64),
}

/// Looks at a password.
pub async fn check(
    portal: &Portal,
    guesser: &Guesser,
    stored: Option<StoredPassword>,
    password: String,
) -> Result<Checked, PageError> {
    let (limit, now, who) = (portal.settings.limits.sign_in, portal.now(), guesser.clone());
    let decision = portal
        .store
        .write(move |tx| -> Result<_, StoreError> { throttle::begin(tx.conn(), limit, &who, now) })
        .await?;
    match decision {
        Decision::Wait(seconds) => return Ok(Checked::Wait(seconds)),
        Decision::Try(delay) if delay.as_micros() > 0 => tokio::time::sleep(delay.to_std()).await,
        Decision::Try(_) => {}
    }
    // Longer than any password can be: verified against nothing, in the same time.
    let fits = password.chars().count() <= MAX_PASSWORD;
    let password = if fits { PlainSecret::new(password) } else { PlainSecret::new("") };
    let verified = portal.passwords.verify(password.clone(), stored.clone()).await?;
    let Some(stored) = stored.filter(|_| verified.matches && fits) else { return Ok(Checked::Wrong) };
    let rehashed =
        if verified.outdated { Some(portal.passwords.hash(password, &*portal.random).await?) } else { None };
    Ok(Checked::Right { stored, rehashed })
}

/// Forgets what was counted, where a right password changes nothing else.
pub async fn forget(portal: &Portal, guesser: Guesser) -> Result<(), PageError> {
    let (limit, now) = (portal.settings.limits.sign_in, portal.now());
    let done = portal
        .store
        .write(move |tx| -> Result<_, StoreError> { throttle::succeeded(tx.conn(), limit, &guesser, now) });
    Ok(done.await?)
}
