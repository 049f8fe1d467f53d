//! `/settings/profile`: name, address.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::Timestamp;
use keyway_core::rate::Limit;
use keyway_store::StoreError;
use keyway_store::tables::accounts as account_rows;
use serde::{Deserialize, Serialize};

use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::accounts;
use crate::flows::inputs::{self, Email};
use crate::flows::throttle;
use crate::pages::letters::{self, Addressee};
use crate::render::FlashKind;
use crate::state::{Portal, see_other};

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/settings/profile").route(web::get().to(show)).route(web::post().to(submit)))
        .service(
            web::resource("/settings/verify").route(web::get().to(back)).route(web::post().to(send_again)),
        );
}

/// Where a sign-in leads back to before the link is sent again.
async fn back() -> HttpResponse {
    see_other("/settings/profile")
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Form {
    name: String,
}

#[derive(Serialize)]
struct Page<'a> {
    form: &'a Form,
    errors: FieldErrors,
    email: &'a str,
    verified: bool,
    created_at: Timestamp,
}

async fn page<'a>(
    portal: &Portal,
    me: &'a SignedIn,
    form: &'a Form,
    errors: FieldErrors,
) -> Result<Page<'a>, PageError> {
    let owner = me.owner;
    let account = portal
        .store
        .read(move |conn| -> Result<_, StoreError> { account_rows::find(conn, owner) })
        .await?
        .ok_or(PageError::NotFound)?;
    let verified = account.email_verified_at.is_some();
    Ok(Page { form, errors, email: &me.email, verified, created_at: account.created_at })
}

async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let form = Form { name: me.name.clone() };
    let page = page(&portal, &me, &form, FieldErrors::default()).await?;
    portal.page(&me, "pages/settings/profile.html", page)
}

async fn submit(
    portal: web::Data<Portal>,
    me: SignedIn,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    let name = match inputs::name(&form.name) {
        Ok(name) => name,
        Err(error) => {
            let page = page(&portal, &me, &form, FieldErrors::of("name", error)).await?;
            return portal.form_again(&me, "pages/settings/profile.html", page);
        }
    };
    let (act, owner, before) = (me.act(&portal), me.owner, me.name.clone());
    portal.store.write(move |tx| accounts::rename(tx, &act, owner, &before, &name)).await?;
    portal.redirect_with_flash(&me, "/settings/profile", FlashKind::Ok, "The profile is saved.")
}

#[derive(Deserialize)]
struct Nothing {}

async fn send_again(
    portal: web::Data<Portal>,
    me: SignedIn,
    _form: CsrfForm<Nothing>,
) -> Result<HttpResponse, PageError> {
    let to = "/settings/profile";
    if me.email_verified {
        return portal.redirect_with_flash(&me, to, FlashKind::Ok, "Your address is confirmed already.");
    }
    let addressee = Addressee { owner: me.owner, name: &me.name, email: &me.email };
    let (link, letter) = letters::verification(&portal, &addressee, Some(me.session_id))?;
    let email =
        Email::parse(&me.email).map_err(|_| PageError::Internal("the account's address is none".into()))?;
    let (act, owner, off) = (me.act(&portal), me.owner, portal.settings.limits.sign_in == Limit::Off);
    let sent = portal
        .store
        .write(move |tx| -> Result<bool, StoreError> {
            let may = off || throttle::spend_mail(tx.conn(), &email, act.now)?;
            if may {
                accounts::send_link(tx, &act, owner, &link, &letter)?;
            }
            Ok(may)
        })
        .await?;
    portal.mail_bell.ring();
    if sent {
        portal.redirect_with_flash(
            &me,
            to,
            FlashKind::Ok,
            "The link is on its way. It works once, for 24 hours.",
        )
    } else {
        let text = "A link was sent a few minutes ago. Look for it before you ask for another.";
        portal.redirect_with_flash(&me, to, FlashKind::Attention, text)
    }
}
