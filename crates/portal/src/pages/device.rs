//! `/device`: where a person types the code that a device shows, sees who asks, and says yes or no (RFC 8628 §3.3).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{self, ServiceConfig};
use keyway_core::Timestamp;
use keyway_core::oauth::{Client, Grant, UserCode};
use keyway_core::owner::Owner;
use keyway_store::StoreError;
use keyway_store::tables::device_codes::DeviceCode;
use keyway_store::tables::{clients, grants, owners};
use serde::{Deserialize, Serialize};

use super::asked::{AppView, ScopeView, scope_views};
use super::authorize::user;
use super::words;
use crate::error::{FieldErrors, PageError, wait};
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::device::{self, Typed, UserCodeKey};
use crate::state::{Portal, see_other};

/// `/device` and what comes of it.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/device").route(web::get().to(enter)).route(web::post().to(ask)))
        .service(web::resource("/device/decision").route(web::post().to(decide)))
        .service(web::resource("/device/connected").route(web::get().to(connected)))
        .service(web::resource("/device/refused").route(web::get().to(refused)));
}

/// A code that no device waits under, in whatever way.
const UNKNOWN: &str =
    "No device waits under this code. Codes work for ten minutes and once: look at the device again.";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entered {
    user_code: String,
}

#[derive(Serialize)]
struct EnterPage<'e> {
    user_code: &'e str,
    errors: FieldErrors,
}

fn enter_page(
    portal: &Portal,
    me: &SignedIn,
    status: StatusCode,
    typed: &str,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    // Whatever else stood in the address is not repeated.
    let shown =
        typed.parse::<UserCode>().map_or_else(|_| typed.chars().take(20).collect(), |code| code.shown());
    let page = EnterPage { user_code: &shown, errors };
    portal.page_with_status(status, me, "pages/device/enter.html", page)
}

async fn enter(
    portal: web::Data<Portal>,
    me: SignedIn,
    query: web::Query<Entered>,
) -> Result<HttpResponse, PageError> {
    enter_page(&portal, &me, StatusCode::OK, &query.user_code, FieldErrors::default())
}

/// A device that waits, with what is known of its app.
struct Waiting {
    code: DeviceCode,
    client: Client,
    owner: Option<Owner>,
    grant: Option<Grant>,
}

enum Looked {
    Waiting(Box<Waiting>),
    Answer(HttpResponse),
}

/// The device that is meant; else what to answer.
async fn look_up(portal: &Portal, me: &SignedIn, typed: &str) -> Result<Looked, PageError> {
    if !me.may_go_live(portal) {
        return Err(PageError::Forbidden("Verify your e-mail address first: then you can authorise apps."));
    }
    let again = |status, text: String| {
        let errors = FieldErrors::of("user_code", text);
        enter_page(portal, me, status, typed, errors)
    };
    let user_code: UserCode = match typed.parse() {
        Ok(code) => code,
        Err(error) => {
            let text = format!("This is not whole: {error}.");
            return again(StatusCode::UNPROCESSABLE_ENTITY, text).map(Looked::Answer);
        }
    };
    let (act, key, who) = (me.act(portal), UserCodeKey::derive(&portal.master_key), me.owner);
    let looked: Result<_, StoreError> =
        portal.store.write(move |tx| device::look_up(tx, &act, &key, who, &user_code)).await;
    let code = match looked? {
        Typed::Waiting(code) => *code,
        Typed::Unknown => {
            return again(StatusCode::UNPROCESSABLE_ENTITY, UNKNOWN.to_owned()).map(Looked::Answer);
        }
        Typed::Wait(seconds) => {
            let text = format!("Too many wrong codes. Try again in {}.", wait(seconds));
            let mut answer = again(StatusCode::TOO_MANY_REQUESTS, text)?;
            answer.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
            return Ok(Looked::Answer(answer));
        }
    };
    let id = code.client;
    let found: Result<_, StoreError> = portal
        .store
        .read(move |conn| {
            let Some(client) = clients::find(conn, id)?.filter(|client| client.suspended_at.is_none()) else {
                return Ok(None);
            };
            let owner = owners::find(conn, client.owner)?;
            Ok(Some((client, owner, grants::find_of(conn, who, id)?)))
        })
        .await;
    match found? {
        Some((client, owner, grant)) => Ok(Looked::Waiting(Box::new(Waiting { code, client, owner, grant }))),
        None => again(StatusCode::UNPROCESSABLE_ENTITY, UNKNOWN.to_owned()).map(Looked::Answer),
    }
}

