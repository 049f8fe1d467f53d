//! Who asks, for what, and how the answer goes back.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use keyway_core::ids::ClientId;
use keyway_core::oauth::{Client, OPENID, OauthError};
use keyway_core::secret::SecretDigest;
use keyway_store::StoreError;
use keyway_store::tables::clients;
use keyway_store::tables::pushed_requests::{self, PushedRequest};
use serde::Serialize;

use crate::boundary::{content_security_policy, form_action_of};
use crate::error::PageError;
use crate::extract::Visitor;
use crate::flows::authorize::{self, AuthorizationRequest};
use crate::flows::params::Params;
use crate::flows::pushed;
use crate::flows::tokens::id_token;
use crate::headers::ENDS_AT;
use crate::state::{Portal, see_other, with_query};

/// A pushed request that is over.
pub(super) const OVER: PageError = PageError::BadRequest(
    "The app's request is too old, or was answered before. Go back to the app and start again.",
);

/// A client whose redirect URI is its own: it may be answered.
pub(super) struct Asked {
    pub(super) client: Client,
    pub(super) redirect_uri: String,
    /// As the client named it; to be named again at the token endpoint.
    pub(super) named_uri: Option<String>,
    /// The pushed request that this is.
    pub(super) pushed: Option<SecretDigest>,
    state: Option<String>,
    by_form: bool,
    /// The request as a query of ours: leads back here from wherever the user has to go first.
    pub(super) query: String,
}

pub(super) enum Read {
    Valid(Asked, AuthorizationRequest),
    Refused(Asked, OauthError),
}

/// Reads a request, wherever its parameters are.
///
/// # Errors
/// About the client or its redirect URI: nobody can be answered then.
pub(super) async fn read(portal: &Portal, query: &str) -> Result<Read, PageError> {
    let (params, repeated) = Params::read(query.as_bytes())
        .map_err(|_| PageError::BadRequest("The app's request has characters that are not text."))?;
    if repeated.iter().any(|name| name == "client_id" || name == "redirect_uri" || name == "request_uri") {
        return Err(PageError::BadRequest("The app's request names its client or redirect URI twice."));
    }
    let client = find_client(portal, &params).await?;
    let pushed = find_pushed(portal, &client, &params).await?;
    // RFC 9126 §4: of a pushed request, nothing but what was pushed counts.
    let (params, repeated) = match &pushed {
        None => (params, repeated),
        Some(pushed) => (Params::read(pushed.params.as_bytes()).map_err(|_| OVER)?.0, Vec::new()),
    };
    // OpenID Connect Core §3.1.2.1 wants it named, whatever is registered.
    let named = params.get("redirect_uri");
    let is_openid = params.get("scope").is_some_and(|scope| scope.split(' ').any(|word| word == OPENID));
    let redirect_uri = client
        .redirect_for(named)
        .filter(|_| named.is_some() || !is_openid)
        .ok_or(PageError::BadRequest(
            "The address to go back to is missing, or not one that this app registered. Tell its developer.",
        ))?
        .to_owned();
    let asked = Asked {
        by_form: params.get("response_mode") == Some("form_post") && redirect_uri.starts_with("http"),
        named_uri: named.map(str::to_owned),
        pushed: pushed.as_ref().map(|pushed| pushed.digest),
        state: params.get("state").map(str::to_owned),
        query: own_query(query, &params, &redirect_uri, pushed.is_some()),
        redirect_uri,
        client,
    };
    let request = match repeated.first() {
        Some(name) => Err(Params::repeated(name)),
        None => authorize::read(&asked.client, &portal.catalogue, &asked.redirect_uri, &params),
    };
    let mut request = match request {
        Ok(request) => request,
        Err(error) => return Ok(Read::Refused(asked, error)),
    };
    request.pushed_at = pushed.map(|pushed| pushed.created_at);
    if let Some(token) = params.get("id_token_hint").map(str::to_owned) {
        let issuance = portal.issuance.clone();
        let hint: Result<_, StoreError> =
            portal.store.read(move |conn| id_token::hint(conn, &issuance, &token)).await;
        match hint?.filter(|claims| claims.aud == asked.client.id) {
            Some(claims) => request.expected = Some(claims.sub),
            None => return Ok(Read::Refused(asked, authorize::strange_hint())),
        }
    }
    Ok(Read::Valid(asked, request))
}

