//! The authorization request (RFC 6749 §4.1.1, RFC 7636, RFC 8707): what is asked, whether it may be, and the code
//! that answers it.

use keyway_core::Timestamp;
use keyway_core::audience::{Audience, AudienceError, Catalogue};
use keyway_core::change::UnknownName;
use keyway_core::clock::Duration;
use keyway_core::credential::{self, Brand, Kind};
use keyway_core::ids::{GrantId, OwnerId, SessionId};
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::pkce::Challenge;
use keyway_core::oauth::{CODE_LIFETIME, Client, ErrorCode, Grant, GrantType, OFFLINE_ACCESS, OauthError};
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_store::tables::codes::{self, AuthorizationCode};
use keyway_store::tables::grants::{self, GrantUpdate};
use keyway_store::tables::owners;
use keyway_store::{StoreError, Tx};

use super::notices::{Notice, Notices};
use super::params::Params;
use super::{Act, Deed};

/// The longest `state` and `nonce`, in bytes.
const MAX_OPAQUE: usize = 2048;
/// How the client wants the user to be asked (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Not at all: answer at once or with an error.
    pub none: bool,
    /// To sign in again.
    pub login: bool,
    /// To consent again.
    pub consent: bool,
}

impl std::str::FromStr for Prompt {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        let mut prompt = Self::default();
        for word in s.split(' ').filter(|w| !w.is_empty()) {
            match word {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                _ => return Err(UnknownName),
            }
        }
        if prompt.none && (prompt.login || prompt.consent) { Err(UnknownName) } else { Ok(prompt) }
    }
}

/// A request that may be answered with a code.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    /// What is asked of the API and about the user; `offline_access` apart.
    pub scopes: ScopeSet,
    /// Whether the consent shall outlive the browser session.
    pub offline: bool,
    /// The API; the portal itself where nothing but the user is asked about.
    pub audience: Audience,
    /// PKCE.
    pub challenge: Challenge,
    /// To be repeated in an ID token.
    pub nonce: Option<String>,
    /// How the user shall be asked.
    pub prompt: Prompt,
    /// How long ago the user may have signed in.
    pub max_age: Option<Duration>,
    /// The key that the code shall be bound to (`dpop_jkt`, RFC 9449 §10).
    pub bound_to: Option<Thumbprint>,
    /// Whom the client expects (`id_token_hint`).
    pub expected: Option<OwnerId>,
    /// When it was pushed: who signed in after that did so for it.
    pub pushed_at: Option<Timestamp>,
}

/// What is said to a client whose `id_token_hint` is not an ID token that it got here.
pub fn strange_hint() -> OauthError {
    OauthError::new(ErrorCode::InvalidRequest, "id_token_hint is no ID token of this client")
}

/// Reads a request of `client`, whose redirect URI has been checked. Parameters that nobody knows are ignored
/// (RFC 6749 §3.1).
///
/// # Errors
/// What goes back to the client by redirect (RFC 6749 §4.1.2.1).
pub fn read(
    client: &Client,
    catalogue: &Catalogue,
    redirect_uri: &str,
    params: &Params,
) -> Result<AuthorizationRequest, OauthError> {
    let invalid = |text: &'static str| OauthError::new(ErrorCode::InvalidRequest, text);
    if params.require("response_type")? != "code" {
        return Err(OauthError::new(ErrorCode::UnsupportedResponseType, "only response_type=code is served"));
    }
    if !client.may_use(GrantType::AuthorizationCode) {
        return Err(OauthError::new(
            ErrorCode::UnauthorizedClient,
            "this client may not use the authorization_code grant",
        ));
    }
    unsupported(params)?;
    match params.get("response_mode") {
        None | Some("query") => {}
        Some("form_post") if redirect_uri.starts_with("http") => {}
        Some("form_post") => return Err(invalid("a form can be posted to http and https alone")),
        Some(_) => return Err(invalid("response_mode is query or form_post")),
    }
    if params.require("code_challenge_method")? != "S256" {
        return Err(invalid("code_challenge_method must be S256"));
    }
    let challenge = Challenge::parse(params.require("code_challenge")?)
        .map_err(|e| OauthError::new(ErrorCode::InvalidRequest, e.to_string()))?;
    let prompt = params.get("prompt").unwrap_or_default().parse();
    let prompt = prompt.map_err(|_| invalid("prompt is none, or of login and consent"))?;
    let max_age = match params.get("max_age") {
        None => None,
        Some(text) => {
            let seconds: u32 = text.parse().map_err(|_| invalid("max_age is a number of seconds"))?;
            Some(Duration::seconds(i64::from(seconds)))
        }
    };
    let bound_to = params.get("dpop_jkt").map(str::parse).transpose();
    let bound_to = bound_to.map_err(|_| invalid("dpop_jkt is a SHA-256 thumbprint in base64url"))?;
    let nonce = params.get("nonce").map(str::to_owned);
    if [nonce.as_deref(), params.get("state")].into_iter().flatten().any(|text| text.len() > MAX_OPAQUE) {
        return Err(invalid("state and nonce have at most 2048 characters"));
    }
    let (asked, offline) = asked_scopes(client, params)?;
    let named = params.get("scope").is_some();
    let (audience, scopes) = target(client, catalogue, params.resource()?, &asked, named)?;
    Ok(AuthorizationRequest {
        scopes,
        offline,
        audience,
        challenge,
        nonce,
        prompt,
        max_age,
        bound_to,
        expected: None,
        pushed_at: None,
    })
}

