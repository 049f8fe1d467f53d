//! Disconnecting: the page that says what ends, and the act.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web;
use keyway_store::tables::connections::Connection;

use super::own;
use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, Fresh, SignedIn};
use crate::flows::connections::{DisconnectError, disconnect, open};
use crate::pages::confirm::{Confirm, NoFields};
use crate::pages::letters;
use crate::providers::Provider;
use crate::render::FlashKind;
use crate::state::Portal;

const LAST_WAY_IN: &str =
    "This is the only way into your account. Set a password or connect another account first.";

/// The connection, and its provider while it is set up.
pub(super) async fn find(
    portal: &Portal,
    me: &SignedIn,
    id: &str,
) -> Result<(Connection, Option<Arc<Provider>>), PageError> {
    let (all, _) = own(portal, me).await?;
    let connection = all.into_iter().find(|one| one.provider == id).ok_or(PageError::NotFound)?;
    Ok((connection, portal.providers.find(portal, id).await?))
}

pub(super) fn name<'n>(connection: &'n Connection, provider: Option<&'n Arc<Provider>>) -> &'n str {
    provider.map_or(connection.provider.as_str(), |provider| provider.definition().label())
}

fn page(
    portal: &Portal,
    me: &SignedIn,
    connection: &Connection,
    provider: Option<&Arc<Provider>>,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let name = name(connection, provider);
    let mut dies = vec![format!("Signing in with {name} as {}", connection.account)];
    if connection.tokens.is_some() {
        dies.push(format!("The tokens of {name} that are kept here"));
    }
    dies.push(format!("Calls to the APIs with tokens of {name}, where they are accepted"));
    let confirm = Confirm {
        title: format!("Disconnect {name}?"),
        lead: "You can connect it again at any time.",
        dies,
        action: format!("/connections/{}/disconnect", connection.provider),
        cancel: "/connections".to_owned(),
        button: "Disconnect",
        errors,
        ..Confirm::default()
    };
    confirm.page(portal, me)
}

pub(super) async fn ask(
    portal: web::Data<Portal>,
    me: Fresh,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (connection, provider) = find(&portal, &me, &id).await?;
    page(&portal, &me, &connection, provider.as_ref(), FieldErrors::default())
}

pub(super) async fn submit(
    portal: web::Data<Portal>,
    me: Fresh,
    id: web::Path<String>,
    _: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    let (connection, provider) = find(&portal, &me, &id).await?;
    let name = name(&connection, provider.as_ref()).to_owned();
    let letter = letters::connection(&portal, &me.name, &name, &connection.account, false)?;
    let all = portal.providers.all(&portal).await?;
    let works = move |id: &str| all.iter().any(|provider| provider.definition().id.as_str() == id);
    let (act, owner, row, demo) = (me.act(&portal), me.owner, connection.id, portal.demo_identities());
    let ended = portal.store.write(move |tx| disconnect(tx, &act, owner, row, demo, works, &letter)).await;
    let ended = match ended {
        Ok(ended) => ended,
        Err(DisconnectError::Nothing) => return Err(PageError::NotFound),
        Err(DisconnectError::LastWayIn) => {
            let errors = FieldErrors::of("form", LAST_WAY_IN);
            return page(&portal, &me, &connection, provider.as_ref(), errors);
        }
        Err(DisconnectError::Store(error)) => return Err(error.into()),
    };
    portal.mail_bell.ring();
    let text = match revoke_there(&portal, &ended, provider.as_deref()).await {
        Some(false) => {
            format!("{name} is disconnected here. It could not be told: remove this portal there too.")
        }
        Some(true) => format!("{name} is disconnected, here and there."),
        None => format!("{name} is disconnected."),
    };
    portal.redirect_with_flash(&me, "/connections", FlashKind::Ok, text)
}

/// Tells the provider that its tokens are not wanted any more; `None` if there is nothing to tell.
async fn revoke_there(portal: &Portal, ended: &Connection, provider: Option<&Provider>) -> Option<bool> {
    let provider = provider?;
    let tokens = match open(ended, &portal.master_key) {
        Ok(tokens) => tokens?,
        Err(error) => {
            tracing::error!(connection = %ended.id, %error, "tokens that are to be revoked cannot be opened");
            return Some(false);
        }
    };
    match provider.revoke(&portal.outgoing, &*portal.clock, &ended.issuer, &tokens).await {
        Ok(told) => Some(told),
        Err(error) => {
            tracing::warn!(provider = %ended.provider, %error, "tokens were not revoked at the provider");
            Some(false)
        }
    }
}
