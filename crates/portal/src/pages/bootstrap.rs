//! `/bootstrap`: becoming the first administrator, by the link that the terminal shows.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_store::tables::mail_links::LinkPurpose;
use serde::{Deserialize, Serialize};

use super::reset::TokenQuery;
use crate::error::PageError;
use crate::extract::{CsrfForm, SignedIn, Visitor};
use crate::flows::{bootstrap, links};
use crate::render::FlashKind;
use crate::state::Portal;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/bootstrap").route(web::get().to(show)).route(web::post().to(submit)));
}

#[derive(Serialize)]
struct Page<'a> {
    token: &'a str,
}

async fn show(
    portal: web::Data<Portal>,
    visitor: Visitor,
    query: web::Query<TokenQuery>,
) -> Result<HttpResponse, PageError> {
    let (digest, now) = (links::digest(&portal.shapes, &query.token), portal.now());
    portal.store.read(move |conn| links::look_at(conn, LinkPurpose::Bootstrap, digest, now)).await?;
    portal.page(&visitor, "pages/bootstrap.html", Page { token: &query.token })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    token: String,
}

async fn submit(
    portal: web::Data<Portal>,
    me: SignedIn,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    let (act, owner, digest) = (me.act(&portal), me.owner, links::digest(&portal.shapes, &form.token));
    portal.store.write(move |tx| bootstrap::become_administrator(tx, &act, digest, owner)).await?;
    portal.redirect_with_flash(&me, "/", FlashKind::Ok, "You administer this portal now.")
}
