//! `GET /keys/{id}/shown`: the secret, once, and the first call with it.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::web::{self, Path};
use keyway_core::Timestamp;
use keyway_core::api_key::ApiKey;
use keyway_core::audience::Api;
use keyway_store::StoreError;
use keyway_store::tables::api_keys;
use serde::Serialize;

use super::{KeyRow, id, own_key};
use crate::boundary::content_security_policy;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::flows::shown::{self, Destination, Shown};
use crate::pages::shown_cookie;
use crate::state::Portal;

#[derive(Serialize)]
struct Context {
    shown: bool,
    key: KeyRow,
    rotated_until: Option<Timestamp>,
    secret: Option<String>,
    env: Option<String>,
    curl: Option<String>,
    call_url: Option<String>,
}

pub(super) async fn show(
    portal: web::Data<Portal>,
    me: SignedIn,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let key = own_key(&portal, &me, id(&path)?).await?;
    let (now, cookie) = (portal.now(), shown_cookie::read(&portal, &request));
    let from = Destination { owner: me.owner, session: me.session_id, target: key.id.entity() };
    let taken = portal.store.write(move |tx| shown::take(tx, now, from, cookie.as_ref()));
    let taken = taken.await.map_err(|error: StoreError| error)?;
    let rotated_until = match key.replaces {
        Some(old) => {
            let old = portal.store.read(move |conn| api_keys::find(conn, old)).await?;
            old.filter(|old| old.status(now).works()).and_then(|old| old.ends_at())
        }
        None => None,
    };
    let api = key.terms.audiences.first().and_then(|audience| portal.catalogue.find(audience.as_str()));
    let mut context = Context {
        shown: false,
        key: KeyRow::of(&key, now),
        rotated_until,
        secret: None,
        env: None,
        curl: None,
        call_url: None,
    };
    let once = matches!(taken, Shown::Once(_));
    if let Shown::Once(secret) = taken {
        let (url, secret) = (api.map_or(String::new(), call_url), secret.expose());
        let base = api.map_or("", |api| api.base_url.as_str());
        context.shown = true;
        context.env = Some(format!("KEYWAY_API_KEY={secret}\nKEYWAY_API_URL={base}"));
        context.curl = Some(format!("curl -H 'Authorization: Bearer {secret}' {url}"));
        context.secret = Some(secret.to_owned());
        context.call_url = Some(url);
    }
    let mut answer = portal.page(&me, "pages/keys/shown.html", context)?;
    if once {
        shown_cookie::clear(&portal, &mut answer)?;
    }
    let policy = content_security_policy(&api_origins(&portal, &key).each(), None);
    let policy = HeaderValue::from_str(&policy).map_err(|error| PageError::Internal(error.to_string()))?;
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// A GET that the key may make: the API's own word for it, or where the API begins.
fn call_url(api: &Api) -> String {
    let base = api.base_url.trim_end_matches('/');
    format!("{base}{}", api.first_call.as_deref().unwrap_or_default())
}

struct Origins(Vec<String>);

impl Origins {
    fn each(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

/// Where the page's script may call: the APIs that the key is for.
fn api_origins(portal: &Portal, key: &ApiKey) -> Origins {
    let apis = key.terms.audiences.iter().filter_map(|audience| portal.catalogue.find(audience.as_str()));
    let urls = apis.filter_map(|api| url::Url::parse(&api.base_url).ok());
    let mut origins: Vec<String> = urls.map(|url| url.origin().ascii_serialization()).collect();
    origins.sort_unstable();
    origins.dedup();
    Origins(origins)
}
