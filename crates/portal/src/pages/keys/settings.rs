//! What stands beside the form on `/keys/{id}/settings`: rotating, switching off, revoking; and the question before a
//! cut of scopes that somebody would notice.

use actix_web::HttpResponse;
use keyway_core::api_key::{ApiKey, Grace, KeyStatus};
use keyway_core::scope::{Scope, ScopeSet};
use serde::Serialize;

use super::form::KeyForm;
use super::{handle, subject};
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::shown::Submission;
use crate::pages::confirm::{BlastView, Confirm, Field};
use crate::pages::credentials::revoke::look_up;
use crate::pages::requests::list::Subject;
use crate::state::Portal;

#[derive(Serialize)]
pub(super) struct Choice {
    value: &'static str,
    label: &'static str,
}

pub(super) const fn choice(grace: Grace) -> Choice {
    Choice { value: grace.as_str(), label: grace.label() }
}

/// What the page has besides the form.
#[derive(Serialize)]
pub(super) struct Beside {
    key: Subject,
    enabled: bool,
    can_rotate: bool,
    /// Makes a double rotation one.
    rotate_once: String,
    grace_choices: [Choice; 6],
    grace: &'static str,
}

impl Beside {
    pub(super) fn of(portal: &Portal, key: &ApiKey) -> Self {
        let now = portal.now();
        Self {
            key: subject(key, now),
            enabled: key.disabled_at.is_none(),
            can_rotate: key.replaced_by.is_none()
                && !matches!(key.status(now), KeyStatus::Disabled | KeyStatus::Revoked),
            rotate_once: Submission::new(&*portal.random).field().to_owned(),
            grace_choices: Grace::ALL.map(choice),
            grace: Grace::default().as_str(),
        }
    }
}

/// The question before `key` loses scopes, if it was called with in the last 24 hours: which of them the calls used is
/// not written down.
pub(super) async fn cut(
    portal: &Portal,
    me: &SignedIn,
    key: &ApiKey,
    kept: &ScopeSet,
    form: &KeyForm,
) -> Result<Option<HttpResponse>, PageError> {
    let lost = key.terms.scopes.without(kept);
    if lost.is_empty() {
        return Ok(None);
    }
    let (entries, radius) = look_up(portal, me, &[handle(key.id)]).await?;
    if !radius.is_in_use() {
        return Ok(None);
    }
    let apis = portal.catalogue.apis();
    let words = |scope: &Scope| match apis.iter().find_map(|api| api.scope(scope.as_str())) {
        Some(known) => format!("{} ({scope})", known.description),
        None => scope.to_string(),
    };
    let asked = Confirm {
        title: format!("Take scopes from “{}”?", key.name),
        lead: "Calls that need them are refused within a second, also with what was made from the key.",
        dies: lost.iter().map(words).collect(),
        blast: Some(BlastView::of(&radius, &entries)),
        action: format!("/keys/{}/edit", key.id),
        cancel: format!("/keys/{}/settings", key.id),
        button: "Save changes",
        fields: form.confirmed().map(|(name, value)| Field { name, value }).into(),
        ..Confirm::default()
    };
    asked.page(portal, me).map(Some)
}
