//! `/forgot`: asking for a link to set another password.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::rate::Limit;
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use serde::{Deserialize, Serialize};

use super::letters::{self, Addressee};
use super::sign_up::check_mail;
use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, Visitor};
use crate::flows::Act;
use crate::flows::accounts;
use crate::flows::inputs::Email;
use crate::flows::links::NewLink;
use crate::flows::throttle;
use crate::render::Mail;
use crate::state::Portal;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/forgot").route(web::get().to(show)).route(web::post().to(submit)));
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Form {
    email: String,
}

#[derive(Serialize)]
struct Page<'a> {
    form: &'a Form,
    errors: FieldErrors,
}

async fn show(portal: web::Data<Portal>, visitor: Visitor) -> Result<HttpResponse, PageError> {
    let page = Page { form: &Form::default(), errors: FieldErrors::default() };
    portal.page(&visitor, "pages/forgot.html", page)
}

async fn submit(
    portal: web::Data<Portal>,
    visitor: Visitor,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    let email = match Email::parse(&form.email) {
        Ok(email) => email,
        Err(error) => {
            let page = Page { form: &form, errors: FieldErrors::of("email", error.to_string()) };
            return portal.form_again(&visitor, "pages/forgot.html", page);
        }
    };
    let (limit, from, now) = (portal.settings.limits.sign_in, visitor.origin.address, portal.now());
    let counted = email.clone();
    let (by_address, by_account) = portal
        .store
        .write(move |tx| -> Result<_, StoreError> {
            let by_address = throttle::spend(tx.conn(), limit, "forgot", from, now)?;
            let by_account = limit == Limit::Off || throttle::spend_mail(tx.conn(), &counted, now)?;
            Ok((by_address, by_account))
        })
        .await?;
    if let Err(retry_after) = by_address {
        return Err(PageError::TooMany { retry_after });
    }
    // The mail is written for unknown addresses too, and thrown away: the answer takes as long.
    let asked = email.clone();
    let candidate = portal.store.read(move |conn| accounts::find_candidate(conn, asked.as_str())).await?;
    let nobody = keyway_core::ids::OwnerId::new(now, &*portal.random);
    let (owner, name) =
        candidate.as_ref().map_or((nobody, ""), |found| (found.owner.id, found.owner.name.as_str()));
    let to = Addressee { owner, name, email: email.as_str() };
    let (link, letter) = letters::reset(&portal, &to)?;
    if by_account && candidate.is_some_and(|found| found.owner.suspended_at.is_none()) {
        let act = visitor.act_as(&portal, Actor::person(owner, email.as_str()));
        // Beside the answer, which would else come later for addresses that have an account.
        actix_web::rt::spawn(send(portal.clone(), act, link, letter));
    }
    check_mail(&portal, &visitor, &email, "reset")
}

async fn send(portal: web::Data<Portal>, act: Act, link: NewLink, letter: Mail) {
    let Some(owner) = link.row.owner_id else { return };
    match portal.store.write(move |tx| accounts::send_reset(tx, &act, owner, &link, &letter)).await {
        Ok(()) => portal.mail_bell.ring(),
        Err(error) => tracing::error!(%error, "a link to set a password could not be kept"),
    }
}
