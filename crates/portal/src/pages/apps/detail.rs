//! One app: facts, endpoints, and what ends it.

use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::Timestamp;
use keyway_core::ids::ClientId;
use keyway_core::ledger::{Handle, Kind};
use keyway_core::oauth::{Client, ClientKeys, ClientOrigin, RedirectUri};
use keyway_store::StoreError;
use keyway_store::tables::{access_tokens, client_secrets, family_counts, grants};
use serde::{Deserialize, Serialize};

use super::builder::{Builder, Wish};
use super::secrets::{OverlapChoice, overlaps};
use super::{own_client, status};
use crate::error::{FieldErrors, PageError};
use crate::extract::{CsrfForm, Fresh, SignedIn};
use crate::flows::clients::{self, ClientError, MAX_SECRETS};
use crate::pages::confirm::{Confirm, NoFields};
use crate::pages::credentials::revoke::confirmation;
use crate::render::FlashKind;
use crate::state::Portal;

#[derive(Serialize)]
struct AppView<'c> {
    client_id: ClientId,
    name: &'c str,
    kind: &'static str,
    status: &'static str,
    created_at: Timestamp,
    redirect_uris: &'c [RedirectUri],
    grants: Vec<&'static str>,
    scopes: Vec<&'c str>,
    token_format: &'static str,
    website: Option<&'c str>,
    auth_method: &'static str,
    has_secrets: bool,
    keys: usize,
    id_token_algorithm: &'static str,
    dpop_bound: bool,
    post_logout_redirect_uris: &'c [RedirectUri],
    backchannel_logout_uri: Option<&'c str>,
    registered_itself: bool,
    last_used_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct SecretView {
    id: String,
    display: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    status: &'static str,
}

#[derive(Serialize)]
struct Endpoint {
    name: &'static str,
    url: String,
}

#[derive(Serialize)]
struct DetailContext<'c> {
    app: AppView<'c>,
    secrets: Vec<SecretView>,
    can_add_secret: bool,
    overlaps: Vec<OverlapChoice>,
    once: String,
    users: u64,
    tokens: u64,
    endpoints: Vec<Endpoint>,
    builder: Option<Builder>,
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    let (id, now) = (client.id, portal.now());
    let counted: Result<_, StoreError> = portal
        .store
        .read(move |conn| {
            let secrets = client_secrets::list(conn, id, now)?;
            let users = grants::count_of_client(conn, id)?;
            let of_itself = access_tokens::count_of_client_itself(conn, id, now)?;
            Ok((secrets, users, family_counts::of_client(conn, id, now)? + of_itself))
        })
        .await;
    let (secrets, users, tokens) = counted?;
    let has_secrets = client.auth_method.has_secret();
    let brand = &portal.shapes.brand;
    let context = DetailContext {
        app: AppView {
            client_id: client.id,
            name: &client.name,
            kind: client.kind.as_str(),
            status: status(&client),
            created_at: client.created_at,
            redirect_uris: &client.redirect_uris,
            grants: client.grant_types.iter().map(|grant| grant.as_str()).collect(),
            scopes: client.scopes.iter().map(keyway_core::scope::Scope::as_str).collect(),
            token_format: client.token_format.as_str(),
            website: client.website.as_deref(),
            auth_method: client.auth_method.as_str(),
            has_secrets,
            keys: client.jwks.as_ref().map_or(0, ClientKeys::len),
            id_token_algorithm: client.id_token_algorithm.as_str(),
            dpop_bound: client.dpop_bound,
            post_logout_redirect_uris: &client.post_logout_redirect_uris,
            backchannel_logout_uri: client.backchannel_logout_uri.as_deref(),
            registered_itself: client.origin == ClientOrigin::Dynamic,
            last_used_at: client.last_used_at,
        },
        can_add_secret: has_secrets && secrets.len() < MAX_SECRETS,
        overlaps: overlaps(),
        once: crate::flows::shown::Submission::new(&*portal.random).field().to_owned(),
        secrets: secrets
            .into_iter()
            .map(|secret| SecretView {
                id: secret.id.to_string(),
                display: format!("{brand}_cs_…{}", secret.last4),
                created_at: secret.created_at,
                last_used_at: secret.last_used_at,
                expires_at: secret.expires_at,
                status: if secret.expires_at.is_some() { "grace" } else { "active" },
            })
            .collect(),
        users,
        tokens,
        endpoints: endpoints(&portal),
        builder: Builder::of(&portal, &client, &Wish::read(request.query_string())),
    };
    portal.page(&me, "pages/apps/detail.html", context)
}

