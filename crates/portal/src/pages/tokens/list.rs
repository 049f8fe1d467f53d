//! `GET /tokens`: the form, the families, and the keys that sign.

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::web;
use keyway_core::Timestamp;
use keyway_core::ids::FamilyId;
use keyway_core::jwt::{KeyState, Purpose};
use keyway_core::scope::Scope;
use keyway_store::StoreError;
use keyway_store::tables::families::{self, EndReason, Family, FamilyKind};
use keyway_store::tables::signing_keys::{self, StoredKey};
use serde::Serialize;

use super::form::{MintForm, MintView};
use super::refusal;
use crate::error::{FieldErrors, PageError};
use crate::extract::SignedIn;
use crate::flows::jwt::ROTATION_PERIOD;
use crate::state::Portal;

/// The most families that are shown, the newest first.
const MAX_SHOWN: u32 = 200;

#[derive(Serialize)]
struct FamilyView {
    id: FamilyId,
    name: String,
    app: Option<String>,
    created_at: Timestamp,
    last_refresh_at: Option<Timestamp>,
    expires_at: Timestamp,
    scopes: Vec<String>,
    address: Option<IpAddr>,
    status: &'static str,
}

#[derive(Serialize)]
struct KeyView {
    kid: String,
    alg: &'static str,
    state: &'static str,
    until: Option<Timestamp>,
}

#[derive(Serialize)]
struct Context<'c> {
    refused: Option<&'static str>,
    errors: FieldErrors,
    #[serde(flatten)]
    mint: MintView<'c>,
    families: Vec<FamilyView>,
    signing_keys: Vec<KeyView>,
    jwks_url: String,
}

pub(super) async fn show(portal: web::Data<Portal>, me: SignedIn) -> Result<HttpResponse, PageError> {
    let form = MintForm::first(&portal);
    page(&portal, &me, &form, FieldErrors::default()).await
}

/// The page; again with 422 if something is wrong with the form.
pub(super) async fn page(
    portal: &Portal,
    me: &SignedIn,
    form: &MintForm,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let (owner, now) = (me.owner, portal.now());
    let found: Result<_, StoreError> = portal
        .store
        .read(move |conn| {
            let families = families::list_by_owner(conn, owner, None, MAX_SHOWN)?;
            Ok((families, signing_keys::published(conn, Purpose::AccessToken)?))
        })
        .await;
    let (families, keys) = found?;
    let apis = form.apis(portal, me);
    let again = !errors.is_empty();
    let context = Context {
        refused: refusal(portal, me),
        errors,
        mint: MintView::of(form, &apis),
        families: families.into_iter().map(|(family, client)| family_view(family, client, now)).collect(),
        signing_keys: keys.iter().rev().map(key_view).collect(),
        jwks_url: format!("{}/.well-known/jwks.json", portal.settings.public_url),
    };
    let template = "pages/tokens/list.html";
    if again { portal.form_again(me, template, context) } else { portal.page(me, template, context) }
}

fn family_view(family: Family, client: String, now: Timestamp) -> FamilyView {
    FamilyView {
        id: family.id,
        created_at: family.created_at,
        last_refresh_at: family.last_refreshed_at,
        expires_at: family.idle_expires_at.min(family.expires_at),
        scopes: family.scopes.iter().map(Scope::to_string).collect(),
        address: family.address,
        status: status(&family, now),
        app: (family.kind == FamilyKind::Oauth).then_some(client),
        name: family.name,
    }
}

pub(super) fn status(family: &Family, now: Timestamp) -> &'static str {
    match family.ended_reason {
        _ if family.is_living(now) => "active",
        Some(EndReason::Theft) => "stolen",
        Some(_) => "revoked",
        None => "expired",
    }
}

fn key_view(key: &StoredKey) -> KeyView {
    KeyView {
        kid: key.kid().to_owned(),
        alg: key.algorithm.as_str(),
        state: key.state.as_str(),
        until: match key.state {
            KeyState::Current => key.current_from.map(|from| from + ROTATION_PERIOD),
            KeyState::Retiring => key.retire_at,
            KeyState::Next | KeyState::Retired | KeyState::Revoked => None,
        },
    }
}
