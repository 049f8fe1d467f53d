//! `/sign-in` and `/sign-out`.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::ids::{ClientId, OwnerId};
use keyway_core::rate::Limit;
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::clients;
use serde::{Deserialize, Serialize};

use super::connections::offers::{Offer, offers};
use super::demo;
use super::letters::{self, Addressee};
use super::password_check::{Checked, check};
use super::sign_up::{Query, allow_redirect, check_mail};
use crate::error::{FieldErrors, PageError, wait, with_return};
use crate::extract::{CsrfForm, Visitor, own_path};
use crate::flows::accounts::{self, SignInError, SignedInNow};
use crate::flows::inputs::Email;
use crate::flows::throttle::{self, Guesser};
use crate::known;
use crate::render::FlashKind;
use crate::session::{self, Proof};
use crate::settings::SignUp;
use crate::state::{Portal, see_other};

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/sign-in").route(web::get().to(show)).route(web::post().to(submit)))
        .service(web::resource("/sign-out").route(web::post().to(sign_out)));
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Form {
    email: String,
    password: String,
    return_to: String,
}

#[derive(Serialize)]
struct Typed<'a> {
    email: &'a str,
}

#[derive(Serialize)]
struct Page<'a> {
    form: Typed<'a>,
    errors: FieldErrors,
    return_to: &'a str,
    to_app: Option<String>,
    sign_up_open: bool,
    offers: Vec<Offer>,
}

async fn page(
    portal: &Portal,
    visitor: &Visitor,
    request: &HttpRequest,
    status: StatusCode,
    form: &Form,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let return_to = own_path(&form.return_to).unwrap_or_default();
    let page = Page {
        offers: offers(portal, request).await?,
        form: Typed { email: &form.email },
        errors,
        return_to,
        to_app: app_of(portal, return_to).await?,
        sign_up_open: portal.settings.sign_up == SignUp::Open,
    };
    let mut answer = portal.page_with_status(status, visitor, "pages/sign_in.html", page)?;
    allow_redirect(&mut answer, return_to);
    Ok(answer)
}

async fn show(
    portal: web::Data<Portal>,
    visitor: Visitor,
    request: HttpRequest,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    if visitor.person.is_some() && !query.as_other {
        return Ok(see_other(own_path(&query.return_to).unwrap_or("/")));
    }
    let return_to = query.into_inner().return_to;
    if portal.settings.demo {
        return demo::page(&portal, &visitor, &return_to).await;
    }
    let form = Form { email: hinted_email(&return_to), return_to, ..Form::default() };
    page(&portal, &visitor, &request, StatusCode::OK, &form, FieldErrors::default()).await
}

/// One sentence for every failure.
const WRONG: &str = "The e-mail address or the password is wrong.";

async fn submit(
    portal: web::Data<Portal>,
    visitor: Visitor,
    request: HttpRequest,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    let again = |text: &str| {
        let errors = FieldErrors::of("form", text);
        page(&portal, &visitor, &request, StatusCode::UNPROCESSABLE_ENTITY, &form, errors)
    };
    let Ok(email) = Email::parse(&form.email) else { return again(WRONG).await };
    let asked = email.clone();
    let candidate = portal.store.read(move |conn| accounts::find_candidate(conn, asked.as_str())).await?;
    let guesser = Guesser {
        email: email.clone(),
        address: visitor.origin.address,
        known_browser: candidate.as_ref().and_then(|found| known::mark(&portal, &request, found.owner.id)),
    };
    let stored = candidate.as_ref().and_then(|found| found.account.password.clone());
    let checked = check(&portal, &guesser, stored, form.password.clone()).await?;
    let (stored, rehashed) = match checked {
        Checked::Right { stored, rehashed } => (stored, rehashed),
        Checked::Wrong => return again(WRONG).await,
        Checked::Wait(seconds) => return too_many(&portal, &visitor, &request, &form, seconds).await,
    };
    let Some(candidate) = candidate else { return again(WRONG).await };
    let owner = candidate.owner.id;
    let first = candidate.account.last_sign_in_at.is_none();
    let notice = if first || guesser.known_browser.is_some() {
        None
    } else {
        Some(letters::new_sign_in(&portal, &candidate.owner.name, &visitor.origin)?)
    };
    let act = visitor.act_as(&portal, Actor::person(owner, email.as_str()));
    let who = SignedInNow { owner, verified_against: stored, rehashed, guesser, notice };
    let (limit, policy) = (portal.settings.limits.sign_in, portal.settings.verify_email);
    match portal.store.write(move |tx| accounts::sign_in(tx, &act, limit, policy, &who)).await {
        Ok(()) => {
            portal.mail_bell.ring();
            if let Some(before) = visitor.person.as_ref().filter(|person| person.owner != owner) {
                end_session(&portal, &visitor, before.owner).await?;
            }
            welcome(&portal, &visitor, owner, &Proof::here(portal.now()), known::PASSWORD, &form.return_to)
        }
        Err(SignInError::Changed) => again(WRONG).await,
        Err(SignInError::Suspended) => again("This account is suspended. Ask an administrator.").await,
        Err(SignInError::Unverified) => {
            let to = Addressee { owner, name: &candidate.owner.name, email: email.as_str() };
            verify_first(&portal, &visitor, &to).await
        }
        Err(SignInError::Store(error)) => Err(error.into()),
    }
}

