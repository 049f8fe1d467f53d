//! `/sign-up`: making an account.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, http::header::CONTENT_SECURITY_POLICY};
use keyway_core::ids::OwnerId;
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use serde::{Deserialize, Serialize};

use super::connections::offers::{Offer, offers};
use super::letters::{self, Addressee};
use super::sign_in::{app_of, welcome};
use crate::error::{FieldErrors, PageError, wait};
use crate::extract::{CsrfForm, Visitor, own_path};
use crate::flows::accounts::{self, CreateError, NewAccount};
use crate::flows::inputs::{self, Email};
use crate::flows::throttle;
use crate::headers::{content_security_policy, form_action_of};
use crate::known;
use crate::session::Proof;
use crate::settings::{SignUp, VerifyEmail};
use crate::state::{Portal, see_other};

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/sign-up").route(web::get().to(show)).route(web::post().to(submit)));
}

#[derive(Deserialize)]
pub struct Query {
    #[serde(default)]
    pub return_to: String,
    /// Whether somebody else than who is signed in shall sign in.
    #[serde(default)]
    pub as_other: bool,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Form {
    name: String,
    email: String,
    password: String,
    return_to: String,
}

/// What was typed, without the password.
#[derive(Serialize)]
struct Typed<'a> {
    name: &'a str,
    email: &'a str,
}

#[derive(Serialize)]
struct Page<'a> {
    form: Typed<'a>,
    errors: FieldErrors,
    return_to: &'a str,
    to_app: Option<String>,
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
    let typed = Typed { name: &form.name, email: &form.email };
    let (to_app, offers) = (app_of(portal, return_to).await?, offers(portal, request).await?);
    let page = Page { form: typed, errors, return_to, to_app, offers };
    let mut answer = portal.page_with_status(status, visitor, "pages/sign_up.html", page)?;
    allow_redirect(&mut answer, return_to);
    Ok(answer)
}

/// Lets the form's answer lead on to the app that asked for the sign-in.
pub fn allow_redirect(answer: &mut HttpResponse, return_to: &str) {
    allow_form_action(answer, form_action_of(return_to).as_deref());
}

/// Lets the form's answer redirect to `place`, which browsers hold against the page that has the form.
pub fn allow_form_action(answer: &mut HttpResponse, place: Option<&str>) {
    if place.is_some()
        && let Ok(policy) = content_security_policy(&[], place).parse()
    {
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
}

fn require_open(portal: &Portal) -> Result<(), PageError> {
    match portal.settings.sign_up {
        SignUp::Open => Ok(()),
        SignUp::Closed => Err(PageError::Forbidden("Accounts here are made by an administrator.")),
    }
}

async fn show(
    portal: web::Data<Portal>,
    visitor: Visitor,
    request: HttpRequest,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    require_open(&portal)?;
    if visitor.person.is_some() {
        return Ok(see_other(own_path(&query.return_to).unwrap_or("/")));
    }
    let form = Form { return_to: query.into_inner().return_to, ..Form::default() };
    page(&portal, &visitor, &request, StatusCode::OK, &form, FieldErrors::default()).await
}

async fn submit(
    portal: web::Data<Portal>,
    visitor: Visitor,
    request: HttpRequest,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    require_open(&portal)?;
    let again = |errors| page(&portal, &visitor, &request, StatusCode::UNPROCESSABLE_ENTITY, &form, errors);
    let mut errors = FieldErrors::default();
    let email = Email::parse(&form.email).map_err(|error| errors.add("email", error.to_string()));
    let name = inputs::name(&form.name).map_err(|error| errors.add("name", error));
    let address = email.as_ref().map_or("", Email::as_str);
    let password =
        inputs::new_password(&form.password, address).map_err(|error| errors.add("password", error));
    let (Ok(email), Ok(name), Ok(password)) = (email, name, password) else { return again(errors).await };

    let (limit, from, now) = (portal.settings.limits.sign_in, visitor.origin.address, portal.now());
    let spent = portal
        .store
        .write(move |tx| -> Result<_, StoreError> { throttle::spend(tx.conn(), limit, "sign-up", from, now) })
        .await?;
    if let Err(seconds) = spent {
        let errors = FieldErrors::of("form", format!("Too many tries. Try again in {}.", wait(seconds)));
        let mut answer =
            page(&portal, &visitor, &request, StatusCode::TOO_MANY_REQUESTS, &form, errors).await?;
        answer.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
        return Ok(answer);
    }

    let password = portal.passwords.hash(password, &*portal.random).await?;
    let id = OwnerId::new(now, &*portal.random);
    let act = visitor.act_as(&portal, Actor::person(id, email.as_str()));
    let new = NewAccount {
        id,
        email: email.clone(),
        name,
        password: Some(password),
        verified: false,
        is_admin: false,
    };
    if portal.settings.verify_email == VerifyEmail::Never {
        return match portal.store.write(move |tx| accounts::sign_up(tx, &act, &new)).await {
            Ok(()) => welcome(&portal, &visitor, id, &Proof::here(now), known::PASSWORD, &form.return_to),
            Err(CreateError::Taken) => {
                again(FieldErrors::of("email", "There is an account with this address. Sign in instead."))
                    .await
            }
            Err(CreateError::Store(error)) => Err(error.into()),
        };
    }

    // From here on the answer is the same for every address.
    let to = Addressee { owner: id, name: &new.name, email: email.as_str() };
    let (link, verification) = letters::verification(&portal, &to, Some(visitor.session_id()))?;
    let known = email.clone();
    let account = portal.store.read(move |conn| accounts::find_candidate(conn, known.as_str())).await?;
    let owner_name = account.map_or_else(|| new.name.clone(), |account| account.owner.name);
    let already = letters::already_registered(&portal, &owner_name)?;
    let made = portal
        .store
        .write(move |tx| accounts::sign_up_to_verify(tx, &act, &new, &link, &verification, &already))
        .await;
    match made {
        Ok(_) | Err(CreateError::Taken) => {}
        Err(CreateError::Store(error)) => return Err(error.into()),
    }
    portal.mail_bell.ring();
    check_mail(&portal, &visitor, &email, "verify")
}

#[derive(Serialize)]
struct CheckMail<'a> {
    email: &'a str,
    purpose: &'a str,
}

/// The page after a mail was asked for: the same whether or not the address is known.
pub fn check_mail(
    portal: &Portal,
    visitor: &Visitor,
    email: &Email,
    purpose: &str,
) -> Result<HttpResponse, PageError> {
    portal.page(visitor, "pages/check_mail.html", CheckMail { email: email.as_str(), purpose })
}
