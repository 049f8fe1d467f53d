//! Accounts elsewhere: going there and coming back, signing in and up with them, connecting and disconnecting.
//!
//! An identity is (issuer, subject) and never an e-mail address. What the provider said was verified before; here is
//! decided whose it is.

mod confirm;
mod connect;
mod disconnect;
mod kept;
mod sign_in;
mod sign_up;
#[cfg(test)]
mod tests;

use keyway_core::ids::SessionId;
use keyway_core::{Duration, Timestamp};
use keyway_store::tables::connections::{self, Connection, DemoIdentities};
use keyway_store::tables::owners;
use keyway_store::tables::provider_flows::{self, ProviderFlow};
use keyway_store::{Conn, StoreError, Tx};

pub use confirm::{ConfirmError, confirm};
pub use connect::{ConnectError, Connected, connect};
pub use disconnect::{DisconnectError, disconnect, end_connections};
pub use kept::{Keeping, open, seal};
pub use sign_in::{SignedInThere, sign_in};
pub use sign_up::{SignUpThereError, sign_up, sign_up_to_verify};

use super::accounts::{Candidate, find_candidate};
use crate::providers::{Definition, Identity};
use crate::settings::VerifyEmail;

/// How long a browser may stay at a provider.
pub const AWAY: Duration = Duration::minutes(10);
/// As many tabs of one session may be at providers at once.
const MAX_AWAY: u64 = 20;

/// Why a browser is not sent to a provider.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    /// Too many of this session are on their way.
    #[error("too many sign-ins are under way")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers a browser that is sent to a provider.
///
/// # Errors
/// [`LeaveError`].
pub fn leave(tx: &mut Tx<'_>, flow: &ProviderFlow) -> Result<(), LeaveError> {
    if provider_flows::count_open(tx.conn(), flow.session, flow.created_at)? >= MAX_AWAY {
        return Err(LeaveError::TooMany);
    }
    Ok(provider_flows::insert(tx.conn(), flow)?)
}

/// Takes the flow that a `state` belongs to: once, in time, in the session and for the provider that it began with.
///
/// # Errors
/// When the database fails.
pub fn come_back(
    tx: &mut Tx<'_>,
    state: &str,
    session: SessionId,
    provider: &str,
    now: Timestamp,
) -> Result<Option<ProviderFlow>, StoreError> {
    let digest = keyway_core::secret::SecretDigest::of(state.as_bytes());
    provider_flows::take(tx.conn(), &digest, session, provider, now)
}

/// Whom an identity belongs to here.
#[derive(Clone, Debug)]
pub enum Found {
    /// An account is connected with it.
    Connected(Box<(Connection, Candidate)>),
    /// None is, but one has the address that the provider has verified.
    Clash,
    /// Nobody.
    Nobody,
}

/// Whether identities of the demo provider count for `definition`.
pub const fn demo_identities(definition: &Definition) -> DemoIdentities {
    if definition.demo { DemoIdentities::Counted } else { DemoIdentities::Ignored }
}

/// Looks for the account of an identity.
///
/// # Errors
/// When the database fails.
pub fn find(
    conn: &mut Conn,
    definition: &Definition,
    policy: VerifyEmail,
    identity: &Identity,
) -> Result<Found, StoreError> {
    let demo = demo_identities(definition);
    if let Some(connection) = connections::find_by_identity(conn, &identity.issuer, &identity.subject, demo)?
        && let Some(account) = keyway_store::tables::accounts::find(conn, connection.owner)?
        && let Some(owner) = owners::find(conn, connection.owner)?
    {
        return Ok(Found::Connected(Box::new((connection, Candidate { account, owner }))));
    }
    let verified = identity.email.as_ref().filter(|email| email.verified);
    let Some(email) = verified else { return Ok(Found::Nobody) };
    let holder = find_candidate(conn, email.address.as_str())?;
    // An address that nobody has shown to be theirs keeps nobody out, where it has to be shown.
    let shown = holder.filter(|holder| policy.allows_live(holder.account.email_verified_at.is_some()));
    Ok(shown.map_or(Found::Nobody, |_| Found::Clash))
}
