//! The sign-in page of the demo identity provider: its accounts as buttons, no password. There only where the settings
//! say that this portal is the demo provider.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use keyway_core::ids::OwnerId;
use keyway_store::StoreError;
use keyway_store::tables::accounts as rows;
use keyway_store::tables::audit::Actor;
use serde::{Deserialize, Serialize};

use super::sign_in::{app_of, end_session, welcome};
use super::sign_up::allow_redirect;
use crate::error::PageError;
use crate::extract::{CsrfForm, Visitor, own_path};
use crate::flows::accounts;
use crate::session::Proof;
use crate::state::Portal;

/// The most accounts shown.
const MAX_SHOWN: u32 = 10;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/sign-in/demo").route(web::post().to(submit)));
}

#[derive(Serialize)]
struct Shown {
    id: OwnerId,
    name: String,
    email: String,
}

#[derive(Serialize)]
struct Page<'a> {
    accounts: Vec<Shown>,
    return_to: &'a str,
    to_app: Option<String>,
}

/// The accounts to choose from.
pub async fn page(portal: &Portal, visitor: &Visitor, return_to: &str) -> Result<HttpResponse, PageError> {
    let return_to = own_path(return_to).unwrap_or_default();
    let found: Result<_, StoreError> = portal.store.read(|conn| rows::list(conn, "", MAX_SHOWN)).await;
    let shown = |(account, owner): (rows::Account, keyway_core::owner::Owner)| Shown {
        id: owner.id,
        name: owner.name,
        email: account.email,
    };
    let accounts = found?.into_iter().map(shown).collect();
    let page = Page { accounts, return_to, to_app: app_of(portal, return_to).await? };
    let mut answer = portal.page(visitor, "pages/demo_sign_in.html", page)?;
    allow_redirect(&mut answer, return_to);
    Ok(answer)
}

#[derive(Deserialize)]
struct Choice {
    account: OwnerId,
    #[serde(default)]
    return_to: String,
}

async fn submit(
    portal: web::Data<Portal>,
    visitor: Visitor,
    CsrfForm(choice): CsrfForm<Choice>,
) -> Result<HttpResponse, PageError> {
    if !portal.settings.demo {
        return Err(PageError::NotFound);
    }
    let owner = choice.account;
    let act = visitor.act_as(&portal, Actor::person(owner, "demo"));
    let done: Result<bool, StoreError> =
        portal.store.write(move |tx| accounts::sign_in_by_choice(tx, &act, owner)).await;
    if !done? {
        return Err(PageError::NotFound);
    }
    if let Some(before) = visitor.person.as_ref().filter(|person| person.owner != owner) {
        end_session(&portal, &visitor, before.owner).await?;
    }
    welcome(&portal, &visitor, owner, &Proof::here(portal.now()), "demo", &choice.return_to)
}

#[cfg(test)]
mod tests;
