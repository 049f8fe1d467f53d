//! What the handlers of keys share: reading bodies, and calling the flows as the credential that asks.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_LENGTH, HeaderValue};
use actix_web::web::Json;
use actix_web::{Error, FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use keyway_core::facts::{Facts, Method, Subject};
use keyway_core::ids::{ApiKeyId, ClientId};
use keyway_guard::actix::Principal;
use keyway_guard::problem::Problem;
use keyway_store::tables::audit::Actor;
use keyway_store::tables::{accounts, api_keys, clients, owners};
use keyway_store::{Conn, StoreError, Tx};
use serde::de::DeserializeOwned;

use super::problem;
use crate::extract::ClientAddress;
use crate::flows::Act;
use crate::flows::keys::{By, KeyError};
use crate::state::Portal;

/// A JSON body; what is wrong with it is answered as a problem.
pub(super) type Body<T> = Json<T>;

/// A JSON body that may be left out altogether.
pub(super) struct OptionalBody<T>(pub(super) Option<T>);

impl<T: DeserializeOwned + 'static> FromRequest for OptionalBody<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let length = request.headers().get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
        let chunked = request.headers().contains_key("transfer-encoding");
        if matches!(length, None | Some(b"0")) && !chunked {
            return Box::pin(async { Ok(Self(None)) });
        }
        let body = Json::<T>::from_request(request, payload);
        Box::pin(async move { Ok(Self(Some(body.await?.into_inner()))) })
    }
}

/// The right of a credential.
pub(super) fn by(caller: &Principal) -> By {
    By::Credential(Arc::new(caller.facts().clone()))
}

/// Asks the database.
pub(super) async fn read<T, F>(portal: &Portal, f: F) -> Result<T, Problem>
where
    F: FnOnce(&mut Conn) -> Result<T, KeyError> + Send + 'static,
    T: Send + 'static,
{
    portal.store.read(f).await.map_err(|error| problem::of(&error))
}

/// Acts as the credential that asks, from `address`, in one transaction.
pub(super) async fn write<T, F>(
    portal: &Portal,
    caller: &Principal,
    ClientAddress(address): ClientAddress,
    f: F,
) -> Result<T, Problem>
where
    F: FnOnce(&mut Tx<'_>, &Act, &By) -> Result<T, KeyError> + Send + 'static,
    T: Send + 'static,
{
    let (facts, by) = (caller.facts().clone(), by(caller));
    let (now, random) = (portal.now(), Arc::clone(&portal.random));
    let done = portal.store.write(move |tx| {
        let actor = actor(tx.conn(), &facts)?;
        f(tx, &Act { now, random, actor, address: Some(address) }, &by)
    });
    done.await.map_err(|error| problem::of(&error))
}

/// Who acts, for the audit: the person or client, and the credential that was used.
fn actor(conn: &mut Conn, facts: &Facts) -> Result<Actor, StoreError> {
    let owner = match facts.subject {
        Subject::Client(id) => return Ok(Actor::client(id, app(conn, id)?)),
        Subject::Owner(id) => id,
    };
    let email = accounts::find(conn, owner)?.map(|account| account.email);
    let name = match email {
        Some(email) => email,
        None => owners::find(conn, owner)?.map(|owner| owner.name).unwrap_or_default(),
    };
    let label = match (facts.method, facts.client) {
        (Method::ApiKey, _) => {
            let key = api_keys::find(conn, ApiKeyId::from_entity(facts.id))?;
            format!("{name} (key {})", key.map(|key| key.name).unwrap_or_default())
        }
        (Method::Jwt | Method::Oauth, Some(client)) => format!("{name} (app {})", app(conn, client)?),
        (Method::Jwt | Method::Oauth, None) => name,
    };
    Ok(Actor::person(owner, label))
}

fn app(conn: &mut Conn, id: ClientId) -> Result<String, StoreError> {
    Ok(clients::find(conn, id)?.map(|client| client.name).unwrap_or_default())
}
