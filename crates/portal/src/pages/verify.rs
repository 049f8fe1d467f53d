//! `/verify`: showing that an address is theirs. GET shows one button, POST does it, once.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_store::tables::audit::Actor;
use keyway_store::tables::mail_links::LinkPurpose;
use serde::{Deserialize, Serialize};

use super::reset::TokenQuery;
use super::sign_in::welcome;
use crate::error::PageError;
use crate::extract::{CsrfForm, Visitor};
use crate::flows::accounts;
use crate::flows::links;
use crate::known;
use crate::session::Proof;
use crate::state::Portal;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/verify").route(web::get().to(show)).route(web::post().to(submit)));
}

#[derive(Serialize)]
struct Page<'a> {
    token: &'a str,
    email: String,
}

async fn show(
    portal: web::Data<Portal>,
    visitor: Visitor,
    query: web::Query<TokenQuery>,
) -> Result<HttpResponse, PageError> {
    let (digest, now) = (links::digest(&portal.shapes, &query.token), portal.now());
    let link = portal.store.read(move |conn| links::look_at(conn, LinkPurpose::Verify, digest, now)).await?;
    portal.page(&visitor, "pages/verify.html", Page { token: &query.token, email: link.email })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    token: String,
}

async fn submit(
    portal: web::Data<Portal>,
    visitor: Visitor,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    let (act, digest) =
        (visitor.act_as(&portal, Actor::system()), links::digest(&portal.shapes, &form.token));
    let (session, signed_in) = (visitor.session_id(), visitor.person.as_ref().map(|person| person.owner));
    let verified =
        portal.store.write(move |tx| accounts::verify(tx, &act, digest, session, signed_in)).await?;
    // Whoever opened the mail chooses the password, where it may have been chosen by somebody else.
    let next = if verified.elsewhere { "/settings/password" } else { "/" };
    welcome(&portal, &visitor, verified.owner, &Proof::here(portal.now()), known::PASSWORD, next)
}
