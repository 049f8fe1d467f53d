//! `/reset`: setting another password by a link. GET shows the form, POST does it, once.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_store::StoreError;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::mail_links::LinkPurpose;
use keyway_store::tables::overview;
use serde::{Deserialize, Serialize};

use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, Visitor};
use crate::flows::accounts::{self, Also};
use crate::flows::inputs;
use crate::flows::links::{self, LinkError};
use crate::render::FlashKind;
use crate::session;
use crate::state::Portal;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/reset").route(web::get().to(show)).route(web::post().to(submit)));
}

/// The token in a link's query.
#[derive(Deserialize)]
pub struct TokenQuery {
    #[serde(default)]
    pub token: String,
}

/// A link that does nothing any more.
pub const GONE: PageError =
    PageError::Gone("The link was used before, is too old, or was replaced by a newer one.");

impl From<LinkError> for PageError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Gone => GONE,
            LinkError::Store(error) => error.into(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    token: String,
    password: String,
    end_keys: String,
    end_tokens: String,
    end_grants: String,
    end_connections: String,
}

/// How much could end as well.
#[derive(Clone, Copy, Default, Serialize)]
pub struct Ends {
    pub keys: u64,
    pub tokens: u64,
    pub grants: u64,
    pub connections: u64,
}

impl From<overview::Alive> for Ends {
    fn from(alive: overview::Alive) -> Self {
        let overview::Alive { keys, families: tokens, grants, connections } = alive;
        Self { keys, tokens, grants, connections }
    }
}

#[derive(Serialize)]
struct Page<'a> {
    token: &'a str,
    errors: FieldErrors,
    ends: Ends,
}

/// Whose link it is and how much they have; without using it.
async fn look_at(portal: &Portal, token: &str) -> Result<(String, Ends), PageError> {
    let (digest, now) = (links::digest(&portal.shapes, token), portal.now());
    let found = portal
        .store
        .read(move |conn| -> Result<_, LinkError> {
            let link = links::look_at(conn, LinkPurpose::Reset, digest, now)?;
            let alive = link.owner_id.map(|owner| overview::alive(conn, owner, now)).transpose()?;
            Ok((link.email, alive.map(Ends::from).unwrap_or_default()))
        })
        .await?;
    Ok(found)
}

async fn show(
    portal: web::Data<Portal>,
    visitor: Visitor,
    query: web::Query<TokenQuery>,
) -> Result<HttpResponse, PageError> {
    let (_, ends) = look_at(&portal, &query.token).await?;
    let page = Page { token: &query.token, errors: FieldErrors::default(), ends };
    portal.page(&visitor, "pages/reset.html", page)
}

async fn submit(
    portal: web::Data<Portal>,
    visitor: Visitor,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    let (email, ends) = look_at(&portal, &form.token).await?;
    let password = match inputs::new_password(&form.password, &email) {
        Ok(password) => password,
        Err(error) => {
            let page = Page { token: &form.token, errors: FieldErrors::of("password", error), ends };
            return portal.form_again(&visitor, "pages/reset.html", page);
        }
    };
    let password = portal.passwords.hash(password, &*portal.random).await?;
    let also = also(&form.end_keys, &form.end_tokens, &form.end_grants, &form.end_connections);
    let (act, digest) =
        (visitor.act_as(&portal, Actor::system()), links::digest(&portal.shapes, &form.token));
    let notices = portal.notices();
    portal
        .store
        .write(move |tx| accounts::reset_password(tx, &act, digest, &password, also, &notices))
        .await?;
    portal.mail_bell.ring();
    session::sign_out(&visitor.session, portal.now(), &*portal.random)?;
    portal.redirect_with_flash(&visitor, "/sign-in", FlashKind::Ok, "The password is set. Sign in with it.")
}

/// What was ticked.
pub fn also(keys: &str, tokens: &str, grants: &str, connections: &str) -> Also {
    Also {
        keys: keys == "yes",
        tokens: tokens == "yes",
        grants: grants == "yes",
        connections: connections == "yes",
    }
}

/// For read closures that answer with nothing but the store's errors.
pub async fn ends_of(portal: &Portal, owner: keyway_core::ids::OwnerId) -> Result<Ends, PageError> {
    let now = portal.now();
    let alive = portal.store.read(move |conn| -> Result<_, StoreError> { overview::alive(conn, owner, now) });
    Ok(alive.await?.into())
}
