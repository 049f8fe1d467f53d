//! An authorization request put together on the app's page (RFC 6749 §4.1.1, RFC 7636), and its dry run: the consent page
//! that users will see.

use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use keyway_core::oauth::{Client, GrantType};
use serde::Serialize;

use super::own_client;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::pages::authorize;
use crate::state::{Portal, with_query};

/// Stands where the app puts its own.
const CHALLENGE: &str = "CODE_CHALLENGE";
/// One that is well-formed (RFC 7636 appendix B): a dry run ends before anybody would redeem a code.
const SOME_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// How an app makes its own in a terminal.
const PKCE: &str = "verifier=$(openssl rand -hex 32)\nprintf %s \"$verifier\" | openssl dgst -sha256 -binary | openssl \
                    base64 | tr '+/' '-_' | tr -d '='";
/// The longest `state` that is put in, in bytes.
const MAX_STATE: usize = 512;

/// What the form says; what is not there is as the app registered it.
#[derive(Default)]
pub(super) struct Wish {
    redirect_uri: String,
    scopes: Vec<String>,
    state: String,
}

impl Wish {
    pub(super) fn read(query: &str) -> Self {
        let mut wish = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "redirect_uri" => wish.redirect_uri = value.into_owned(),
                "scope" => wish.scopes.extend(value.split_ascii_whitespace().map(str::to_owned)),
                "state" if value.len() <= MAX_STATE => wish.state = value.into_owned(),
                _ => {}
            }
        }
        wish
    }
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
}

#[derive(Serialize)]
struct ScopeChoice {
    name: String,
    checked: bool,
}

/// The form, and what it makes.
#[derive(Serialize)]
pub(super) struct Builder {
    redirect_uris: Vec<Choice>,
    redirect_uri: String,
    scopes: Vec<ScopeChoice>,
    state: String,
    url: String,
    dry_run: String,
    pkce: &'static str,
}

impl Builder {
    /// None for an app that asks nobody.
    pub(super) fn of(portal: &Portal, client: &Client, wish: &Wish) -> Option<Self> {
        let first = client.redirect_uris.first().filter(|_| client.may_use(GrantType::AuthorizationCode))?;
        let uri = client.redirect_uris.iter().find(|uri| uri.as_str() == wish.redirect_uri).unwrap_or(first);
        let wanted = |name: &str| wish.scopes.is_empty() || wish.scopes.iter().any(|scope| scope == name);
        let scopes: Vec<ScopeChoice> = client
            .scopes
            .iter()
            .map(|scope| ScopeChoice { name: scope.to_string(), checked: wanted(scope.as_str()) })
            .collect();
        let asked: Vec<&str> =
            scopes.iter().filter(|scope| scope.checked).map(|scope| scope.name.as_str()).collect();
        let asked = asked.join(" ");
        let state = if wish.state.is_empty() { "STATE" } else { &wish.state };
        let authorize = format!("{}/oauth/authorize", portal.settings.public_url);
        let chosen = [("redirect_uri", uri.as_str()), ("scope", &asked)];
        Some(Self {
            url: with_query(&authorize, &request(&client.id.to_string(), chosen, state, CHALLENGE)),
            dry_run: with_query(&format!("/apps/{}/dry-run", client.id), &chosen),
            redirect_uri: uri.to_string(),
            redirect_uris: client
                .redirect_uris
                .iter()
                .map(|uri| Choice { value: uri.to_string(), label: uri.to_string() })
                .collect(),
            scopes,
            state: wish.state.clone(),
            pkce: PKCE,
        })
    }
}

fn request<'r>(
    client_id: &'r str,
    [redirect_uri, scope]: [(&'r str, &'r str); 2],
    state: &'r str,
    challenge: &'r str,
) -> [(&'r str, &'r str); 7] {
    [
        ("response_type", "code"),
        ("client_id", client_id),
        redirect_uri,
        scope,
        ("state", state),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ]
}

/// The page that users will see, with buttons that do nothing.
pub(super) async fn dry_run(
    portal: web::Data<Portal>,
    me: SignedIn,
    id: web::Path<String>,
    asked: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let client = own_client(&portal, me.owner, &id).await?;
    let wish = Wish::read(asked.query_string());
    let scopes = wish.scopes.join(" ");
    let chosen = [("redirect_uri", wish.redirect_uri.as_str()), ("scope", scopes.as_str())];
    let client_id = client.id.to_string();
    let query = with_query("", &request(&client_id, chosen, "dry-run", SOME_CHALLENGE));
    let query = query.trim_start_matches('?');
    authorize::dry_run(&portal, &me, query, format!("/apps/{}", client.id)).await
}
