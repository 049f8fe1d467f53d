//! `/fresh/mail` and `/fresh/link`: showing who one is by a link sent to the account's address, for who has no
//! password. GET shows one button, POST does it, once, in the browser that asked.

use actix_web::HttpResponse;
use actix_web::web;
use keyway_store::StoreError;
use keyway_store::tables::mail_links::LinkPurpose;
use serde::{Deserialize, Serialize};

use crate::error::PageError;
use crate::extract::{CsrfForm, SignedIn, own_path};
use crate::flows::inputs::Email;
use crate::flows::{accounts, links, throttle};
use crate::pages::letters::{self, Addressee};
use crate::pages::reset::TokenQuery;
use crate::pages::sign_up::check_mail;
use crate::session::{self, Proof};
use crate::state::{Portal, see_other};

/// Where the session keeps the page to come back to.
const RETURN_TO: &str = "confirm_return_to";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    return_to: String,
}

/// Sends the link.
pub(super) async fn send(
    portal: web::Data<Portal>,
    me: SignedIn,
    CsrfForm(form): CsrfForm<Wanted>,
) -> Result<HttpResponse, PageError> {
    let email =
        Email::parse(&me.email).map_err(|_| PageError::Internal("the account's address is none".into()))?;
    let (limit, from, now) = (portal.settings.limits.sign_in, me.origin.address, portal.now());
    let spent: Result<_, StoreError> =
        portal.store.write(move |tx| throttle::spend(tx.conn(), limit, "mail", from, now)).await;
    if let Err(retry_after) = spent? {
        return Err(PageError::TooMany { retry_after });
    }
    let to = Addressee { owner: me.owner, name: &me.name, email: &me.email };
    let (link, letter) = letters::confirmation(&portal, &to, me.session_id)?;
    let (act, owner) = (me.act(&portal), me.owner);
    portal.store.write(move |tx| accounts::send_link(tx, &act, owner, &link, &letter)).await?;
    portal.mail_bell.ring();
    session::keep(&me.session, RETURN_TO, own_path(&form.return_to).unwrap_or("/"))?;
    check_mail(&portal, &me, &email, "confirm")
}

#[derive(Serialize)]
struct Page<'a> {
    token: &'a str,
}

/// The page with the button.
pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    query: web::Query<TokenQuery>,
) -> Result<HttpResponse, PageError> {
    let (digest, now) = (links::digest(&portal.shapes, &query.token), portal.now());
    portal.store.read(move |conn| links::look_at(conn, LinkPurpose::Confirm, digest, now)).await?;
    portal.page(&me, "pages/confirm_link.html", Page { token: &query.token })
}

/// The button.
pub(super) async fn submit(
    portal: web::Data<Portal>,
    me: SignedIn,
    CsrfForm(form): CsrfForm<TokenQuery>,
) -> Result<HttpResponse, PageError> {
    let (act, owner, session) = (me.act(&portal), me.owner, me.session_id);
    let digest = links::digest(&portal.shapes, &form.token);
    portal.store.write(move |tx| accounts::confirm_by_mail(tx, &act, owner, session, digest)).await?;
    let to: String = session::take(&me.session, RETURN_TO).unwrap_or_default();
    session::confirm(&me.session, &Proof::here(portal.now()))?;
    Ok(see_other(own_path(&to).unwrap_or("/")))
}
