//! The authorization endpoint (RFC 6749 §3.1) and the consent page. Errors about the client or its redirect URI are
//! shown here; all others go back to the client, with the issuer's name beside them (RFC 9207).

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::ids::ClientId;
use keyway_core::oauth::{Client, ErrorCode, Grant, OauthError};
use keyway_store::StoreError;
use keyway_store::tables::{clients, grants, owners};
use serde::{Deserialize, Serialize};

use super::asked::{AppView, ScopeView, scope_views};
use crate::boundary::{content_security_policy, form_action_of};
use crate::error::PageError;
use crate::extract::{CsrfForm, SignedIn, Visitor};
use crate::flows::authorize::{self, AuthorizationRequest, Next, User};
use crate::oauth::params::Params;
use crate::state::{Portal, see_other, with_query};

/// `/oauth/authorize` and `/oauth/consent`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource("/oauth/authorize").route(web::get().to(ask)).route(web::post().to(ask_by_post)),
    )
    .service(web::resource("/oauth/consent").route(web::post().to(decide)));
}

async fn ask(
    portal: web::Data<Portal>,
    visitor: Visitor,
    request: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let query = request.query_string();
    let (asked, request) = match read(&portal, query).await? {
        Read::Valid(asked, request) => (asked, request),
        Read::Answer(answer) => return Ok(answer),
    };
    let user = user(&visitor);
    let grant = match user {
        Some(user) => find_grant(&portal, &user, asked.client.id).await?,
        None => None,
    };
    match authorize::next(&request, user.as_ref(), grant.as_ref(), portal.now()) {
        Err(error) => Ok(asked.refuse(&portal, &error)),
        Ok(Next::SignIn) => Err(PageError::SignIn { return_to: again(query) }),
        // The new sign-in answers `prompt=login`: asking for it again would never end.
        Ok(Next::SignInAgain) => Err(PageError::Confirm { return_to: again(&without_login(query)) }),
        Ok(Next::Consent) => consent_page(&portal, &visitor, &asked, &request, grant.as_ref(), query).await,
        Ok(Next::Issue(user)) => issue(&portal, &visitor, &asked, request, user).await,
    }
}

/// OpenID Connect Core §3.1.2.1 wants POST too. Browsers send no cookies with a form from elsewhere, so it is asked
/// again with GET.
async fn ask_by_post(body: Params) -> HttpResponse {
    see_other(&again(&body.to_query()))
}

#[derive(Deserialize)]
struct Decision {
    request: String,
    decision: String,
}

async fn decide(
    portal: web::Data<Portal>,
    me: SignedIn,
    form: CsrfForm<Decision>,
) -> Result<HttpResponse, PageError> {
    let Decision { request: query, decision } = form.0;
    let (asked, request) = match read(&portal, &query).await? {
        Read::Valid(asked, request) => (asked, request),
        Read::Answer(answer) => return Ok(answer),
    };
    if decision != "allow" {
        return Ok(asked.refuse(&portal, &OauthError::new(ErrorCode::AccessDenied, "the user said no")));
    }
    let Some(user) = user(&me) else { return Err(PageError::SignIn { return_to: again(&query) }) };
    if !me.may_go_live(&portal) {
        return Err(PageError::Forbidden("Verify your e-mail address first: then you can authorise apps."));
    }
    issue(&portal, &me, &asked, request, user).await
}

/// A client whose redirect URI is its own: it may be answered.
struct Asked {
    client: Client,
    redirect_uri: String,
    state: Option<String>,
}

#[expect(clippy::large_enum_variant, reason = "one a request, taken apart at once")]
enum Read {
    Valid(Asked, AuthorizationRequest),
    Answer(HttpResponse),
}

async fn read(portal: &Portal, query: &str) -> Result<Read, PageError> {
    let (params, repeated) = Params::read(query.as_bytes())
        .map_err(|_| PageError::BadRequest("The app's request has characters that are not text."))?;
    if repeated.iter().any(|name| name == "client_id" || name == "redirect_uri") {
        return Err(PageError::BadRequest("The app's request names its client or redirect URI twice."));
    }
    let unknown = "The app that sent you here is not registered. Tell its developer.";
    let id: ClientId =
        params.get("client_id").and_then(|id| id.parse().ok()).ok_or(PageError::BadRequest(unknown))?;
    let client: Option<Client> =
        portal.store.read(move |conn| clients::find(conn, id)).await.map_err(PageError::from)?;
    let client = client.ok_or(PageError::BadRequest(unknown))?;
    if client.suspended_at.is_some() {
        return Err(PageError::Forbidden("This app is suspended."));
    }
    let redirect_uri = params
        .get("redirect_uri")
        .filter(|uri| client.redirect_uri(uri).is_some())
        .ok_or(PageError::BadRequest(
            "The address to go back to is not one that this app registered. Tell its developer.",
        ))?
        .to_owned();
    let asked = Asked { client, redirect_uri, state: params.get("state").map(str::to_owned) };
    let request = match repeated.first() {
        Some(name) => Err(Params::repeated(name)),
        None => authorize::read(&asked.client, &portal.catalogue, &params),
    };
    Ok(match request {
        Ok(request) => Read::Valid(asked, request),
        Err(error) => Read::Answer(asked.refuse(portal, &error)),
    })
}

