//! The owner's apps: `/apps`.

mod builder;
mod detail;
mod form;
mod secrets;
mod typed;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::Timestamp;
use keyway_core::ids::{ClientId, OwnerId};
use keyway_core::oauth::{Client, ClientOrigin, RedirectUri};
use keyway_store::StoreError;
use keyway_store::tables::{clients, grants};
use serde::Serialize;

use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::clients::MAX_CLIENTS;
use crate::state::Portal;

/// Everything under `/apps`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/apps").route(web::get().to(list)).route(web::post().to(form::register)))
        .service(web::resource("/apps/new").route(web::get().to(form::new)))
        .service(web::resource("/apps/{id}").route(web::get().to(detail::show)))
        .service(web::resource("/apps/{id}/dry-run").route(web::get().to(builder::dry_run)))
        .service(
            web::resource("/apps/{id}/edit")
                .route(web::get().to(form::edit))
                .route(web::post().to(form::save)),
        )
        .service(
            web::resource("/apps/{id}/delete")
                .route(web::get().to(detail::confirm_delete))
                .route(web::post().to(detail::delete)),
        )
        .service(
            web::resource("/apps/{id}/revoke-tokens")
                .route(web::get().to(detail::confirm_revoke_tokens))
                .route(web::post().to(detail::revoke_tokens)),
        )
        .service(web::resource("/apps/{id}/secrets").route(web::post().to(secrets::add)))
        .service(web::resource("/apps/{id}/secrets/shown").route(web::get().to(secrets::shown)))
        .service(
            web::resource("/apps/{id}/secrets/{secret}/revoke")
                .route(web::get().to(secrets::confirm_revoke))
                .route(web::post().to(secrets::revoke)),
        );
}

#[derive(Serialize)]
struct AppRow {
    client_id: ClientId,
    name: String,
    kind: &'static str,
    redirect_uris: Vec<RedirectUri>,
    users: u64,
    registered_itself: bool,
    created_at: Timestamp,
    status: &'static str,
}

#[derive(Serialize)]
struct ListContext {
    apps: Vec<AppRow>,
    refused: Option<&'static str>,
}

async fn list(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let owner = me.owner;
    let apps: Result<_, StoreError> = portal
        .store
        .read(move |conn| {
            let users = grants::count_by_client_of_owner(conn, owner)?;
            let apps = clients::list_by_owner(conn, owner, MAX_CLIENTS)?;
            Ok(apps.into_iter().map(|client| row(client, &users)).collect())
        })
        .await;
    let context = ListContext { apps: apps?, refused: refusal(&portal, &me) };
    portal.page(&me, "pages/apps/list.html", context)
}

fn row(client: Client, users: &[(ClientId, u64)]) -> AppRow {
    AppRow {
        users: users.iter().find(|(id, _)| *id == client.id).map_or(0, |(_, count)| *count),
        client_id: client.id,
        kind: client.kind.as_str(),
        registered_itself: client.origin == ClientOrigin::Dynamic,
        status: status(&client),
        created_at: client.created_at,
        name: client.name,
        redirect_uris: client.redirect_uris,
    }
}

const fn status(client: &Client) -> &'static str {
    if client.suspended_at.is_some() { "suspended" } else { "active" }
}

/// Why this person can register no app yet.
fn refusal(portal: &Portal, me: &SignedIn) -> Option<&'static str> {
    (!me.may_go_live(portal)).then_some("Verify your e-mail address first: then you can register apps.")
}

/// A client of this person, or 404: others' apps are not there.
async fn own_client(portal: &Portal, owner: OwnerId, id: &str) -> Result<Client, PageError> {
    let id: ClientId = id.parse().map_err(|_| PageError::NotFound)?;
    let found: Result<_, StoreError> = portal.store.read(move |conn| clients::find(conn, id)).await;
    found?.filter(|client| client.owner == owner && !client.is_builtin()).ok_or(PageError::NotFound)
}

#[cfg(test)]
mod tests;
