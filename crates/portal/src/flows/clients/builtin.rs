//! What is part of every portal: the owner of clients made by command, and the command-line client.

use keyway_core::audience::Catalogue;
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::ids::{ClientId, EntityId, OwnerId};
use keyway_core::jwt::Algorithm;
use keyway_core::oauth::{AuthMethod, Client, ClientKind, ClientOrigin, GrantType, TokenFormat};
use keyway_core::owner::{Owner, OwnerKind};
use keyway_core::scope::{Scope, ScopeSet};
use keyway_store::tables::{clients, owners};
use keyway_store::{StoreError, Tx};

use crate::flows::Act;

/// What the command-line client may ask tokens with.
const GRANTS: [GrantType; 4] =
    [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::TokenExchange, GrantType::DeviceCode];

/// The portal itself as an owner. A fixed id beside that of [`ClientId::CLI`].
pub const fn builtin_owner() -> OwnerId {
    let cli = ClientId::CLI.entity().0.as_u128();
    OwnerId::from_entity(EntityId(uuid::Uuid::from_u128(cli - 1)))
}

/// Makes the built-in owner and client if they are missing, and gives the client the scopes of today's APIs. Run at
/// every start, by every process: it changes nothing that is right already.
///
/// # Errors
/// When the database cannot answer.
pub fn ensure_builtin(tx: &mut Tx<'_>, act: &Act, catalogue: &Catalogue) -> Result<(), StoreError> {
    let owner = builtin_owner();
    if owners::find(tx.conn(), owner)?.is_none() {
        owners::insert(
            tx.conn(),
            &Owner {
                id: owner,
                kind: OwnerKind::Builtin,
                name: "This portal".to_owned(),
                suspended_at: None,
                rate: None,
                created_at: act.now,
            },
        )?;
    }
    let scopes = all_scopes(catalogue);
    match clients::find(tx.conn(), ClientId::CLI)? {
        None => clients::insert(tx.conn(), &command_line_client(act, scopes), None),
        Some(client) if client.scopes != scopes || client.grant_types != GRANTS => {
            tx.publish(NewChange::changed(EntityKind::Client, ClientId::CLI, act.now));
            clients::update(tx.conn(), &Client { scopes, grant_types: GRANTS.to_vec(), ..client }).map(|_| ())
        }
        Some(_) => Ok(()),
    }
}

fn all_scopes(catalogue: &Catalogue) -> ScopeSet {
    let names = catalogue.apis().iter().flat_map(|api| &api.scopes).map(|scope| scope.name.as_str());
    names.filter_map(|name| name.parse::<Scope>().ok()).collect()
}

fn command_line_client(act: &Act, scopes: ScopeSet) -> Client {
    let loopback = ["http://127.0.0.1/callback", "http://[::1]/callback"];
    Client {
        id: ClientId::CLI,
        owner: builtin_owner(),
        kind: ClientKind::Public,
        name: "Keyway command line".to_owned(),
        auth_method: AuthMethod::None,
        redirect_uris: loopback.iter().filter_map(|uri| uri.parse().ok()).collect(),
        post_logout_redirect_uris: Vec::new(),
        grant_types: GRANTS.to_vec(),
        scopes,
        token_format: TokenFormat::Jwt,
        audience: None,
        jwks: None,
        id_token_algorithm: Algorithm::Rs256,
        dpop_bound: false,
        backchannel_logout_uri: None,
        website: None,
        origin: ClientOrigin::Builtin,
        created_at: act.now,
        suspended_at: None,
        last_used_at: None,
    }
}