fn endpoints(portal: &Portal) -> Vec<Endpoint> {
    let at = |name, path: &str| Endpoint { name, url: format!("{}{path}", portal.settings.public_url) };
    vec![
        at("Authorize", "/oauth/authorize"),
        at("Token", "/oauth/token"),
        at("Revoke", "/oauth/revoke"),
        at("Introspect", "/oauth/introspect"),
        at("Metadata", "/.well-known/oauth-authorization-server"),
    ]
}

/// As the list of all credentials names it.
fn handle(id: ClientId) -> Handle {
    Handle { kind: Kind::Client, id: id.entity() }
}

pub(super) async fn confirm_delete(
    portal: web::Data<Portal>,
    me: Fresh,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    delete_page(&portal, &me, &client, FieldErrors::default()).await
}

async fn delete_page(
    portal: &Portal,
    me: &SignedIn,
    client: &Client,
    errors: FieldErrors,
) -> Result<HttpResponse, PageError> {
    let mut asked = confirmation(portal, me, &[handle(client.id)]).await?;
    asked.dies.push("Its secrets".to_owned());
    Confirm {
        title: format!("Delete {}?", client.name),
        lead: "This cannot be undone.",
        action: format!("/apps/{}/delete", client.id),
        cancel: format!("/apps/{}", client.id),
        button: "Delete app",
        type_name: Some(client.name.clone()),
        errors,
        ..asked
    }
    .page(portal, me)
}

#[derive(Deserialize)]
pub(super) struct DeleteForm {
    #[serde(default)]
    confirm_name: String,
}

pub(super) async fn delete(
    portal: web::Data<Portal>,
    me: Fresh,
    id: web::Path<String>,
    form: CsrfForm<DeleteForm>,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    if form.0.confirm_name.trim() != client.name {
        let errors = FieldErrors::of("confirm_name", "This is not the app's name.");
        return delete_page(&portal, &me, &client, errors).await;
    }
    let (act, owner, id) = (me.act(&portal), me.owner, client.id);
    done(portal.store.write(move |tx| clients::delete(tx, &act, owner, id)).await)?;
    let text = format!("{} is deleted; its tokens are refused from now on.", client.name);
    portal.redirect_with_flash(&me, "/apps", FlashKind::Ok, text)
}

pub(super) async fn confirm_revoke_tokens(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    let asked = confirmation(&portal, &me, &[handle(client.id)]).await?;
    let (action, cancel) = (format!("/apps/{}/revoke-tokens", client.id), format!("/apps/{}", client.id));
    Confirm { action, cancel, ..asked }.page(&portal, &me)
}

pub(super) async fn revoke_tokens(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
    _form: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    let (act, owner, id) = (me.act(&portal), me.owner, client.id);
    done(portal.store.write(move |tx| clients::revoke_tokens(tx, &act, owner, id)).await)?;
    let to = format!("/apps/{id}");
    portal.redirect_with_flash(&me, &to, FlashKind::Ok, "All tokens of this app are refused from now on.")
}

/// An act on an app that is there: what can go wrong is that it is not, or the store.
pub(super) fn done<T>(result: Result<T, ClientError>) -> Result<T, PageError> {
    result.map_err(|error| match error {
        ClientError::Store(error) => error.into(),
        _ => PageError::NotFound,
    })
}