/// OpenID Connect Core §3.1.2.6: what a server that does not take these says.
fn unsupported(params: &Params) -> Result<(), OauthError> {
    for (name, code, text) in [
        ("request", ErrorCode::RequestNotSupported, "send plain parameters, or push them"),
        (
            "request_uri",
            ErrorCode::RequestUriNotSupported,
            "only a request_uri from our own pushed request endpoint",
        ),
        ("registration", ErrorCode::RegistrationNotSupported, "register the client beforehand"),
    ] {
        if params.get(name).is_some() {
            return Err(OauthError::new(code, text));
        }
    }
    Ok(())
}

/// What is asked of an API and about the user, and whether the consent shall outlive the browser session
/// (`offline_access`, OpenID Connect Core §11: heeded for clients that refresh tokens, of no effect for others).
pub(super) fn asked_scopes(client: &Client, params: &Params) -> Result<(ScopeSet, bool), OauthError> {
    let invalid = |text: String| OauthError::new(ErrorCode::InvalidScope, text);
    let asked: ScopeSet = match params.get("scope") {
        Some(text) => text.parse().map_err(|error| invalid(format!("{error}")))?,
        None => client.scopes.iter().filter(|scope| scope.as_str() != OFFLINE_ACCESS).cloned().collect(),
    };
    if let Some(extra) = asked.iter().find(|scope| !client.may_ask_user_for(scope.as_str())) {
        return Err(invalid(format!("this client may not ask for the scope {extra}")));
    }
    let offline = asked.contains(OFFLINE_ACCESS) && client.may_use(GrantType::RefreshToken);
    Ok((asked.iter().filter(|scope| scope.as_str() != OFFLINE_ACCESS).cloned().collect(), offline))
}

/// The audience of a request, and its scopes of those asked. Scopes that were not named but come from the client's
/// registration are cut down to the API named by `resource`.
///
/// # Errors
/// `invalid_scope` or `invalid_target` (RFC 8707 §2).
pub(super) fn target(
    client: &Client,
    catalogue: &Catalogue,
    resource: Option<&str>,
    asked: &ScopeSet,
    named: bool,
) -> Result<(Audience, ScopeSet), OauthError> {
    let mut scopes = asked.clone();
    if let (false, Some(api)) = (named, resource.and_then(|r| catalogue.find(r))) {
        scopes = scopes.intersection(&api.scope_set());
    }
    if scopes.is_empty() {
        let text = if client.scopes.is_empty() {
            "this client has no scopes"
        } else {
            "ask for at least one scope of an API"
        };
        return Err(OauthError::new(ErrorCode::InvalidScope, text));
    }
    match catalogue.target(resource, &scopes) {
        Ok(audience) => Ok((audience, scopes)),
        Err(error) => {
            let code = match error {
                AudienceError::UnknownScope(_) => ErrorCode::InvalidScope,
                AudienceError::UnknownAudience(_) | AudienceError::Ambiguous => ErrorCode::InvalidTarget,
            };
            Err(OauthError::new(code, error.to_string()))
        }
    }
}

/// Who is at the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The person.
    pub owner: OwnerId,
    /// Their browser session.
    pub session: SessionId,
    /// When they last signed in.
    pub auth_time: Timestamp,
    /// By what: values of RFC 8176, with single spaces between.
    pub amr: &'static str,
}

/// What has to happen before there is a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The user signs in.
    SignIn,
    /// Another than the signed-in user signs in.
    SignInAsOther,
    /// The signed-in user proves again who they are.
    SignInAgain,
    /// The user consents.
    Consent,
    /// Nothing: this user gets a code.
    Issue(User),
}