async fn find_client(portal: &Portal, params: &Params) -> Result<Client, PageError> {
    let unknown = "The app that sent you here is not registered. Tell its developer.";
    let id: ClientId =
        params.get("client_id").and_then(|id| id.parse().ok()).ok_or(PageError::BadRequest(unknown))?;
    let client: Result<Option<Client>, StoreError> =
        portal.store.read(move |conn| clients::find(conn, id)).await;
    let client = client?.ok_or(PageError::BadRequest(unknown))?;
    if client.suspended_at.is_some() {
        Err(PageError::Forbidden("This app is suspended."))
    } else {
        Ok(client)
    }
}

/// The request that `client` pushed, if `params` name one; it is bound to who pushed it (RFC 9126 §2.2).
async fn find_pushed(
    portal: &Portal,
    client: &Client,
    params: &Params,
) -> Result<Option<PushedRequest>, PageError> {
    let Some(digest) = params.get("request_uri").and_then(pushed::digest_of) else { return Ok(None) };
    let now = portal.now();
    let found: Result<_, StoreError> =
        portal.store.read(move |conn| pushed_requests::find(conn, digest, now)).await;
    found?.filter(|pushed| pushed.client == client.id).map(Some).ok_or(OVER)
}

/// The request as it leads back here. What does not name its redirect URI is given it as `ends_at`, so that pages on the
/// way let their forms end there.
fn own_query(query: &str, params: &Params, redirect_uri: &str, is_pushed: bool) -> String {
    let mut own = url::form_urlencoded::Serializer::new(String::new());
    let kept = |name: &str| name != ENDS_AT && (!is_pushed || name == "client_id" || name == "request_uri");
    own.extend_pairs(url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| kept(name)));
    if is_pushed || params.get("redirect_uri").is_none() {
        own.append_pair(ENDS_AT, redirect_uri);
    }
    if let Some(hint) = params.get("login_hint").filter(|_| is_pushed) {
        own.append_pair("login_hint", hint);
    }
    own.finish()
}

#[derive(Serialize)]
struct Field<'f> {
    name: &'f str,
    value: &'f str,
}

#[derive(Serialize)]
struct FormPost<'f> {
    app: &'f str,
    action: &'f str,
    fields: Vec<Field<'f>>,
}

impl Asked {
    pub(super) fn refuse(
        &self,
        portal: &Portal,
        visitor: &Visitor,
        error: &OauthError,
    ) -> Result<HttpResponse, PageError> {
        let text: &str = &error.description;
        self.answer(portal, visitor, &[("error", error.code.as_str()), ("error_description", text)])
    }

    /// With `state` and `iss` (RFC 9207), by redirect or, if so asked, by a form that posts itself (OAuth 2.0 Form Post
    /// Response Mode).
    ///
    /// 303: whatever the browser sent here, it goes on with GET (RFC 9700 §4.12).
    pub(super) fn answer(
        &self,
        portal: &Portal,
        visitor: &Visitor,
        with: &[(&str, &str)],
    ) -> Result<HttpResponse, PageError> {
        let mut pairs = with.to_vec();
        pairs.extend(self.state.as_deref().map(|state| ("state", state)));
        pairs.push(("iss", &portal.settings.public_url));
        if !self.by_form {
            return Ok(see_other(&with_query(&self.redirect_uri, &pairs)));
        }
        let fields = pairs.iter().map(|(name, value)| Field { name, value }).collect();
        let page = FormPost { app: &self.client.name, action: &self.redirect_uri, fields };
        let mut page = portal.page(visitor, "pages/form_post.html", page)?;
        // To the app alone.
        let place = self.form_action();
        let policy =
            content_security_policy(&[], place.as_deref()).replace("form-action 'self' ", "form-action ");
        if let Ok(policy) = policy.parse() {
            page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
        Ok(page)
    }

    /// Where a form that is answered by this redirect may end up.
    pub(super) fn form_action(&self) -> Option<String> {
        form_action_of(&with_query("/oauth/authorize", &[("redirect_uri", &self.redirect_uri)]))
    }
}
