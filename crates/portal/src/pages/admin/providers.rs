//! `/admin/providers`: whom people may sign in with. What the settings file names is shown, locked.

mod form;
mod remove;
mod typed;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;

use crate::error::PageError;
use crate::extract::Admin;
use crate::providers::{Kind, Provider};
use crate::state::Portal;

/// The list and its forms; `{id}` is a provider's name.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource("/admin/providers").route(web::get().to(show)).route(web::post().to(form::set_up)),
    )
    .service(web::resource("/admin/providers/new").route(web::get().to(form::new)))
    .service(
        web::resource("/admin/providers/{id}")
            .route(web::get().to(form::edit))
            .route(web::post().to(form::change)),
    )
    .service(
        web::resource("/admin/providers/{id}/remove")
            .route(web::get().to(remove::ask))
            .route(web::post().to(remove::submit)),
    );
}

#[derive(Serialize)]
struct Page {
    providers: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    label: String,
    kind: Kind,
    client_id: String,
    callback: String,
    sign_up: bool,
    keep_tokens: bool,
    /// The settings file names it.
    locked: bool,
}

impl Row {
    fn of(portal: &Portal, provider: &Provider) -> Self {
        let definition = provider.definition();
        let id = definition.id.to_string();
        Self {
            label: definition.label().to_owned(),
            kind: definition.kind,
            client_id: definition.client_id.clone(),
            callback: callback(portal, &id),
            sign_up: definition.sign_up,
            keep_tokens: definition.keep_tokens,
            locked: portal.providers.is_fixed(&id),
            id,
        }
    }
}

/// What is registered at the provider as the redirect URI.
fn callback(portal: &Portal, id: &str) -> String {
    format!("{}/connections/{id}/callback", portal.settings.public_url)
}

async fn show(portal: web::Data<Portal>, me: Admin) -> Result<HttpResponse, PageError> {
    let all = portal.providers.all(&portal).await?;
    let providers = all.iter().map(|provider| Row::of(&portal, provider)).collect();
    portal.page(&me, "pages/admin/providers.html", Page { providers })
}