/// What has to happen next.
///
/// # Errors
/// `login_required` or `consent_required` where the client asked for no question.
pub fn next(
    request: &AuthorizationRequest,
    user: Option<&User>,
    grant: Option<&Grant>,
    now: Timestamp,
) -> Result<Next, OauthError> {
    let or = |next, code, text: &'static str| {
        if request.prompt.none { Err(OauthError::new(code, text)) } else { Ok(next) }
    };
    let Some(user) = user else {
        return or(Next::SignIn, ErrorCode::LoginRequired, "the user is not signed in");
    };
    if request.expected.is_some_and(|expected| expected != user.owner) {
        return or(Next::SignInAsOther, ErrorCode::LoginRequired, "another user is signed in");
    }
    let too_long_ago = request.max_age.is_some_and(|max| now.since(user.auth_time) > max);
    let has_signed_in_for_it = request.pushed_at.is_some_and(|at| user.auth_time >= at);
    if (request.prompt.login || too_long_ago) && !has_signed_in_for_it {
        return or(Next::SignInAgain, ErrorCode::LoginRequired, "the user has to sign in again");
    }
    let consented =
        grant.is_some_and(|g| g.missing(&request.scopes).is_empty() && (g.offline || !request.offline));
    if request.prompt.consent || !consented {
        return or(Next::Consent, ErrorCode::ConsentRequired, "the user has to consent first");
    }
    Ok(Next::Issue(*user))
}

/// Remembers the consent, tells the user of it, and makes the code.
///
/// # Errors
/// When the database cannot take it.
#[expect(clippy::too_many_arguments, reason = "each is one of the things that a code depends on")]
pub fn approve(
    tx: &mut Tx<'_>,
    act: &Act,
    brand: &Brand,
    client: &Client,
    redirect_uri: &str,
    request: &AuthorizationRequest,
    user: &User,
    notices: &Notices,
) -> Result<PlainSecret, StoreError> {
    // Two tabs that consent at once would both find no consent: the user's row is held.
    owners::lock(tx.conn(), user.owner)?;
    let consent = Consent { scopes: &request.scopes, offline: request.offline };
    let grant = remember(tx, act, client, &consent, user, notices)?;
    let code = credential::generate(brand, Kind::AuthorizationCode, &*act.random);
    codes::insert(
        tx.conn(),
        &AuthorizationCode {
            digest: code.digest(),
            client: client.id,
            owner: user.owner,
            grant,
            session: (!request.offline).then_some(user.session),
            redirect_uri: redirect_uri.to_owned(),
            scopes: request.scopes.clone(),
            audience: request.audience.clone(),
            challenge: request.challenge.clone(),
            nonce: request.nonce.clone(),
            auth_time: user.auth_time,
            sid: Some(user.session),
            amr: user.amr.to_owned(),
            bound_to: request.bound_to,
            created_at: act.now,
            expires_at: act.now + CODE_LIFETIME,
            failures: 0,
            consumed_at: None,
            family: None,
        },
    )?;
    Ok(code)
}

/// What a user says yes to.
pub(super) struct Consent<'c> {
    pub(super) scopes: &'c ScopeSet,
    pub(super) offline: bool,
}

/// Remembers a consent. The user's row has to be held: two at once would both find none.
pub(super) fn remember(
    tx: &mut Tx<'_>,
    act: &Act,
    client: &Client,
    consent: &Consent<'_>,
    user: &User,
    notices: &Notices,
) -> Result<GrantId, StoreError> {
    let before = grants::find_of(tx.conn(), user.owner, client.id)?;
    let Some(before) = before else {
        let grant = Grant {
            id: GrantId::new(act.now, &*act.random),
            owner: user.owner,
            client: client.id,
            scopes: consent.scopes.clone(),
            offline: consent.offline,
            session: Some(user.session),
            created_at: act.now,
            updated_at: act.now,
            last_used_at: None,
        };
        grants::insert(tx.conn(), &grant)?;
        let after =
            serde_json::json!({ "app": client.name, "scopes": grant.scopes, "offline": grant.offline });
        act.audit(tx, Deed::new(Some(user.owner), "app.authorised", "grant", grant.id).after(after))?;
        notices.tell(tx, act, user.owner, &authorisation(client, grant.scopes))?;
        return Ok(grant.id);
    };
    let scopes = before.scopes.union(consent.scopes);
    let offline = before.offline || consent.offline;
    // A consent that ends with the session ends with the newest one that it was given in.
    let update = GrantUpdate { scopes: &scopes, offline, session: Some(user.session) };
    grants::update(tx.conn(), before.id, &update, act.now)?;
    if scopes != before.scopes || offline != before.offline {
        let after = serde_json::json!({ "app": client.name, "scopes": scopes, "offline": offline });
        let deed = Deed::new(Some(user.owner), "app.authorised", "grant", before.id);
        act.audit(tx, deed.before(serde_json::json!({ "scopes": before.scopes })).after(after))?;
        notices.tell(tx, act, user.owner, &authorisation(client, scopes))?;
    }
    Ok(before.id)
}

fn authorisation(client: &Client, scopes: ScopeSet) -> Notice {
    let path = "/authorized".to_owned();
    Notice::NewCredential {
        kind: "app authorisation",
        credential: client.name.clone(),
        scopes,
        path,
        by_program: false,
    }
}

#[cfg(test)]
mod tests;
