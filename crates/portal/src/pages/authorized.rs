//! Apps that this person has authorised: `/authorized`.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::Timestamp;
use keyway_core::ids::GrantId;
use keyway_core::ledger::{Handle, Kind};
use keyway_core::oauth::Grant;
use keyway_store::StoreError;
use keyway_store::tables::{family_counts, grants};
use serde::Serialize;

use crate::error::PageError;
use crate::extract::{CsrfForm, SignedIn};
use crate::flows;
use crate::pages::confirm::{Confirm, NoFields};
use crate::pages::credentials::revoke::confirmation;
use crate::pages::resources::{ScopeWords, in_words};
use crate::render::FlashKind;
use crate::state::Portal;

/// The most apps that are shown.
const MAX_SHOWN: u32 = 200;

/// `/authorized` and taking back.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/authorized").route(web::get().to(list))).service(
        web::resource("/authorized/{id}/revoke")
            .route(web::get().to(confirm_revoke))
            .route(web::post().to(revoke)),
    );
}

#[derive(Serialize)]
struct GrantView {
    id: GrantId,
    app: String,
    owner: String,
    scopes: Vec<ScopeWords>,
    granted_at: Timestamp,
    last_used_at: Option<Timestamp>,
    tokens: u64,
}

#[derive(Serialize)]
struct Context {
    grants: Vec<GrantView>,
}

async fn list(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let (owner, now) = (me.owner, portal.now());
    let found: Result<_, StoreError> = portal
        .store
        .read(move |conn| {
            let alive = family_counts::by_grant(conn, owner, now)?;
            Ok((grants::list_by_owner(conn, owner, MAX_SHOWN)?, alive))
        })
        .await;
    let (found, alive) = found?;
    let grants = found.into_iter().map(|grant| {
        let tokens = alive.iter().find(|(id, _)| *id == grant.grant.id).map_or(0, |(_, count)| *count);
        view(&portal, grant, tokens)
    });
    portal.page(&me, "pages/authorized.html", Context { grants: grants.collect() })
}

fn view(portal: &Portal, listed: grants::ListedGrant, tokens: u64) -> GrantView {
    let Grant { id, scopes, created_at, last_used_at, .. } = listed.grant;
    GrantView {
        id,
        app: listed.app,
        owner: listed.app_owner,
        scopes: in_words(portal.catalogue.apis(), &scopes),
        granted_at: created_at,
        last_used_at,
        tokens,
    }
}

async fn own_grant(portal: &Portal, me: &SignedIn, id: &str) -> Result<grants::ListedGrant, PageError> {
    let id: GrantId = id.parse().map_err(|_| PageError::NotFound)?;
    let owner = me.owner;
    let found: Result<_, StoreError> =
        portal.store.read(move |conn| grants::list_by_owner(conn, owner, MAX_SHOWN)).await;
    found?.into_iter().find(|listed| listed.grant.id == id).ok_or(PageError::NotFound)
}

async fn confirm_revoke(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let grant = own_grant(&portal, &me, &id).await?.grant.id;
    let asked = confirmation(&portal, &me, &[Handle { kind: Kind::Grant, id: grant.entity() }]).await?;
    Confirm { action: format!("/authorized/{grant}/revoke"), cancel: "/authorized".to_owned(), ..asked }
        .page(&portal, &me)
}

async fn revoke(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
    _form: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    let grant = own_grant(&portal, &me, &id).await?;
    let (act, owner, id) = (me.act(&portal), me.owner, grant.grant.id);
    let revoked: Result<_, StoreError> =
        portal.store.write(move |tx| flows::grants::revoke(tx, &act, owner, id)).await;
    if !revoked? {
        return Err(PageError::NotFound);
    }
    let text = format!("{} can no longer act for you: its tokens are refused from now on.", grant.app);
    portal.redirect_with_flash(&me, "/authorized", FlashKind::Ok, text)
}
