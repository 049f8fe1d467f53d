//! *Refresh now*: the provider's tokens, before their time.

use actix_web::HttpResponse;
use actix_web::web;

use super::disconnect::{find, name};
use crate::error::PageError;
use crate::extract::{CsrfForm, SignedIn};
use crate::oauth::error::EndpointError;
use crate::pages::confirm::NoFields;
use crate::providers::ProviderError;
use crate::providers::renewal::{RenewalError, Renewed, refresh};
use crate::render::FlashKind;
use crate::state::Portal;

pub(super) async fn submit(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
    _: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    let (connection, provider) = find(&portal, &me, &id).await?;
    // Each asks the provider something.
    if let Err(EndpointError::TooMany { retry_after }) =
        portal.limits.authorize(Some(me.owner.entity()), me.origin.address)
    {
        return Err(PageError::TooMany { retry_after });
    }
    let name = name(&connection, provider.as_ref()).to_owned();
    let provider = provider.ok_or(PageError::NotFound)?;
    let act = me.act(&portal);
    let (kind, text) = match refresh(portal.clone().into_inner(), provider, act, connection).await {
        Ok(Renewed::Done) => (FlashKind::Ok, format!("The tokens of {name} are refreshed.")),
        Ok(Renewed::NotNow) => {
            (FlashKind::Refused, format!("{name} was asked a moment ago. Look again in a few minutes."))
        }
        Err(RenewalError::Provider(ProviderError::GrantDied)) => {
            (FlashKind::Refused, format!("{name} has ended its permission. Reconnect to give it again."))
        }
        Err(RenewalError::Provider(error)) => {
            tracing::warn!(provider = %id, %error, "a connection's tokens were not refreshed");
            (FlashKind::Refused, format!("{name}: {error}"))
        }
        Err(RenewalError::NotKept) => {
            (FlashKind::Refused, format!("{name} gave nothing to refresh with: it is as it was."))
        }
        Err(RenewalError::Interrupted) => return Err(PageError::Busy(None)),
        Err(RenewalError::Store(error)) => return Err(error.into()),
    };
    portal.redirect_with_flash(&me, "/connections", kind, text)
}
