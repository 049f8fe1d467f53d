//! Setting a provider up, and changing it.

use actix_web::HttpResponse;
use actix_web::web;
use keyway_store::StoreError;
use keyway_store::tables::providers as rows;
use serde::Serialize;

use super::callback;
use super::typed::{KINDS, Typed};
use crate::error::{FieldErrors, PageError};
use crate::extract::{Admin, CsrfForm};
use crate::flows::providers::{self, ProviderChangeError};
use crate::providers::{Asked, Definition, Provider, stored_definition};
use crate::render::FlashKind;
use crate::state::{Portal, see_other};

const LIST: &str = "/admin/providers";

#[derive(Serialize)]
struct Page<'a> {
    /// Its name, where it exists.
    id: Option<&'a str>,
    form: &'a Typed,
    kinds: Vec<Choice>,
    callback: String,
    errors: FieldErrors,
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    label: &'static str,
}

fn page(
    portal: &Portal,
    me: &Admin,
    id: Option<&str>,
    form: &Typed,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let kinds = KINDS.iter().map(|(_, value, label)| Choice { value, label }).collect();
    let again = !errors.is_empty();
    let callback = callback(portal, id.unwrap_or("…"));
    let page = Page { id, form, kinds, callback, errors };
    let template = "pages/admin/provider.html";
    if again { portal.form_again(me, template, page) } else { portal.page(me, template, page) }
}

pub(super) async fn new(portal: web::Data<Portal>, me: Admin) -> Result<HttpResponse, PageError> {
    page(&portal, &me, None, &Typed::empty(), FieldErrors::default())
}

/// One that was made here; what the settings file names is not changed here.
pub(super) async fn stored(portal: &Portal, id: &str) -> Result<Definition, PageError> {
    let named = id.to_owned();
    let row: Result<_, StoreError> = portal.store.read(move |conn| rows::find(conn, &named)).await;
    let row = row?.filter(|_| !portal.providers.is_fixed(id)).ok_or(PageError::NotFound)?;
    stored_definition(&row, &portal.master_key).ok_or(PageError::NotFound)
}

pub(super) async fn edit(
    portal: web::Data<Portal>,
    me: Admin,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let definition = stored(&portal, &id).await?;
    page(&portal, &me, Some(&id), &Typed::of(&definition), FieldErrors::default())
}

pub(super) async fn set_up(
    portal: web::Data<Portal>,
    me: Admin,
    CsrfForm(form): CsrfForm<Typed>,
) -> Result<HttpResponse, PageError> {
    let definition = match form.definition(None) {
        Ok(definition) => definition,
        Err(errors) => return page(&portal, &me, None, &form, errors),
    };
    if portal.providers.is_fixed(definition.id.as_str()) {
        return page(
            &portal,
            &me,
            None,
            &form,
            FieldErrors::of("id", "The settings file has one of this name."),
        );
    }
    let (act, key, new) = (me.act(&portal), portal.master_key.clone(), definition.clone());
    match portal.store.write(move |tx| providers::set_up(tx, &act, &new, &key)).await {
        Ok(()) => saved(&portal, &me, definition).await,
        Err(ProviderChangeError::Taken) => {
            page(&portal, &me, None, &form, FieldErrors::of("id", "There is one of this name."))
        }
        Err(ProviderChangeError::Store(error)) => Err(error.into()),
        Err(other) => {
            page(&portal, &me, None, &form, FieldErrors::of("form", format!("Not saved: {other}.")))
        }
    }
}

pub(super) async fn change(
    portal: web::Data<Portal>,
    me: Admin,
    id: web::Path<String>,
    CsrfForm(mut form): CsrfForm<Typed>,
) -> Result<HttpResponse, PageError> {
    let before = stored(&portal, &id).await?;
    form.id.clone_from(&id);
    let definition = match form.definition(before.client_secret.as_ref()) {
        Ok(definition) => definition,
        Err(errors) => return page(&portal, &me, Some(&id), &form, errors),
    };
    let (act, key, new) = (me.act(&portal), portal.master_key.clone(), definition.clone());
    match portal.store.write(move |tx| providers::change(tx, &act, &new, &key)).await {
        Ok(()) => saved(&portal, &me, definition).await,
        Err(ProviderChangeError::Store(error)) => Err(error.into()),
        Err(_) => Ok(see_other(LIST)),
    }
}

/// Says so, and whether the provider can be found.
async fn saved(portal: &Portal, me: &Admin, definition: Definition) -> Result<HttpResponse, PageError> {
    let name = definition.label().to_owned();
    let uri = callback(portal, definition.id.as_str());
    let found = match Provider::new(definition) {
        Ok(provider) => {
            let asked = Asked::default();
            provider.start(&portal.outgoing, &*portal.clock, &*portal.random, &uri, asked).await.map(drop)
        }
        Err(error) => return Err(PageError::Internal(error.to_string())),
    };
    let (kind, text) = match found {
        Ok(()) => (FlashKind::Ok, format!("{name} is saved. Register {uri} there as the redirect URI.")),
        Err(error) => (FlashKind::Attention, format!("{name} is saved, but cannot be used yet. {error}")),
    };
    portal.redirect_with_flash(me, LIST, kind, text)
}
