//! `GET /tokens/{id}/shown`: the pair, once, decoded, and the first call with it.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_core::Timestamp;
use keyway_core::audience::Api;
use keyway_core::ids::{ClientId, FamilyId};
use keyway_core::jwt::AccessClaims;
use keyway_core::scope::Scope;
use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::tables::families::Family;
use serde::{Deserialize, Serialize};

use super::own_family;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::shown::{self, Destination, Shown};
use crate::headers::content_security_policy;
use crate::pages::shown_cookie;
use crate::state::Portal;

/// What was kept of the answer that the pair was given in.
#[derive(Deserialize)]
struct Pair<'a> {
    #[serde(borrow)]
    access_token: &'a str,
    #[serde(default, borrow)]
    refresh_token: Option<&'a str>,
}

#[derive(Serialize)]
struct PairView<'a> {
    access_token: &'a str,
    refresh_token: Option<&'a str>,
    header: String,
    claims: String,
    access_expires_at: Timestamp,
    refresh_expires_at: Option<Timestamp>,
    scopes: Vec<&'a str>,
    audience: &'a str,
    curl: Option<String>,
    refresh_curl: Option<String>,
    call_url: Option<String>,
}

#[derive(Serialize)]
struct Context<'a> {
    shown: bool,
    id: FamilyId,
    #[serde(flatten)]
    pair: Option<PairView<'a>>,
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let family = own_family(&portal, me.owner, &id).await?;
    let (now, key) = (portal.now(), shown_cookie::read(&portal, &request));
    let from = Destination { owner: me.owner, session: me.session_id, target: family.id.entity() };
    let taken: Result<_, StoreError> =
        portal.store.write(move |tx| shown::take(tx, now, from, key.as_ref())).await;
    let plain = match taken? {
        Shown::Once(plain) => Some(plain),
        Shown::AlreadyShown => None,
    };
    let api = portal.catalogue.find(family.audience.as_str());
    let pair = plain.as_ref().map(|plain| view(&portal, &family, api, plain)).transpose()?;
    let context = Context { shown: pair.is_some(), id: family.id, pair };
    let mut page = portal.page(&me, "pages/tokens/shown.html", context)?;
    let headers = page.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = api.and_then(|api| url::Url::parse(&api.base_url).ok()).map(|url| url.origin()) {
        let policy = content_security_policy(&[&origin.ascii_serialization()], None);
        let policy =
            HeaderValue::from_str(&policy).map_err(|error| PageError::Internal(error.to_string()))?;
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    if plain.is_some() {
        shown_cookie::clear(&portal, &mut page)?;
    }
    Ok(page)
}

fn view<'a>(
    portal: &Portal,
    family: &'a Family,
    api: Option<&Api>,
    plain: &'a PlainSecret,
) -> Result<PairView<'a>, PageError> {
    let unreadable = || PageError::Internal("a pair that was kept cannot be read".to_owned());
    let pair: Pair<'a> = serde_json::from_str(plain.expose()).map_err(|_| unreadable())?;
    let (header, claims) = decode(pair.access_token).ok_or_else(unreadable)?;
    let call_url = api.and_then(first_call);
    Ok(PairView {
        header,
        claims: serde_json::to_string_pretty(&claims).map_err(|_| unreadable())?,
        access_expires_at: Timestamp::from_seconds(claims.exp),
        refresh_expires_at: pair.refresh_token.map(|_| family.idle_expires_at.min(family.expires_at)),
        scopes: family.scopes.iter().map(Scope::as_str).collect(),
        audience: family.audience.as_str(),
        curl: call_url.as_ref().map(|url| {
            format!("curl -H 'Authorization: Bearer {}' {url}", pair.access_token)
        }),
        refresh_curl: pair.refresh_token.map(|token| {
            let (client, at) = (ClientId::CLI, &portal.settings.public_url);
            format!(
                "curl -d grant_type=refresh_token -d client_id={client} -d refresh_token={token} {at}/oauth/token"
            )
        }),
        call_url,
        access_token: pair.access_token,
        refresh_token: pair.refresh_token,
    })
}

/// Header and claims of a JWT of our own making.
fn decode(token: &str) -> Option<(String, AccessClaims)> {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let (header, claims) = (parts.next()??, parts.next()??);
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    Some((serde_json::to_string_pretty(&header).ok()?, serde_json::from_slice(&claims).ok()?))
}

/// A GET that any token for this API may make.
fn first_call(api: &Api) -> Option<String> {
    let path = api.first_call.as_deref()?;
    Some(format!("{}{path}", api.base_url.trim_end_matches('/')))
}
