//! Other providers, as whose client the portal signs people in.
//!
//! A person's way: [`Provider::start`] says where to send the browser and what to keep for it; the flow that owns the
//! browser's session compares `state`, once; [`Provider::finish`] redeems the code, verifies what came and says who it
//! is. [`renewal`] keeps tokens fresh where they are kept, and
//! [`Provider::revoke`] ends what was granted.
//!
//! | module | what it does |
//! |---|---|
//! | `definition` | what the settings say, and whether it can work |
//! | `identity` | what goes out and comes back |
//! | `error` | what went wrong, in words for people |
//! | `service` | where a provider is: discovery and keys, kept for an hour |
//! | `start` `finish` | the way there and back |
//! | `tokens` | codes and refresh tokens for tokens, and their end |
//! | `id_token` `profile` `github` | who it is |
//! | `registry` | which there are |
//! | [`renewal`] | kept tokens, refreshed before they end |
//! | `http` | endpoints over the guarded client |
//!
//! To add a kind: an arm in `definition` (what it needs), `service` (where it is), `start` (what it is asked for) and
//! `finish` (how it says who it is).

mod definition;
mod error;
mod finish;
mod github;
mod http;
mod id_token;
mod identity;
mod profile;
mod registry;
pub mod renewal;
mod service;
mod start;
#[cfg(test)]
mod tests;
mod tokens;

use openidconnect::core::CoreJsonWebKeySet;

pub use definition::{
    ClaimNames, Definition, Endpoints, InvalidDefinition, Kind, MAX_ENTRIES, MAX_ID_LEN, MAX_LABEL_LEN,
    MAX_TEXT_LEN, ProviderId,
};
pub use error::{ErrorCode, IdTokenFault, ProviderError};
pub use identity::{Asked, Callback, FlowSecrets, Identity, ProviderEmail, Start, Tokens};
pub use registry::{MAX_STORED, Registry, definition as stored_definition};
use service::Service;

use crate::cached::Cached;

/// A provider: its checked definition, and what has been learnt of it.
pub struct Provider {
    definition: Definition,
    service: Cached<Service, ProviderError>,
    keys: Cached<CoreJsonWebKeySet, ProviderError>,
}

impl Provider {
    /// Nothing is asked of the provider before it is needed.
    ///
    /// # Errors
    /// See [`Definition::check`].
    pub fn new(definition: Definition) -> Result<Self, InvalidDefinition> {
        definition.check()?;
        Ok(Self { definition, service: Cached::default(), keys: Cached::default() })
    }

    /// What the settings say.
    pub const fn definition(&self) -> &Definition {
        &self.definition
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("definition", &self.definition).finish_non_exhaustive()
    }
}
