//! `/settings/notifications`: which mails a person wants.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_store::StoreError;
use keyway_store::tables::muted_mails::{self, MailKind};
use serde::{Deserialize, Serialize};

use crate::error::PageError;
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::accounts;
use crate::render::FlashKind;
use crate::state::Portal;

const PATH: &str = "/settings/notifications";

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource(PATH).route(web::get().to(show)).route(web::post().to(submit)));
}

/// A ticked kind is wanted; what is not ticked is not sent by browsers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    new_credential: String,
    key_expiry: String,
}

#[derive(Serialize)]
struct Page<'a> {
    email: &'a str,
    new_credential: bool,
    key_expiry: bool,
}

async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let owner = me.owner;
    let muted =
        portal.store.read(move |conn| -> Result<_, StoreError> { muted_mails::list(conn, owner) }).await?;
    let wanted = |kind| !muted.contains(&kind);
    let page = Page {
        email: &me.email,
        new_credential: wanted(MailKind::NewCredential),
        key_expiry: wanted(MailKind::KeyExpiry),
    };
    portal.page(&me, "pages/settings/notifications.html", page)
}

async fn submit(
    portal: web::Data<Portal>,
    me: SignedIn,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    let wanted = |kind: &MailKind| match kind {
        MailKind::NewCredential => form.new_credential == "yes",
        MailKind::KeyExpiry => form.key_expiry == "yes",
    };
    let muted: Vec<MailKind> = MailKind::ALL.into_iter().filter(|kind| !wanted(kind)).collect();
    let (act, owner) = (me.act(&portal), me.owner);
    portal.store.write(move |tx| accounts::mute_mails(tx, &act, owner, &muted)).await?;
    portal.redirect_with_flash(&me, PATH, FlashKind::Ok, "Your choice of mails is saved.")
}