/// Sends the link that shows the address to be theirs, unless one has just gone there, and says so: before that nobody
/// is signed in.
pub async fn verify_first(
    portal: &Portal,
    visitor: &Visitor,
    to: &Addressee<'_>,
) -> Result<HttpResponse, PageError> {
    let email =
        Email::parse(to.email).map_err(|_| PageError::Internal("the account's address is none".into()))?;
    let (link, letter) = letters::verification(portal, to, Some(visitor.session_id()))?;
    let (act, owner) = (visitor.act_as(portal, Actor::person(to.owner, to.email)), to.owner);
    let (addressee, limit) = (email.clone(), portal.settings.limits.sign_in);
    // Whoever signed up may have typed another person's address, whose mailbox is not theirs to fill.
    let sent: Result<_, StoreError> = portal
        .store
        .write(move |tx| {
            if limit == Limit::Off || throttle::spend_mail(tx.conn(), &addressee, act.now)? {
                accounts::send_link(tx, &act, owner, &link, &letter)?;
            }
            Ok(())
        })
        .await;
    sent?;
    portal.mail_bell.ring();
    check_mail(portal, visitor, &email, "verify")
}

async fn too_many(
    portal: &Portal,
    visitor: &Visitor,
    request: &HttpRequest,
    form: &Form,
    seconds: u64,
) -> Result<HttpResponse, PageError> {
    let errors = FieldErrors::of("form", format!("Too many tries. Try again in {}.", wait(seconds)));
    let mut answer = page(portal, visitor, request, StatusCode::TOO_MANY_REQUESTS, form, errors).await?;
    answer.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
    Ok(answer)
}

/// Signs the browser in and leads on. `way` is remembered for the next time: a provider's name, or [`known::PASSWORD`].
pub fn welcome(
    portal: &Portal,
    visitor: &Visitor,
    owner: OwnerId,
    proof: &Proof,
    way: &str,
    return_to: &str,
) -> Result<HttpResponse, PageError> {
    session::sign_in(&visitor.session, owner, &visitor.origin, proof, portal.now(), &*portal.random)?;
    let mut answer = see_other(own_path(return_to).unwrap_or("/"));
    for cookie in [known::cookie(portal, owner), known::way_cookie(portal, way)] {
        answer
            .add_cookie(&cookie)
            .map_err(|error| PageError::Internal(format!("a cookie cannot be set: {error}")))?;
    }
    Ok(answer)
}

/// A parameter of the authorization request that a sign-in leads to.
fn asked<'r>(return_to: &'r str, name: &str) -> Option<Cow<'r, str>> {
    let query = return_to.strip_prefix("/oauth/authorize?")?;
    url::form_urlencoded::parse(query.as_bytes()).find(|(given, _)| given == name).map(|(_, value)| value)
}

/// The address that the app expects (`login_hint`, OpenID Connect Core §3.1.2.1), if it is one.
fn hinted_email(return_to: &str) -> String {
    let hint = asked(return_to, "login_hint").and_then(|hint| Email::parse(&hint).ok());
    hint.map(|email| email.as_str().to_owned()).unwrap_or_default()
}

/// The name of the app whose authorisation a sign-in leads to.
pub async fn app_of(portal: &Portal, return_to: &str) -> Result<Option<String>, PageError> {
    let Some(Ok(id)) = asked(return_to, "client_id").map(|id| id.parse::<ClientId>()) else {
        return Ok(None);
    };
    let client = portal.store.read(move |conn| -> Result<_, StoreError> { clients::find(conn, id) }).await?;
    Ok(client.map(|client| client.name))
}

#[derive(Deserialize)]
struct SignOut {
    #[serde(default)]
    return_to: String,
}

async fn sign_out(
    portal: web::Data<Portal>,
    visitor: Visitor,
    form: Result<CsrfForm<SignOut>, PageError>,
) -> Result<HttpResponse, PageError> {
    // Who is signed out already has what they asked for.
    let Some(person) = &visitor.person else { return Ok(see_other("/sign-in")) };
    let CsrfForm(form) = form?;
    end_session(&portal, &visitor, person.owner).await?;
    // "Not you?" leads on to where it was asked.
    let to =
        own_path(&form.return_to).map_or_else(|| "/sign-in".to_owned(), |to| with_return("/sign-in", to));
    portal.redirect_with_flash(&visitor, &to, FlashKind::Ok, "You are signed out.")
}

/// Signs the visitor out, with all that ends with the session.
pub async fn end_session(portal: &Portal, visitor: &Visitor, owner: OwnerId) -> Result<(), PageError> {
    let (act, id) = (visitor.act(portal), visitor.session_id());
    portal.store.write(move |tx| accounts::sign_out(tx, &act, owner, id)).await?;
    session::sign_out(&visitor.session, portal.now(), &*portal.random)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_address_comes_from_an_authorization_request_alone() {
        let hinted = |path: &str, hint: &str| {
            let query =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("login_hint", hint).finish();
            hinted_email(&format!("{path}?client_id=x&{query}"))
        };
        assert_eq!(hinted("/oauth/authorize", "Ada@example.com"), "ada@example.com");
        assert_eq!(hinted("/oauth/authorize", "+44 20 7946 0000"), "");
        assert_eq!(hinted("/oauth/authorize", &format!("{}@example.com", "a".repeat(300))), "");
        assert_eq!(hinted("/keys", "ada@example.com"), "");
        assert_eq!(hinted_email(""), "");
    }
}
