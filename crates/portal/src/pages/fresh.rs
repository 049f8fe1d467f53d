//! `/fresh`: showing again who one is, before what matters.

mod by_mail;

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use keyway_store::StoreError;
use serde::{Deserialize, Serialize};

use super::connections::offers::{Offer, proving};
use super::connections::own;
use super::password_check::{Checked, check, forget};
use super::sign_up::{Query, allow_redirect};
use crate::error::{FieldErrors, PageError, wait, with_return};
use crate::extract::{CsrfForm, SignedIn, own_path};
use crate::flows::inputs::Email;
use crate::flows::throttle::Guesser;
use crate::known;
use crate::session::{self, Proof};
use crate::state::{Portal, see_other};

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/fresh").route(web::get().to(show)).route(web::post().to(submit)))
        .service(web::resource("/fresh/mail").route(web::post().to(by_mail::send)))
        .service(
            web::resource("/fresh/link")
                .route(web::get().to(by_mail::show))
                .route(web::post().to(by_mail::submit)),
        );
}

#[derive(Serialize)]
struct Page<'a> {
    return_to: &'a str,
    errors: FieldErrors,
    why: &'static str,
    has_password: bool,
    /// Providers that can prove that it is them.
    offers: Vec<Offer>,
}

async fn page(
    portal: &Portal,
    me: &SignedIn,
    status: StatusCode,
    return_to: &str,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let return_to = own_path(return_to).unwrap_or("/");
    let why = "What comes next wants a fresh sign-in.";
    let (connections, has_password) = own(portal, me).await?;
    let with: Vec<String> = connections.into_iter().map(|connection| connection.provider).collect();
    let offers = proving(portal, &with).await?;
    let page = Page { return_to, errors, why, has_password, offers };
    let mut answer = portal.page_with_status(status, me, "pages/fresh.html", page)?;
    allow_redirect(&mut answer, return_to);
    Ok(answer)
}

async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    if portal.settings.demo {
        // There are no passwords: the account is chosen anew.
        let to = with_return("/sign-in", own_path(&query.return_to).unwrap_or("/"));
        return Ok(see_other(&format!("{to}&as_other=true")));
    }
    page(&portal, &me, StatusCode::OK, &query.return_to, FieldErrors::default()).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    password: String,
    return_to: String,
}

async fn submit(
    portal: web::Data<Portal>,
    me: SignedIn,
    request: HttpRequest,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    match own_password(&portal, &me, &request, form.password).await? {
        Ok(()) => {
            session::confirm(&me.session, &Proof::here(portal.now()))?;
            Ok(see_other(own_path(&form.return_to).unwrap_or("/")))
        }
        Err((status, text)) => {
            page(&portal, &me, status, &form.return_to, FieldErrors::of("password", text)).await
        }
    }
}

/// Whether it is the password of who is signed in; else a status and what to say.
pub async fn own_password(
    portal: &Portal,
    me: &SignedIn,
    request: &HttpRequest,
    password: String,
) -> Result<Result<(), (StatusCode, String)>, PageError> {
    let owner = me.owner;
    let account = portal
        .store
        .read(move |conn| -> Result<_, StoreError> { keyway_store::tables::accounts::find(conn, owner) })
        .await?;
    let email =
        Email::parse(&me.email).map_err(|_| PageError::Internal("the account's address is none".into()))?;
    let known_browser = known::mark(portal, request, owner);
    let guesser = Guesser { email, address: me.origin.address, known_browser };
    let stored = account.and_then(|account| account.password);
    Ok(match check(portal, &guesser, stored, password).await? {
        Checked::Right { .. } => {
            forget(portal, guesser).await?;
            Ok(())
        }
        Checked::Wrong => Err((StatusCode::UNPROCESSABLE_ENTITY, "This is not your password.".to_owned())),
        Checked::Wait(seconds) => {
            Err((StatusCode::TOO_MANY_REQUESTS, format!("Too many tries. Try again in {}.", wait(seconds))))
        }
    })
}
