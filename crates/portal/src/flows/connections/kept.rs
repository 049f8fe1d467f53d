//! What is kept of an identity: the row, and the provider's tokens where the settings ask for them.

use std::sync::Arc;

use keyway_core::Timestamp;
use keyway_core::ids::{ConnectionId, OwnerId};
use keyway_store::StoreError;
use keyway_store::seal::MasterKey;
use keyway_store::tables::connections::{self, Connection, SealedTokens};

use crate::flows::Act;
use crate::providers::{Definition, Identity, Provider, Tokens};

/// An identity that is about to be kept, and what seals its tokens.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// The provider.
    pub provider: Arc<Provider>,
    /// Who it is there.
    pub identity: Identity,
    /// Seals the provider's tokens.
    pub master_key: MasterKey,
}

impl Keeping {
    /// What is set about the provider.
    pub fn definition(&self) -> &Definition {
        self.provider.definition()
    }

    /// The connection of this identity with `owner`.
    pub(super) fn connection(
        &self,
        act: &Act,
        owner: OwnerId,
        last_sign_in_at: Option<Timestamp>,
    ) -> Result<Connection, StoreError> {
        let (definition, identity) = (self.definition(), &self.identity);
        let id = ConnectionId::new(act.now, &*act.random);
        Ok(Connection {
            id,
            owner,
            provider: definition.id.to_string(),
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            account: identity.account.clone(),
            demo: definition.demo,
            scopes: identity.scopes.clone(),
            connected_at: act.now,
            last_sign_in_at,
            tokens: self.tokens(act, id)?,
            refreshed_at: None,
            broken_at: None,
        })
    }

    /// The tokens sealed for a connection, if there are any to keep.
    pub(super) fn tokens(&self, act: &Act, id: ConnectionId) -> Result<Option<SealedTokens>, StoreError> {
        let tokens = self.identity.tokens.as_ref().filter(|_| self.definition().keep_tokens);
        tokens.map(|tokens| seal(tokens, &self.master_key, act, id)).transpose()
    }
}

/// Seals a provider's tokens for a connection.
///
/// # Errors
/// When they cannot be sealed.
pub fn seal(
    tokens: &Tokens,
    master_key: &MasterKey,
    act: &Act,
    id: ConnectionId,
) -> Result<SealedTokens, StoreError> {
    let row = id.to_string();
    Ok(SealedTokens {
        sealed: master_key.seal(&connections::token_place(&row), &tokens.to_json(), &*act.random)?,
        expires_at: tokens.expires_at,
        refreshable: tokens.refresh.is_some(),
    })
}

/// The provider's tokens of a connection, if they are kept.
///
/// # Errors
/// When they cannot be opened.
pub fn open(connection: &Connection, master_key: &MasterKey) -> Result<Option<Tokens>, StoreError> {
    let Some(kept) = &connection.tokens else { return Ok(None) };
    let plain = master_key.open(&connections::token_place(&connection.id.to_string()), &kept.sealed)?;
    let broken = StoreError::Inconsistent { table: "connections", column: "tokens" };
    Tokens::from_json(&plain).map(Some).ok_or(broken)
}
