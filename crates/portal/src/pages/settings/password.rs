//! `/settings/password`: another password, by who knows the present one.

use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use keyway_store::StoreError;
use keyway_store::tables::accounts as account_rows;
use serde::{Deserialize, Serialize};

use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::accounts;
use crate::flows::inputs;
use crate::pages::fresh::own_password;
use crate::pages::reset::{Ends, also, ends_of};
use crate::render::FlashKind;
use crate::session::{self, Proof};
use crate::state::Portal;

const PATH: &str = "/settings/password";

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource(PATH).route(web::get().to(show)).route(web::post().to(submit)));
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    current_password: String,
    password: String,
    end_keys: String,
    end_tokens: String,
    end_grants: String,
    end_connections: String,
}

#[derive(Serialize)]
struct Page {
    errors: FieldErrors,
    ends: Ends,
    /// None is asked for where there is none.
    has_password: bool,
}

async fn has_password(portal: &Portal, me: &SignedIn) -> Result<bool, PageError> {
    let owner = me.owner;
    let account =
        portal.store.read(move |conn| -> Result<_, StoreError> { account_rows::find(conn, owner) }).await?;
    Ok(account.is_some_and(|account| account.password.is_some()))
}

async fn page(
    portal: &Portal,
    me: &SignedIn,
    status: StatusCode,
    has_password: bool,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let page = Page { errors, ends: ends_of(portal, me.owner).await?, has_password };
    portal.page_with_status(status, me, "pages/settings/password.html", page)
}

async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let has_password = has_password(&portal, &me).await?;
    page(&portal, &me, StatusCode::OK, has_password, FieldErrors::default()).await
}

async fn submit(
    portal: web::Data<Portal>,
    me: SignedIn,
    request: HttpRequest,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    let has_password = has_password(&portal, &me).await?;
    let password = match inputs::new_password(&form.password, &me.email) {
        Ok(password) => password,
        Err(error) => {
            let errors = FieldErrors::of("password", error);
            return page(&portal, &me, StatusCode::UNPROCESSABLE_ENTITY, has_password, errors).await;
        }
    };
    if has_password {
        if let Err((status, text)) = own_password(&portal, &me, &request, form.current_password).await? {
            return page(&portal, &me, status, true, FieldErrors::of("current_password", text)).await;
        }
    } else if !me.view.is_fresh(portal.now()) {
        return Err(PageError::Confirm { return_to: PATH.to_owned() });
    }
    let password = portal.passwords.hash(password, &*portal.random).await?;
    let (act, owner, here, notices) = (me.act(&portal), me.owner, me.session_id, portal.notices());
    let also = also(&form.end_keys, &form.end_tokens, &form.end_grants, &form.end_connections);
    portal
        .store
        .write(move |tx| accounts::change_password(tx, &act, owner, &password, here, also, &notices))
        .await?;
    portal.mail_bell.ring();
    session::confirm(&me.session, &Proof::here(portal.now()))?;
    let text = "The password is changed. Your other sessions have ended.";
    portal.redirect_with_flash(&me, PATH, FlashKind::Ok, text)
}
