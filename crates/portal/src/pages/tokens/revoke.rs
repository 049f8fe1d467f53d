//! Ending a family, with everything that grew in it.

use actix_web::HttpResponse;
use actix_web::web;
use keyway_store::StoreError;
use keyway_store::tables::families::{Family, FamilyKind};

use super::detail::counted;
use super::own_family;
use crate::error::PageError;
use crate::extract::{CsrfForm, SignedIn};
use crate::flows::tokens::families;
use crate::pages::confirm::{BlastView, Confirm, NoFields};
use crate::pages::credentials::revoke::look_up;
use crate::render::FlashKind;
use crate::state::{Portal, see_other};

/// The family as a sentence names it.
fn named(family: &Family) -> &str {
    if family.name.is_empty() { "this family" } else { &family.name }
}

pub(super) async fn confirm(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let family = own_family(&portal, me.owner, &id).await?;
    if family.ended_at.is_some() {
        return Ok(see_other("/tokens"));
    }
    let mut dies = vec!["every access token of this family, on the next call".to_owned()];
    if family.has_refresh {
        dies.insert(0, "its refresh token".to_owned());
    }
    let (entries, radius) = look_up(&portal, &me, &[counted(&family)]).await?;
    dies.extend(radius.keys.iter().map(|name| format!("the key “{name}”, which was made with it")));
    Confirm {
        title: format!("Revoke {}?", named(&family)),
        lead: match family.kind {
            FamilyKind::Dashboard => "This cannot be undone. Mint another pair to go on.",
            FamilyKind::Oauth => {
                "This cannot be undone. The app keeps your consent and can ask for new tokens."
            }
        },
        dies,
        blast: Some(BlastView::of(&radius, &entries)),
        action: format!("/tokens/{}/revoke", family.id),
        cancel: format!("/tokens/{}", family.id),
        button: "Revoke tokens",
        ..Confirm::default()
    }
    .page(&portal, &me)
}

pub(super) async fn revoke(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
    _form: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    let family = own_family(&portal, me.owner, &id).await?;
    let (act, owner, id) = (me.act(&portal), me.owner, family.id);
    let ended: Result<_, StoreError> = portal.store.write(move |tx| families::end(tx, &act, owner, id)).await;
    let text = match ended? {
        true => "The family is revoked; its tokens are refused from now on.",
        false => "The family was over already.",
    };
    portal.redirect_with_flash(&me, "/tokens", FlashKind::Ok, text)
}
