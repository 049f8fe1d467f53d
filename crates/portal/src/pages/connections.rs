//! `/connections`: accounts elsewhere to sign in with.

mod arrive;
mod callback;
mod disconnect;
pub(super) mod offers;
mod refresh;
mod refused;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::Timestamp;
use keyway_store::StoreError;
use keyway_store::tables::accounts;
use keyway_store::tables::connections::{self, Connection};
use serde::Serialize;

use crate::error::PageError;
use crate::extract::SignedIn;
use crate::providers::Provider;
use crate::state::Portal;

/// The page, and the way there and back; `{id}` is the provider's name in the settings.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/connections").route(web::get().to(show)))
        .service(web::resource("/connections/{id}/start").route(web::post().to(start::start)))
        .service(web::resource("/connections/{id}/callback").route(web::get().to(callback::callback)))
        .service(web::resource("/connections/{id}/refresh").route(web::post().to(refresh::submit)))
        .service(
            web::resource("/connections/{id}/disconnect")
                .route(web::get().to(disconnect::ask))
                .route(web::post().to(disconnect::submit)),
        );
}

#[derive(Serialize)]
struct Page {
    providers: Vec<Card>,
    verified: bool,
}

#[derive(Serialize)]
struct Card {
    id: String,
    name: String,
    /// Whether it is still set up.
    works: bool,
    connected: Option<ConnectedView>,
}

#[derive(Serialize)]
struct ConnectedView {
    account: String,
    connected_at: Timestamp,
    last_sign_in_at: Option<Timestamp>,
    scopes: Vec<String>,
    /// Whether the provider's tokens are kept.
    kept: bool,
    refreshable: bool,
    tokens_expire_at: Option<Timestamp>,
    refreshed_at: Option<Timestamp>,
    broken_at: Option<Timestamp>,
    /// Why it cannot be disconnected.
    last_way_in: bool,
}

/// The connections of who is signed in, and whether they have a password too.
pub(super) async fn own(portal: &Portal, me: &SignedIn) -> Result<(Vec<Connection>, bool), PageError> {
    let (owner, demo) = (me.owner, portal.demo_identities());
    let read = move |conn: &mut keyway_store::Conn| -> Result<_, StoreError> {
        let account = accounts::find(conn, owner)?;
        let has_password = account.is_some_and(|account| account.password.is_some());
        Ok((connections::of_owner(conn, owner, demo)?, has_password))
    };
    Ok(portal.store.read(read).await?)
}

async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let providers = portal.providers.all(&portal).await?;
    let (connections, has_password) = own(&portal, &me).await?;
    let works = |id: &str| providers.iter().any(|provider| provider.definition().id.as_str() == id);
    let ways = connections.iter().filter(|connection| works(&connection.provider)).count();
    let mut connected: BTreeMap<String, ConnectedView> = BTreeMap::new();
    for connection in connections {
        let others = ways - usize::from(works(&connection.provider));
        let view = ConnectedView::of(&connection, !has_password && others == 0);
        connected.insert(connection.provider, view);
    }
    let mut cards: Vec<Card> = providers.iter().map(|provider| Card::of(provider, &mut connected)).collect();
    // Those that are no longer set up can still be disconnected.
    let gone = |(id, view): (String, ConnectedView)| Card {
        name: id.clone(),
        id,
        works: false,
        connected: Some(view),
    };
    cards.extend(connected.into_iter().map(gone));
    let verified = me.may_go_live(&portal);
    portal.page(&me, "pages/connections.html", Page { providers: cards, verified })
}

impl Card {
    fn of(provider: &Arc<Provider>, connected: &mut BTreeMap<String, ConnectedView>) -> Self {
        let definition = provider.definition();
        let id = definition.id.to_string();
        Self { name: definition.label().to_owned(), works: true, connected: connected.remove(&id), id }
    }
}

impl ConnectedView {
    fn of(connection: &Connection, last_way_in: bool) -> Self {
        let tokens = connection.tokens.as_ref();
        Self {
            account: connection.account.clone(),
            connected_at: connection.connected_at,
            last_sign_in_at: connection.last_sign_in_at,
            scopes: connection.scopes.clone(),
            kept: tokens.is_some(),
            refreshable: tokens.is_some_and(|tokens| tokens.refreshable),
            tokens_expire_at: tokens.and_then(|tokens| tokens.expires_at),
            refreshed_at: connection.refreshed_at,
            broken_at: connection.broken_at,
            last_way_in,
        }
    }
}
