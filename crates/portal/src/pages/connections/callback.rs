//! Coming back from a provider (RFC 6749 §4.1.2).

use std::sync::Arc;

use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::ids::OwnerId;
use keyway_store::StoreError;
use keyway_store::tables::provider_flows::{FlowPurpose, ProviderFlow, secrets_place};
use serde::Deserialize;

use super::arrive::Arrival;
use super::refused::{Refusal, refuse};
use super::start::redirect_uri;
use crate::error::PageError;
use crate::extract::Visitor;
use crate::flows::connections::come_back;
use crate::providers::{Callback, FlowSecrets, Identity, Provider, ProviderError};
use crate::state::Portal;

/// The longest `state` that is looked up, in bytes.
const MAX_STATE: usize = 200;

#[derive(Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    state: String,
    #[serde(flatten)]
    callback: Callback,
}

pub(super) async fn callback(
    portal: web::Data<Portal>,
    visitor: Visitor,
    request: HttpRequest,
    id: web::Path<String>,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let provider = portal.providers.find(&portal, &id).await?.ok_or(PageError::NotFound)?;
    let Query { state, callback } = query.into_inner();
    let Some(flow) = take(&portal, &visitor, &provider, state).await? else {
        return refuse(&portal, &visitor, &provider, &Refusal::NotBegunHere);
    };
    let identity = match finish(&portal, &provider, &flow, &callback).await {
        Ok(identity) => identity,
        Err(error) => return refuse(&portal, &visitor, &provider, &Refusal::Provider(error)),
    };
    let arrival = Arrival { provider: Arc::clone(&provider), identity, return_to: flow.return_to };
    match (flow.purpose, flow.owner) {
        (FlowPurpose::SignIn, _) => arrival.sign_in(&portal, &visitor, &request).await,
        (FlowPurpose::Connect, Some(owner)) if is(&visitor, owner) => {
            arrival.connect(&portal, &visitor, owner).await
        }
        (FlowPurpose::Confirm, Some(owner)) if is(&visitor, owner) => {
            arrival.confirm(&portal, &visitor, owner).await
        }
        // Who began it is not signed in any more.
        _ => refuse(&portal, &visitor, &provider, &Refusal::NotBegunHere),
    }
}

fn is(visitor: &Visitor, owner: OwnerId) -> bool {
    visitor.person.as_ref().is_some_and(|person| person.owner == owner)
}

async fn take(
    portal: &Portal,
    visitor: &Visitor,
    provider: &Provider,
    state: String,
) -> Result<Option<ProviderFlow>, PageError> {
    if state.is_empty() || state.len() > MAX_STATE {
        return Ok(None);
    }
    let (session, now) = (visitor.session_id(), portal.now());
    let id = provider.definition().id.to_string();
    let taken: Result<_, StoreError> =
        portal.store.write(move |tx| come_back(tx, &state, session, &id, now)).await;
    Ok(taken?)
}

/// Who it is, by the provider's word. The flow is spent already, whatever comes of it.
async fn finish(
    portal: &Portal,
    provider: &Provider,
    flow: &ProviderFlow,
    callback: &Callback,
) -> Result<Identity, ProviderError> {
    let session = flow.session.to_string();
    let opened = portal.master_key.open(&secrets_place(&session), &flow.secrets).ok();
    // Sealed under a master key that was replaced meanwhile.
    let secrets = opened.and_then(|plain| FlowSecrets::from_json(&plain)).ok_or(ProviderError::CodeDied)?;
    let uri = redirect_uri(portal, provider);
    provider.finish(&portal.outgoing, &*portal.clock, &uri, &secrets, callback).await
}