#[derive(Serialize)]
struct DeviceView {
    name: String,
    address: Option<String>,
    asked_at: Timestamp,
}

#[derive(Serialize)]
struct ConfirmPage<'c> {
    app: AppView,
    api: Option<&'c str>,
    scopes: Vec<ScopeView>,
    device: DeviceView,
    user_code: String,
    return_to: String,
}

/// Who asks for what, and from where. The person always decides: what was consented to before was not for this device.
async fn ask(
    portal: web::Data<Portal>,
    me: SignedIn,
    CsrfForm(form): CsrfForm<Entered>,
) -> Result<HttpResponse, PageError> {
    let waiting = match look_up(&portal, &me, &form.user_code).await? {
        Looked::Waiting(waiting) => *waiting,
        Looked::Answer(answer) => return Ok(answer),
    };
    let Waiting { code, client, owner, grant } = waiting;
    let (api, scopes) = scope_views(&portal, code.audience.as_str(), &code.scopes, grant.as_ref());
    let user_code = form.user_code.parse::<UserCode>().map(|code| code.shown()).unwrap_or_default();
    let page = ConfirmPage {
        app: AppView::of(&client, owner),
        api,
        scopes,
        device: DeviceView {
            name: words::browser(code.user_agent.as_deref()),
            address: code.address.map(|address| address.to_string()),
            asked_at: code.created_at,
        },
        return_to: format!("/device?user_code={user_code}"),
        user_code,
    };
    portal.page(&me, "pages/device/confirm.html", page)
}

#[derive(Deserialize)]
struct Decided {
    user_code: String,
    decision: String,
}

async fn decide(
    portal: web::Data<Portal>,
    me: SignedIn,
    CsrfForm(form): CsrfForm<Decided>,
) -> Result<HttpResponse, PageError> {
    let Waiting { code, client, .. } = match look_up(&portal, &me, &form.user_code).await? {
        Looked::Waiting(waiting) => *waiting,
        Looked::Answer(answer) => return Ok(answer),
    };
    let Some(user) = user(&me) else {
        return Err(PageError::SignIn { return_to: format!("/device?user_code={}", form.user_code) });
    };
    let (act, says_yes, notices) = (me.act(&portal), form.decision == "allow", portal.notices());
    let decided: Result<_, StoreError> = portal
        .store
        .write(move |tx| match says_yes {
            true => device::approve(tx, &act, &client, &code, &user, &notices),
            false => device::deny(tx, &act, &client, &code, user.owner),
        })
        .await;
    portal.mail_bell.ring();
    match (decided?, says_yes) {
        (true, true) => Ok(see_other("/device/connected")),
        (true, false) => Ok(see_other("/device/refused")),
        (false, _) => {
            let errors = FieldErrors::of("user_code", UNKNOWN);
            enter_page(&portal, &me, StatusCode::UNPROCESSABLE_ENTITY, "", errors)
        }
    }
}

#[derive(Serialize)]
struct DonePage {
    connected: bool,
}

async fn connected(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    portal.page(&me, "pages/device/done.html", DonePage { connected: true })
}

async fn refused(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    portal.page(&me, "pages/device/done.html", DonePage { connected: false })
}

#[cfg(test)]
mod tests;
