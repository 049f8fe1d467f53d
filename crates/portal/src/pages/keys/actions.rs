//! What the buttons of a key do: rotate, end or extend a grace, disable, enable, revoke.

use actix_web::HttpResponse;
use actix_web::web::{self, Path};
use keyway_core::api_key::{ApiKey, Grace};
use keyway_core::ids::ApiKeyId;
use serde::Deserialize;

use super::form::sentence;
use super::{by, detail, form, handle, id, not_on_a_form, own_key, rules};
use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::keys::{self, KeyError};
use crate::flows::shown::{self, Destination, Submission};
use crate::pages::confirm::{BlastView, Confirm, NoFields};
use crate::pages::credentials::revoke;
use crate::pages::shown_cookie;
use crate::render::FlashKind;
use crate::state::{Portal, see_other};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct GraceForm {
    grace: String,
    once: String,
}

pub(super) async fn rotate(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    CsrfForm(form): CsrfForm<GraceForm>,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    let Ok(grace) = form.grace.parse::<Grace>() else {
        let errors = FieldErrors::of("grace", "Choose how long the old secret works.");
        return form::again(&portal, &me, &key, errors).await;
    };
    let submission = Submission::parse(&form.once).unwrap_or_else(|| Submission::new(&*portal.random));
    let secret = keys::new_secret(&portal.shapes.brand, key.terms.environment, &*portal.random);
    let (act, rules, by) = (me.act(&portal), rules(&portal), by(&portal, &me));
    let (owner, session, id, notices) = (me.owner, me.session_id, key.id, portal.notices());
    let made = portal.store.write(move |tx| {
        if let Some(before) = shown::sent_before(tx, owner, session, &submission)? {
            return Ok(before);
        }
        let rotated = keys::rotate(tx, &act, &rules, &by, owner, id, grace, &secret)?;
        notices.tell(tx, &act, owner, &keys::made_notice(&rotated.new))?;
        let to = Destination { owner, session, target: rotated.new.id.entity() };
        let cookie = shown::put(tx, act.now, &*act.random, &submission, to, &secret)?;
        Ok::<_, KeyError>((to.target, cookie))
    });
    match made.await {
        Ok((new, cookie)) => {
            portal.mail_bell.ring();
            let mut answer = see_other(&format!("/keys/{new}/shown"));
            shown_cookie::set(&portal, &mut answer, &cookie)?;
            Ok(answer)
        }
        Err(error) => refused(&portal, &me, id, error).await,
    }
}

pub(super) async fn extend_grace(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    CsrfForm(form): CsrfForm<GraceForm>,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    match form.grace.parse() {
        Ok(grace) => change_grace(&portal, &me, &key, grace).await,
        Err(_) => detail::page(&portal, &me, key.id, FieldErrors::of("form", "Choose a time.")).await,
    }
}

pub(super) async fn finish_grace(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    _: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    change_grace(&portal, &me, &key, Grace::Now).await
}

/// The buttons stand on the page of the new key, and are about the old one.
async fn change_grace(
    portal: &Portal,
    me: &SignedIn,
    key: &ApiKey,
    grace: Grace,
) -> Result<HttpResponse, PageError> {
    let old = if key.replaced_by.is_some() { key.id } else { key.replaces.unwrap_or(key.id) };
    let (act, by, owner) = (me.act(portal), by(portal, me), me.owner);
    let done = portal.store.write(move |tx| keys::change_grace(tx, &act, &by, owner, old, grace)).await;
    let text = if grace == Grace::Now { "The old secret has ended." } else { "The old secret works longer." };
    finish(portal, me, key.id, done.map(|_| text.to_owned())).await
}

pub(super) async fn enable(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    _: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    set_enabled(&portal, &me, id(&path)?, true).await
}

pub(super) async fn disable(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    _: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    set_enabled(&portal, &me, id(&path)?, false).await
}

async fn set_enabled(
    portal: &Portal,
    me: &SignedIn,
    id: ApiKeyId,
    enabled: bool,
) -> Result<HttpResponse, PageError> {
    let (act, rules, by, owner) = (me.act(portal), rules(portal), by(portal, me), me.owner);
    let done =
        portal.store.write(move |tx| keys::set_enabled(tx, &act, &rules, &by, owner, id, enabled)).await;
    let words = if enabled {
        "is enabled: its calls are let through."
    } else {
        "is disabled: its calls are refused."
    };
    finish(portal, me, id, done.map(|key| format!("“{}” {words}", key.name))).await
}

pub(super) async fn confirm_revoke(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    if key.revoked_at.is_some() {
        return Err(PageError::NotFound);
    }
    let asked = revoke::confirmation(&portal, &me, &[handle(key.id)]).await?;
    let (action, cancel) = (format!("/keys/{}/revoke", key.id), format!("/keys/{}", key.id));
    Confirm { action, cancel, ..asked }.page(&portal, &me)
}

/// Before a key is switched off: who would notice.
pub(super) async fn confirm_disable(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    let (entries, radius) = revoke::look_up(&portal, &me, &[handle(key.id)]).await?;
    let made = radius.keys.iter().map(|name| format!("The key “{name}”, which was made with it"));
    Confirm {
        title: format!("Disable “{}”?", key.name),
        lead: "Its calls are refused within a second, until it is enabled again.",
        dies: made.chain(["Every access token that was exchanged from it".to_owned()]).collect(),
        blast: Some(BlastView::of(&radius, &entries)),
        action: format!("/keys/{}/disable", key.id),
        cancel: format!("/keys/{}/settings", key.id),
        button: "Disable key",
        ..Confirm::default()
    }
    .page(&portal, &me)
}

pub(super) async fn revoke(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    _: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    let (act, by, owner, id) = (me.act(&portal), by(&portal, &me), me.owner, id(&path)?);
    let done = portal.store.write(move |tx| keys::revoke(tx, &act, &by, owner, id, "revoked by its owner"));
    let key = done.await.map_err(|error| not_on_a_form(error, "/keys"))?;
    portal.redirect_with_flash(&me, "/keys", FlashKind::Ok, format!("“{}” is revoked.", key.name))
}

/// Back to the key's page, with what was done or why it was not.
async fn finish(
    portal: &Portal,
    me: &SignedIn,
    id: ApiKeyId,
    done: Result<String, KeyError>,
) -> Result<HttpResponse, PageError> {
    match done {
        Ok(text) => portal.redirect_with_flash(me, &format!("/keys/{id}"), FlashKind::Ok, text),
        Err(error) => refused(portal, me, id, error).await,
    }
}

async fn refused(
    portal: &Portal,
    me: &SignedIn,
    id: ApiKeyId,
    error: KeyError,
) -> Result<HttpResponse, PageError> {
    match error {
        KeyError::Store(_) | KeyError::NotFound | KeyError::NoOwner | KeyError::NotFresh => {
            Err(not_on_a_form(error, &format!("/keys/{id}")))
        }
        other => detail::page(portal, me, id, FieldErrors::of("form", sentence(&other.to_string()))).await,
    }
}
