//! API keys: `/keys`.

mod actions;
mod detail;
mod expiry;
mod form;
mod history;
mod list;
mod settings;
mod shown;
#[cfg(test)]
mod tests;

use actix_web::web::{self, ServiceConfig};
use keyway_core::api_key::{ApiKey, KeyStatus};
use keyway_core::ids::ApiKeyId;
use keyway_core::ledger::{Handle, Kind};
use keyway_core::{Timestamp, scope::Scope};

use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::keys::{self, By, KeyError, KeyRules};
use crate::pages::requests::list::Subject;
use crate::state::Portal;

/// Everything under `/keys`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/keys").route(web::get().to(list::list)).route(web::post().to(form::create)))
        .service(web::resource("/keys/new").route(web::get().to(form::new)))
        .service(web::resource("/keys/{id}").route(web::get().to(detail::show)))
        .service(web::resource("/keys/{id}/requests").route(web::get().to(detail::requests)))
        .service(web::resource("/keys/{id}/history").route(web::get().to(history::show)))
        .service(web::resource("/keys/{id}/settings").route(web::get().to(form::edit)))
        .service(
            // What explanations and mails lead to.
            web::resource("/keys/{id}/edit")
                .route(web::get().to(form::edit))
                .route(web::post().to(form::save)),
        )
        .service(web::resource("/keys/{id}/shown").route(web::get().to(shown::show)))
        .service(web::resource("/keys/{id}/rotate").route(web::post().to(actions::rotate)))
        .service(web::resource("/keys/{id}/grace/extend").route(web::post().to(actions::extend_grace)))
        .service(web::resource("/keys/{id}/grace/finish").route(web::post().to(actions::finish_grace)))
        .service(web::resource("/keys/{id}/enable").route(web::post().to(actions::enable)))
        .service(
            web::resource("/keys/{id}/disable")
                .route(web::get().to(actions::confirm_disable))
                .route(web::post().to(actions::disable)),
        )
        .service(
            web::resource("/keys/{id}/revoke")
                .route(web::get().to(actions::confirm_revoke))
                .route(web::post().to(actions::revoke)),
        );
}

fn rules(portal: &Portal) -> KeyRules {
    KeyRules::new(&portal.catalogue, &portal.settings)
}

fn by(portal: &Portal, me: &SignedIn) -> By {
    By::Person { fresh: me.view.is_fresh(portal.now()) }
}

/// An id in an address; what is no id belongs to nothing.
fn id(text: &str) -> Result<ApiKeyId, PageError> {
    text.parse().map_err(|_| PageError::NotFound)
}

/// As the pages about one key name it.
fn subject(key: &ApiKey, now: Timestamp) -> Subject {
    Subject { id: key.id.entity(), name: key.name.clone(), status: status_name(key.status(now)) }
}

/// As the list of all credentials names it.
fn handle(id: ApiKeyId) -> Handle {
    Handle { kind: Kind::Key, id: id.entity() }
}

/// A key of this person, or 404: others' keys are not there.
async fn own_key(portal: &Portal, me: &SignedIn, id: ApiKeyId) -> Result<ApiKey, PageError> {
    let (owner, by) = (me.owner, by(portal, me));
    let found = portal.store.read(move |conn| keys::find_own(conn, owner, &by, id)).await;
    found.map_err(|error| not_on_a_form(error, "/keys"))
}

/// What a refusal means where there is no form to show it on.
fn not_on_a_form(error: KeyError, return_to: &str) -> PageError {
    match error {
        KeyError::Store(error) => error.into(),
        KeyError::NotFound | KeyError::NoOwner => PageError::NotFound,
        KeyError::NotFresh => PageError::Confirm { return_to: return_to.to_owned() },
        _ => PageError::BadRequest("The key cannot be used so."),
    }
}

/// The name of a status in templates.
const fn status_name(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "active",
        KeyStatus::ExpiringSoon => "expiring",
        KeyStatus::InGrace => "grace",
        KeyStatus::Expired => "expired",
        KeyStatus::Disabled => "disabled",
        KeyStatus::Revoked => "revoked",
    }
}

/// How a key is recognised: what its secret begins and ends with.
fn display(key: &ApiKey) -> String {
    format!("{}…{}", key.prefix, key.last4)
}

fn scope_names(key: &ApiKey) -> Vec<String> {
    key.terms.scopes.iter().map(Scope::to_string).collect()
}

/// What templates say of a key on every page.
#[derive(serde::Serialize)]
struct KeyRow {
    id: ApiKeyId,
    name: String,
    environment: &'static str,
    display: String,
    scopes: Vec<String>,
    last_used_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    status: &'static str,
}

impl KeyRow {
    fn of(key: &ApiKey, now: Timestamp) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            environment: key.terms.environment.as_str(),
            display: display(key),
            scopes: scope_names(key),
            last_used_at: key.last_used_at,
            expires_at: key.ends_at(),
            status: status_name(key.status(now)),
        }
    }
}
