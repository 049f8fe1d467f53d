//! `/api/v1/keys`: what an owner does with keys in the dashboard, for programs. What a credential makes here has at
//! most what the credential has.

mod body;
mod calls;
mod problem;

use actix_web::web::{self, Query, ServiceConfig};
use actix_web::{HttpResponse, http::header::LOCATION};
use keyway_core::api_key::Grace;
use keyway_core::ids::ApiKeyId;
use keyway_guard::actix::{Principal, resource, scopes};
use keyway_guard::problem::Problem;
use keyway_store::tables::api_keys;

use self::body::{KeyList, KeyView, ListQuery, MadeKey, NewKey, PatchedKey, Rotation};
use self::calls::{Body, OptionalBody, read, write};
use self::problem::fields;
use crate::extract::ClientAddress;
use crate::flows::keys::{self, KeyRules, find_own};
use crate::state::Portal;

/// Why a key that is revoked here was revoked.
const REVOKED: &str = "revoked through the management API";

/// The routes, each with the scopes that it needs; inside the guarded scope.
pub(super) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/keys", "GET, POST")
            .route(web::get().to(list).wrap(scopes(["keys:read"])))
            .route(web::post().to(create).wrap(scopes(["keys:write"]))),
    )
    .service(
        resource("/keys/{id}", "GET, PATCH, DELETE")
            .route(web::get().to(show).wrap(scopes(["keys:read"])))
            .route(web::patch().to(change).wrap(scopes(["keys:write"])))
            .route(web::delete().to(revoke).wrap(scopes(["keys:write"]))),
    )
    .service(
        resource("/keys/{id}/rotate", "POST").route(web::post().to(rotate).wrap(scopes(["keys:write"]))),
    );
}

/// The owner's keys in the caller's environment, the newest first; `next` is the `before` of the page after.
async fn list(
    portal: web::Data<Portal>,
    caller: Principal,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = query.limit()?;
    let filter = query.filter(caller.owner(), caller.environment())?;
    let now = portal.now();
    let mut found = read(&portal, move |conn| Ok(api_keys::list(conn, &filter, now, limit + 1)?)).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|key| key.id);
    Ok(HttpResponse::Ok()
        .json(KeyList { keys: found.iter().map(|key| KeyView::of(key, now)).collect(), next }))
}

async fn show(
    portal: web::Data<Portal>,
    caller: Principal,
    id: web::Path<ApiKeyId>,
) -> Result<HttpResponse, Problem> {
    let (id, owner, by, now) = (id.into_inner(), caller.owner(), calls::by(&caller), portal.now());
    let key = read(&portal, move |conn| find_own(conn, owner, &by, id)).await?;
    Ok(HttpResponse::Ok().json(KeyView::of(&key, now)))
}

/// The answer alone ever shows the secret.
async fn create(
    portal: web::Data<Portal>,
    caller: Principal,
    address: ClientAddress,
    body: Body<NewKey>,
) -> Result<HttpResponse, Problem> {
    let draft = body.0.text(caller.environment()).read().map_err(fields)?;
    let secret = keys::new_secret(&portal.shapes.brand, draft.environment, &*portal.random);
    let (rules, owner, kept) = (rules(&portal), caller.owner(), secret.clone());
    let notices = portal.notices();
    let (key, told) = write(&portal, &caller, address, move |tx, act, by| {
        let key = keys::create(tx, act, &rules, by, owner, draft, &kept)?;
        let told = keys::tell_of_program(tx, &notices, act, &key)?;
        Ok((key, told))
    })
    .await?;
    if told {
        portal.mail_bell.ring();
    }
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/api/v1/keys/{}", key.id)))
        .json(MadeKey::of(&key, &secret, None)))
}

/// Changes what the body names. All of it or nothing.
async fn change(
    portal: web::Data<Portal>,
    caller: Principal,
    address: ClientAddress,
    id: web::Path<ApiKeyId>,
    body: Body<PatchedKey>,
) -> Result<HttpResponse, Problem> {
    let (id, owner, rules) = (id.into_inner(), caller.owner(), rules(&portal));
    let (enabled, patch) = body.0.read()?;
    let now = portal.now();
    let key = write(&portal, &caller, address, move |tx, act, by| {
        let mut key = find_own(tx.conn(), owner, by, id)?;
        if let Some(patch) = patch {
            key = keys::edit(tx, act, &rules, by, owner, id, patch)?;
        }
        match enabled {
            Some(enabled) => keys::set_enabled(tx, act, &rules, by, owner, id, enabled),
            None => Ok(key),
        }
    })
    .await?;
    Ok(HttpResponse::Ok().json(KeyView::of(&key, now)))
}

/// Revoking a revoked key changes nothing and answers the same.
async fn revoke(
    portal: web::Data<Portal>,
    caller: Principal,
    address: ClientAddress,
    id: web::Path<ApiKeyId>,
) -> Result<HttpResponse, Problem> {
    let (id, owner) = (id.into_inner(), caller.owner());
    write(&portal, &caller, address, move |tx, act, by| keys::revoke(tx, act, by, owner, id, REVOKED))
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Answers as [`create`], with the key that goes on for the grace.
async fn rotate(
    portal: web::Data<Portal>,
    caller: Principal,
    address: ClientAddress,
    id: web::Path<ApiKeyId>,
    body: OptionalBody<Rotation>,
) -> Result<HttpResponse, Problem> {
    let grace: Grace = body.0.unwrap_or_default().grace()?;
    let (id, owner, rules) = (id.into_inner(), caller.owner(), rules(&portal));
    let secret = keys::new_secret(&portal.shapes.brand, caller.environment(), &*portal.random);
    let (kept, now, notices) = (secret.clone(), portal.now(), portal.notices());
    let (rotated, told) = write(&portal, &caller, address, move |tx, act, by| {
        let rotated = keys::rotate(tx, act, &rules, by, owner, id, grace, &kept)?;
        let told = keys::tell_of_program(tx, &notices, act, &rotated.new)?;
        Ok((rotated, told))
    })
    .await?;
    if told {
        portal.mail_bell.ring();
    }
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/api/v1/keys/{}", rotated.new.id)))
        .json(MadeKey::of(&rotated.new, &secret, Some(KeyView::of(&rotated.old, now)))))
}

fn rules(portal: &Portal) -> KeyRules {
    KeyRules::new(&portal.catalogue, &portal.settings)
}

#[cfg(test)]
mod tests;
