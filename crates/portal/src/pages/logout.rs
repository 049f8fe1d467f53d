//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0): an app sends its user here to sign out. Whoever was not
//! shown to be meant is asked first. What is wrong with the request is said here and never by redirect.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::sign_in::end_session;
use super::sign_up::allow_form_action;
use crate::boundary::form_action_to;
use crate::error::PageError;
use crate::extract::{CsrfForm, Visitor};
use crate::flows::logout::{self, LogoutError, LogoutRequest};
use crate::flows::params::Params;
use crate::oauth::error::EndpointError;
use crate::oauth::params::MAX_FORM;
use crate::state::{Portal, see_other, with_query};

const PATH: &str = "/oauth/logout";

/// `/oauth/logout` and the form of its question.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource(PATH).route(web::get().to(ask)).route(web::post().to(ask_by_post)))
        .service(web::resource("/oauth/logout/confirm").route(web::post().to(confirm)));
}

async fn ask(
    portal: web::Data<Portal>,
    visitor: Visitor,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let query = request.query_string();
    let asked = read(&portal, query).await?;
    let Some(person) = &visitor.person else {
        return match &asked.redirect_uri {
            Some(_) => Ok(go_on(&asked)),
            None => portal.page(&visitor, "pages/logout/done.html", Done {}),
        };
    };
    if asked.is_about(person.owner, visitor.session_id()) {
        end_session(&portal, &visitor, person.owner).await?;
        return Ok(go_on(&asked));
    }
    question(&portal, &visitor, &asked, query)
}

/// §2 wants POST too. Browsers send no cookies with a form from elsewhere, so it is asked again with GET.
async fn ask_by_post(body: Result<Params, EndpointError>) -> Result<HttpResponse, PageError> {
    let body = body.map_err(|error| match error {
        EndpointError::TooLarge => PageError::TooLarge,
        _ => UNREADABLE,
    })?;
    Ok(see_other(&format!("{PATH}?{}", body.to_query())))
}

#[derive(Deserialize)]
struct Answer {
    request: String,
}

async fn confirm(
    portal: web::Data<Portal>,
    visitor: Visitor,
    form: Result<CsrfForm<Answer>, PageError>,
) -> Result<HttpResponse, PageError> {
    // Who is signed out already has what they asked for.
    if visitor.person.is_none() && matches!(form, Err(PageError::StaleForm)) {
        return Ok(see_other(PATH));
    }
    let CsrfForm(Answer { request }) = form?;
    let asked = read(&portal, &request).await?;
    if let Some(person) = &visitor.person {
        end_session(&portal, &visitor, person.owner).await?;
    }
    Ok(go_on(&asked))
}

const UNREADABLE: PageError =
    PageError::BadRequest("The app's request repeats a parameter, or has characters that are not text.");

async fn read(portal: &Portal, query: &str) -> Result<LogoutRequest, PageError> {
    if query.len() > MAX_FORM {
        return Err(PageError::TooLarge);
    }
    let params = Params::parse(query.as_bytes()).map_err(|_| UNREADABLE)?;
    let issuance = portal.issuance.clone();
    portal.store.read(move |conn| logout::read(conn, &issuance, &params)).await.map_err(refusal)
}

fn refusal(error: LogoutError) -> PageError {
    match error {
        LogoutError::TooLong => PageError::BadRequest("The app's request is too long. Tell its developer."),
        LogoutError::UnknownClient => {
            PageError::BadRequest("The app that sent you here is not registered. Tell its developer.")
        }
        LogoutError::OtherClient => PageError::BadRequest(
            "The app sent an ID token that was given to another app. Tell its developer.",
        ),
        LogoutError::Suspended => PageError::Forbidden("This app is suspended."),
        LogoutError::RedirectUri => PageError::BadRequest(
            "The address to go back to is not one that this app registered for signing out. Tell its developer.",
        ),
        LogoutError::Store(error) => error.into(),
    }
}

/// Back to the app with its state, or to the page that says that nobody is signed in.
fn go_on(asked: &LogoutRequest) -> HttpResponse {
    let Some(uri) = &asked.redirect_uri else { return see_other(PATH) };
    match &asked.state {
        Some(state) => see_other(&with_query(uri, &[("state", state)])),
        None => see_other(uri),
    }
}

#[derive(Serialize)]
struct Done {}

#[derive(Serialize)]
struct Question<'q> {
    app: Option<&'q str>,
    request: &'q str,
}

fn question(
    portal: &Portal,
    visitor: &Visitor,
    asked: &LogoutRequest,
    query: &str,
) -> Result<HttpResponse, PageError> {
    let app = asked.client.as_ref().map(|client| client.name.as_str());
    let mut page = portal.page(visitor, "pages/logout/ask.html", Question { app, request: query })?;
    allow_form_action(&mut page, asked.redirect_uri.as_deref().and_then(form_action_to).as_deref());
    Ok(page)
}

#[cfg(test)]
mod tests;
