//! `/settings/sessions`: the browsers in which one is signed in.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::Timestamp;
use keyway_core::ids::SessionId;
use keyway_store::StoreError;
use keyway_store::tables::sessions;
use serde::{Deserialize, Serialize};

use crate::error::PageError;
use crate::extract::{CsrfForm, Fresh, SignedIn};
use crate::flows::accounts;
use crate::pages::words;
use crate::render::FlashKind;
use crate::session::IDLE;
use crate::state::{Portal, see_other};

const PATH: &str = "/settings/sessions";

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource(PATH).route(web::get().to(show)))
        .service(
            web::resource("/settings/sessions/end-others")
                .route(web::get().to(back))
                .route(web::post().to(end_others)),
        )
        .service(web::resource("/settings/sessions/{id}").route(web::get().to(back)))
        .service(web::resource("/settings/sessions/{id}/end").route(web::post().to(end)));
}

/// Where a fresh sign-in leads back to before a session is ended.
async fn back() -> HttpResponse {
    see_other(PATH)
}

#[derive(Serialize)]
struct Shown {
    id: String,
    current: bool,
    agent: String,
    address: String,
    created_at: Timestamp,
    last_seen_at: Timestamp,
}

#[derive(Serialize)]
struct Page {
    sessions: Vec<Shown>,
}

async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let (owner, now, here) = (me.owner, portal.now(), me.session_id);
    let mut rows = portal
        .store
        .read(move |conn| -> Result<_, StoreError> { sessions::list(conn, owner, now - IDLE, now, 100) })
        .await?;
    rows.sort_by_key(|row| row.id != here);
    let sessions = rows
        .into_iter()
        .map(|row| Shown {
            id: row.id.to_string(),
            current: row.id == here,
            agent: words::browser(row.user_agent.as_deref()),
            address: row.address.map(|address| address.to_string()).unwrap_or_default(),
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
        })
        .collect();
    portal.page(&me, "pages/settings/sessions.html", Page { sessions })
}

#[derive(Deserialize)]
struct Nothing {}

async fn end(
    portal: web::Data<Portal>,
    me: Fresh,
    id: web::Path<String>,
    _form: CsrfForm<Nothing>,
) -> Result<HttpResponse, PageError> {
    let id: SessionId = id.parse().map_err(|_| PageError::NotFound)?;
    let (act, owner) = (me.act(&portal), me.owner);
    if portal.store.write(move |tx| accounts::end_session(tx, &act, owner, id)).await? {
        portal.redirect_with_flash(&me, PATH, FlashKind::Ok, "The session has ended.")
    } else {
        Err(PageError::NotFound)
    }
}

async fn end_others(
    portal: web::Data<Portal>,
    me: Fresh,
    _form: CsrfForm<Nothing>,
) -> Result<HttpResponse, PageError> {
    let (act, owner, here) = (me.act(&portal), me.owner, me.session_id);
    let ended = portal.store.write(move |tx| accounts::end_other_sessions(tx, &act, owner, here)).await?;
    let text = match ended {
        1 => "One other session has ended.".to_owned(),
        n => format!("{n} other sessions have ended."),
    };
    portal.redirect_with_flash(&me, PATH, FlashKind::Ok, text)
}
