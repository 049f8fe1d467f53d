//! Sending the browser to a provider.

use actix_web::HttpResponse;
use actix_web::web;
use keyway_core::ids::OwnerId;
use keyway_core::secret::SecretDigest;
use keyway_store::tables::connections;
use keyway_store::tables::provider_flows::{FlowPurpose, ProviderFlow, secrets_place};
use keyway_store::{StoreError, tables::connections::Connection};
use serde::{Deserialize, Serialize};

use super::refused::{Refusal, refuse};
use crate::error::PageError;
use crate::extract::{CsrfForm, Visitor, own_path};
use crate::flows::connections::{AWAY, LeaveError, leave};
use crate::oauth::error::EndpointError;
use crate::providers::{Asked, Provider};
use crate::state::Portal;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    return_to: String,
    /// Set where somebody who is signed in is to show again who they are.
    confirm: String,
}

#[derive(Serialize)]
struct Away<'a> {
    label: &'a str,
    url: &'a str,
}

/// Where a provider sends browsers back to.
pub(super) fn redirect_uri(portal: &Portal, provider: &Provider) -> String {
    format!("{}/connections/{}/callback", portal.settings.public_url, provider.definition().id)
}

pub(super) async fn start(
    portal: web::Data<Portal>,
    visitor: Visitor,
    id: web::Path<String>,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<HttpResponse, PageError> {
    let provider = portal.providers.find(&portal, &id).await?.ok_or(PageError::NotFound)?;
    let person = visitor.person.as_ref().map(|person| person.owner);
    // Each start may ask the provider something.
    if let Err(EndpointError::TooMany { retry_after }) =
        portal.limits.authorize(person.map(OwnerId::entity), visitor.origin.address)
    {
        return Err(PageError::TooMany { retry_after });
    }
    let purpose = match person {
        None => FlowPurpose::SignIn,
        Some(_) if form.confirm.is_empty() => {
            may_connect(&portal, &visitor)?;
            FlowPurpose::Connect
        }
        Some(_) => FlowPurpose::Confirm,
    };
    let mut asked = Asked::default();
    if purpose == FlowPurpose::Confirm {
        let connection = connected(&portal, &visitor, &provider).await?.ok_or(PageError::NotFound)?;
        asked = Asked { max_age_zero: true, login_hint: Some(connection.account) };
    }
    let uri = redirect_uri(&portal, &provider);
    let start = match provider.start(&portal.outgoing, &*portal.clock, &*portal.random, &uri, asked).await {
        Ok(start) => start,
        Err(error) => return refuse(&portal, &visitor, &provider, &Refusal::Provider(error)),
    };
    let (now, session) = (portal.now(), visitor.session_id());
    let place = session.to_string();
    let sealed = portal.master_key.seal(&secrets_place(&place), &start.secrets.to_json(), &*portal.random)?;
    let flow = ProviderFlow {
        state: SecretDigest::of(start.secrets.state.expose().as_bytes()),
        session,
        provider: id.into_inner(),
        purpose,
        owner: person,
        secrets: sealed,
        return_to: own_path(&form.return_to).unwrap_or_default().to_owned(),
        created_at: now,
        expires_at: now + AWAY,
    };
    match portal.store.write(move |tx| leave(tx, &flow)).await {
        Ok(()) => {}
        Err(LeaveError::TooMany) => {
            return Err(PageError::TooMany { retry_after: AWAY.as_seconds().unsigned_abs() });
        }
        Err(LeaveError::Store(error)) => return Err(error.into()),
    }
    // A page that moves on, not a redirect: browsers hold a redirect after a form against form-action, and where a
    // provider's own redirects lead is not known beforehand.
    let label = provider.definition().label();
    portal.page(&visitor, "pages/connections/away.html", Away { label, url: &start.url })
}

/// Connecting another way in is for who has just shown who they are, at an address that is theirs.
fn may_connect(portal: &Portal, visitor: &Visitor) -> Result<(), PageError> {
    let verified = visitor.person.as_ref().is_some_and(|person| person.email_verified);
    if !portal.settings.verify_email.allows_live(verified) {
        return Err(PageError::Forbidden("Verify your e-mail address first: then you can connect accounts."));
    }
    if visitor.view.is_fresh(portal.now()) {
        Ok(())
    } else {
        Err(PageError::Confirm { return_to: "/connections".to_owned() })
    }
}

/// What the visitor has connected at a provider.
pub(super) async fn connected(
    portal: &Portal,
    visitor: &Visitor,
    provider: &Provider,
) -> Result<Option<Connection>, PageError> {
    let Some(owner) = visitor.person.as_ref().map(|person| person.owner) else { return Ok(None) };
    let demo = portal.demo_identities();
    let all: Result<_, StoreError> =
        portal.store.read(move |conn| connections::of_owner(conn, owner, demo)).await;
    let id = provider.definition().id.as_str();
    Ok(all?.into_iter().find(|connection| connection.provider == id))
}
