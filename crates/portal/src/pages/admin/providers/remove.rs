//! Removing a provider: the page that says what ends, and the act.

use actix_web::HttpResponse;
use actix_web::web;

use super::form::stored;
use crate::error::PageError;
use crate::extract::{Admin, CsrfForm};
use crate::flows::providers::{self, ProviderChangeError};
use crate::pages::confirm::{Confirm, NoFields};
use crate::render::FlashKind;
use crate::state::Portal;

pub(super) async fn ask(
    portal: web::Data<Portal>,
    me: Admin,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let definition = stored(&portal, &id).await?;
    let name = definition.label();
    let confirm = Confirm {
        title: format!("Remove {name}?"),
        lead: "Connections stay, and work again if it is set up again under the same name.",
        dies: vec![
            format!("Signing in with {name}; who has no other way in needs a password by mail"),
            "The client secret that is kept for it".to_owned(),
        ],
        action: format!("/admin/providers/{id}/remove"),
        cancel: "/admin/providers".to_owned(),
        button: "Remove provider",
        ..Confirm::default()
    };
    confirm.page(&portal, &me)
}

pub(super) async fn submit(
    portal: web::Data<Portal>,
    me: Admin,
    id: web::Path<String>,
    _: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    let name = stored(&portal, &id).await?.label().to_owned();
    let (act, id) = (me.act(&portal), id.into_inner());
    match portal.store.write(move |tx| providers::remove(tx, &act, &id)).await {
        Ok(()) | Err(ProviderChangeError::Nothing) => {}
        Err(ProviderChangeError::Store(error)) => return Err(error.into()),
        Err(other) => return Err(PageError::Internal(other.to_string())),
    }
    portal.redirect_with_flash(&me, "/admin/providers", FlashKind::Ok, format!("{name} is removed."))
}
