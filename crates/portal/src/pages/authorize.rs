//! The authorization endpoint (RFC 6749 §3.1) and the consent page. Errors about the client or its redirect URI are
//! shown here; all others go back to the client, with the issuer's name beside them (RFC 9207).

mod asked;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::ids::ClientId;
use keyway_core::oauth::{ErrorCode, Grant, OauthError};
use keyway_store::StoreError;
use keyway_store::tables::{grants, owners, pushed_requests};
use serde::{Deserialize, Serialize};

use self::asked::{Asked, OVER, Read, read};
use super::asked::{AppView, ScopeView, scope_views};
use super::sign_in::end_session;
use crate::boundary::content_security_policy;
use crate::error::{PageError, with_return};
use crate::extract::{CsrfForm, SignedIn, Visitor};
use crate::flows::authorize::{self, AuthorizationRequest, Next, User};
use crate::flows::clients::builtin_owner;
use crate::flows::params::Params;
use crate::oauth::error::EndpointError;
use crate::state::{Portal, see_other};

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
    let user = user(&visitor);
    let person = user.map(|user| user.owner.entity());
    if let Err(EndpointError::TooMany { retry_after }) =
        portal.limits.authorize(person, visitor.origin.address)
    {
        return Err(PageError::TooMany { retry_after });
    }
    let (asked, request) = match read(&portal, request.query_string()).await? {
        Read::Valid(asked, request) => (asked, request),
        Read::Refused(asked, error) => return asked.refuse(&portal, &visitor, &error),
    };
    let grant = match user {
        Some(user) => find_grant(&portal, &user, asked.client.id).await?,
        None => None,
    };
    match authorize::next(&request, user.as_ref(), grant.as_ref(), portal.now()) {
        Err(error) => asked.refuse(&portal, &visitor, &error),
        // The new sign-in answers `prompt=login` and `max_age=0`: asking for it again would never end.
        Ok(Next::SignIn) => Err(PageError::SignIn { return_to: again(&without_login(&asked.query)) }),
        Ok(Next::SignInAsOther) => {
            let to = with_return("/sign-in", &again(&without_login(&asked.query)));
            Ok(see_other(&format!("{to}&as_other=true")))
        }
        Ok(Next::SignInAgain) => Err(PageError::Confirm { return_to: again(&without_login(&asked.query)) }),
        Ok(Next::Consent) => match user.filter(|_| needs_no_consent(&portal, &asked, &request)) {
            Some(user) => issue(&portal, &visitor, &asked, request, user).await,
            None => consent_page(&portal, &visitor, &asked, &request, grant.as_ref(), None).await,
        },
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
        Read::Refused(asked, error) => return asked.refuse(&portal, &me, &error),
    };
    if decision != "allow" {
        if let Some(digest) = asked.pushed {
            let now = portal.now();
            let done: Result<bool, StoreError> =
                portal.store.write(move |tx| pushed_requests::consume(tx.conn(), digest, now)).await;
            done?;
        }
        return asked.refuse(&portal, &me, &OauthError::new(ErrorCode::AccessDenied, "the user said no"));
    }
    let Some(user) = user(&me) else { return Err(PageError::SignIn { return_to: again(&query) }) };
    if !me.may_go_live(&portal) {
        return Err(PageError::Forbidden("Verify your e-mail address first: then you can authorise apps."));
    }
    issue(&portal, &me, &asked, request, user).await
}

/// Who is at the browser, if somebody has signed in.
pub(super) fn user(visitor: &Visitor) -> Option<User> {
    let (owner, view) = (visitor.person.as_ref()?.owner, &visitor.view);
    Some(User { owner, session: view.id, auth_time: view.signed_in_at?, amr: view.signed_in_by.amr() })
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
    let (act, brand, client) = (visitor.act(portal), portal.shapes.brand.clone(), asked.client.clone());
    let notices = portal.notices();
    let (uri, pushed, offline) = (asked.named_uri.clone().unwrap_or_default(), asked.pushed, request.offline);
    let code: Result<_, StoreError> = portal
        .store
        .write(move |tx| {
            if let Some(digest) = pushed
                && !pushed_requests::consume(tx.conn(), digest, act.now)?
            {
                return Ok(None);
            }
            authorize::approve(tx, &act, &brand, &client, &uri, &request, &user, &notices).map(Some)
        })
        .await;
    portal.mail_bell.ring();
    let code = code?.ok_or(OVER)?;
    let answer = asked.answer(portal, visitor, &[("code", code.expose())])?;
    // The demo provider lets the account be chosen each time. A code that hangs on the session keeps it.
    if portal.settings.demo && offline {
        end_session(portal, visitor, user.owner).await?;
    }
    Ok(answer)
}

/// The demo provider's own apps are part of it, and its people are nobody.
fn needs_no_consent(portal: &Portal, asked: &Asked, request: &AuthorizationRequest) -> bool {
    portal.settings.demo && asked.client.owner == builtin_owner() && !request.prompt.consent
}

/// The consent page as a user meets it who authorises the app for the first time; nothing comes of it. `back` is the
/// app's page.
///
/// # Errors
/// What an app's developer would be told of the request.
pub(super) async fn dry_run(
    portal: &Portal,
    me: &SignedIn,
    query: &str,
    back: String,
) -> Result<HttpResponse, PageError> {
    match read(portal, query).await? {
        Read::Valid(asked, request) => consent_page(portal, me, &asked, &request, None, Some(back)).await,
        Read::Refused(..) => Err(PageError::BadRequest(
            "The app would be told that this request cannot be answered: its scopes belong to no single API, or are not \
             its own.",
        )),
    }
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
    /// The app's page, where its owner looks at what users will see.
    dry_run: Option<String>,
}

async fn consent_page(
    portal: &Portal,
    visitor: &Visitor,
    asked: &Asked,
    request: &AuthorizationRequest,
    grant: Option<&Grant>,
    dry_run: Option<String>,
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
        request: &asked.query,
        return_to: again(&asked.query),
        dry_run,
    };
    let mut page = portal.page_with_status(StatusCode::OK, visitor, "pages/consent.html", context)?;
    // Chromium holds the redirect after a form against form-action.
    let policy = content_security_policy(&[], asked.form_action().as_deref());
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
        if name == "max_age" && value.parse() == Ok(0_u32) {
            continue;
        }
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
mod tests;