impl Asked {
    fn refuse(&self, portal: &Portal, error: &OauthError) -> HttpResponse {
        self.answer(portal, &[("error", error.code.as_str()), ("error_description", &error.description)])
    }

    /// 303: whatever the browser sent here, it goes on with GET (RFC 9700 §4.12).
    fn answer(&self, portal: &Portal, with: &[(&str, &str)]) -> HttpResponse {
        let mut pairs = with.to_vec();
        pairs.extend(self.state.as_deref().map(|state| ("state", state)));
        pairs.push(("iss", &portal.settings.public_url));
        see_other(&with_query(&self.redirect_uri, &pairs))
    }
}

/// Who is at the browser, if somebody has signed in.
pub(super) fn user(visitor: &Visitor) -> Option<User> {
    let owner = visitor.person.as_ref()?.owner;
    Some(User { owner, session: visitor.session_id(), auth_time: visitor.view.confirmed_at? })
}

async fn find_grant(portal: &Portal, user: &User, client: ClientId) -> Result<Option<Grant>, PageError> {
    let owner = user.owner;
    let found: Result<_, StoreError> =
        portal.store.read(move |conn| grants::find_of(conn, owner, client)).await;
    Ok(found?)
}

async fn issue(
    portal: &Portal,
    visitor: &Visitor,
    asked: &Asked,
    request: AuthorizationRequest,
    user: User,
) -> Result<HttpResponse, PageError> {
    let act = visitor.act(portal);
    let (brand, client, uri) =
        (portal.shapes.brand.clone(), asked.client.clone(), asked.redirect_uri.clone());
    let code: Result<_, StoreError> = portal
        .store
        .write(move |tx| authorize::approve(tx, &act, &brand, &client, &uri, &request, &user))
        .await;
    Ok(asked.answer(portal, &[("code", code?.expose())]))
}

#[derive(Serialize)]
struct ConsentContext<'c> {
    app: AppView,
    api: Option<&'c str>,
    redirect_host: String,
    scopes: Vec<ScopeView>,
    offline: bool,
    request: &'c str,
    return_to: String,
}

async fn consent_page(
    portal: &Portal,
    visitor: &Visitor,
    asked: &Asked,
    request: &AuthorizationRequest,
    grant: Option<&Grant>,
    query: &str,
) -> Result<HttpResponse, PageError> {
    let owner = asked.client.owner;
    let owner: Result<_, StoreError> = portal.store.read(move |conn| owners::find(conn, owner)).await;
    let (api, scopes) = scope_views(portal, request.audience.as_str(), &request.scopes, grant);
    let shown = asked.client.redirect_uri(&asked.redirect_uri);
    let context = ConsentContext {
        app: AppView::of(&asked.client, owner?),
        api,
        redirect_host: shown.map(keyway_core::oauth::RedirectUri::shown_host).unwrap_or_default(),
        scopes,
        offline: request.offline,
        request: query,
        return_to: again(query),
    };
    let mut page = portal.page_with_status(StatusCode::OK, visitor, "pages/consent.html", context)?;
    // Chromium holds the redirect after a form against form-action.
    let policy = content_security_policy(&[], form_action_of(&again(query)).as_deref());
    if let Ok(value) = HeaderValue::from_str(&policy) {
        page.headers_mut().insert(CONTENT_SECURITY_POLICY, value);
    }
    Ok(page)
}

/// The same request as a path of ours.
fn again(query: &str) -> String {
    format!("/oauth/authorize?{query}")
}

fn without_login(query: &str) -> String {
    let mut kept = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name != "prompt" {
            kept.append_pair(&name, &value);
            continue;
        }
        let others: Vec<_> = value.split(' ').filter(|word| *word != "login").collect();
        if !others.is_empty() {
            kept.append_pair("prompt", &others.join(" "));
        }
    }
    kept.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_again_is_asked_for_once() {
        assert_eq!(without_login("a=1&prompt=login&b=2"), "a=1&b=2");
        assert_eq!(without_login("prompt=login+consent"), "prompt=consent");
    }
}
