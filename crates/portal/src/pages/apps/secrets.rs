//! An app's secrets: added with overlap, shown once, revoked.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use keyway_core::Duration;
use keyway_core::ids::{ClientId, ClientSecretId};
use keyway_core::oauth::{Client, GrantType};
use keyway_store::tables::client_secrets;
use keyway_store::{StoreError, Tx};
use serde::{Deserialize, Serialize};

use super::detail::done;
use super::own_client;
use crate::error::PageError;
use crate::extract::{CsrfForm, Fresh, SignedIn};
use crate::flows::clients::{self, ClientError, MAX_OVERLAP};
use crate::flows::shown::{self, Destination, Shown, Submission};
use crate::pages::confirm::{BlastView, Confirm, NoFields};
use crate::pages::shown_cookie;
use crate::render::FlashKind;
use crate::state::{Portal, see_other};

#[derive(Deserialize)]
pub(super) struct AddForm {
    #[serde(default)]
    once: String,
    #[serde(default)]
    overlap: String,
}

/// How long the secrets before may go on: value, label, span.
const OVERLAPS: [(&str, &str, Option<Duration>); 6] = [
    ("", "until I revoke them", None),
    ("0", "now", Some(Duration::ZERO)),
    ("1h", "in 1 hour", Some(Duration::hours(1))),
    ("24h", "in 24 hours", Some(Duration::hours(24))),
    ("7d", "in 7 days", Some(Duration::days(7))),
    ("30d", "in 30 days", Some(MAX_OVERLAP)),
];

/// For the form that adds a secret.
#[derive(Serialize)]
pub(super) struct OverlapChoice {
    value: &'static str,
    label: &'static str,
}

/// All choices, the first as it is.
pub(super) fn overlaps() -> Vec<OverlapChoice> {
    OVERLAPS.iter().map(|(value, label, _)| OverlapChoice { value, label }).collect()
}

pub(super) async fn add(
    portal: web::Data<Portal>,
    me: Fresh,
    id: web::Path<String>,
    form: CsrfForm<AddForm>,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    let Some(submission) = Submission::parse(&form.0.once) else { return Err(PageError::StaleForm) };
    let chosen = OVERLAPS.iter().find(|(value, ..)| *value == form.0.overlap);
    let Some((_, _, overlap)) = chosen else {
        return Err(PageError::BadRequest("Choose when the secrets before end."));
    };
    let (act, brand) = (me.act(&portal), portal.shapes.brand.clone());
    let to = Destination { owner: me.owner, session: me.session_id, target: client.id.entity() };
    let id = client.id;
    let write = move |tx: &mut Tx<'_>| {
        if let Some((_, key)) = shown::sent_before(tx, to.owner, to.session, &submission)? {
            return Ok(key);
        }
        let secret = clients::add_secret(tx, &act, &brand, to.owner, id, *overlap)?;
        Ok::<_, ClientError>(shown::put(tx, act.now, &*act.random, &submission, to, &secret)?)
    };
    match portal.store.write(write).await {
        Ok(key) => {
            let mut answer = see_other(&format!("/apps/{id}/secrets/shown"));
            shown_cookie::set(&portal, &mut answer, &key)?;
            Ok(answer)
        }
        Err(error @ (ClientError::TooManySecrets | ClientError::Mismatch(_))) => {
            portal.redirect_with_flash(&me, &format!("/apps/{id}"), FlashKind::Refused, error.to_string())
        }
        Err(error) => done(Err(error)),
    }
}

#[derive(Serialize)]
struct AppName<'c> {
    client_id: ClientId,
    name: &'c str,
}

#[derive(Serialize)]
struct ShownContext<'c> {
    shown: bool,
    app: AppName<'c>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'c str>,
    env: Option<String>,
    curl: Option<String>,
}

pub(super) async fn shown(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    let (now, key) = (portal.now(), shown_cookie::read(&portal, &request));
    let from = Destination { owner: me.owner, session: me.session_id, target: client.id.entity() };
    let found = portal.store.write(move |tx| shown::take(tx, now, from, key.as_ref())).await?;
    let plain = match &found {
        Shown::Once(plain) => Some(plain.expose()),
        Shown::AlreadyShown => None,
    };
    let context = ShownContext {
        shown: plain.is_some(),
        app: AppName { client_id: client.id, name: &client.name },
        secret: plain,
        env: plain.map(|plain| format!("CLIENT_ID={}\nCLIENT_SECRET={plain}\n", client.id)),
        curl: plain.and_then(|plain| curl(&portal, &client, plain)),
    };
    let mut page = portal.page(&me, "pages/apps/secret_shown.html", context)?;
    page.headers_mut().insert(CACHE_CONTROL, actix_web::http::header::HeaderValue::from_static("no-store"));
    shown_cookie::clear(&portal, &mut page)?;
    Ok(page)
}

fn curl(portal: &Portal, client: &Client, secret: &str) -> Option<String> {
    let at = format!("{}/oauth/token", portal.settings.public_url);
    let scope = client.scopes.iter().next()?;
    client.may_use(GrantType::ClientCredentials).then(|| {
        format!("curl -u '{}:{secret}' -d grant_type=client_credentials -d scope={scope} {at}", client.id)
    })
}

pub(super) async fn confirm_revoke(
    portal: web::Data<Portal>,
    me: Fresh,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let (id, secret) = path.into_inner();
    let client = own_client(&portal, me.owner, &id).await?;
    let secret: ClientSecretId = secret.parse().map_err(|_| PageError::NotFound)?;
    let (holder, now) = (client.id, portal.now());
    let read = portal.store.read(move |conn| client_secrets::list(conn, holder, now));
    let known = read.await.map_err(|error: StoreError| error)?;
    let known = known.into_iter().find(|known| known.id == secret).ok_or(PageError::NotFound)?;
    Confirm {
        title: format!("Revoke this secret of {}?", client.name),
        lead: "The app can no longer authenticate with it. Tokens that it has got stay.",
        dies: vec!["token requests that still use this secret".to_owned()],
        action: format!("/apps/{}/secrets/{secret}/revoke", client.id),
        cancel: format!("/apps/{}", client.id),
        button: "Revoke secret",
        blast: Some(BlastView::last_used(known.last_used_at)),
        ..Confirm::default()
    }
    .page(&portal, &me)
}

pub(super) async fn revoke(
    portal: web::Data<Portal>,
    me: Fresh,
    path: web::Path<(String, String)>,
    _form: CsrfForm<NoFields>,
) -> Result<HttpResponse, PageError> {
    let (id, secret) = path.into_inner();
    let client = own_client(&portal, me.owner, &id).await?;
    let secret: ClientSecretId = secret.parse().map_err(|_| PageError::NotFound)?;
    let (act, owner, id) = (me.act(&portal), me.owner, client.id);
    done(portal.store.write(move |tx| clients::revoke_secret(tx, &act, owner, id, secret)).await)?;
    portal.redirect_with_flash(&me, &format!("/apps/{id}"), FlashKind::Ok, "The secret is revoked.")
}
