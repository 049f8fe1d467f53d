//! Client metadata (RFC 7591 §2, OpenID Connect Registration §2): what is asked for, what it becomes, and how it is
//! told.

use keyway_core::audience::Grantable;
use keyway_core::ids::ClientId;
use keyway_core::oauth::{
    ASSERTION_ALGORITHMS, AuthMethod, Client, ClientKeys, ClientKind, ErrorCode, GrantType, OauthError,
    RedirectUri, is_about_user,
};
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_store::tables::client_secrets::ClientSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Registered;
use crate::flows::clients::{ClientError, Profile};
use crate::flows::tokens::Issuance;

/// What a client says of itself. What is not known here is ignored (RFC 7591 §2), and so not told back.
#[derive(Debug, Default, Deserialize)]
pub struct Requested {
    redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    token_endpoint_auth_signing_alg: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_name: Option<String>,
    client_uri: Option<String>,
    scope: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    id_token_signed_response_alg: Option<String>,
    subject_type: Option<String>,
    application_type: Option<String>,
    post_logout_redirect_uris: Option<Vec<String>>,
    backchannel_logout_uri: Option<String>,
    dpop_bound_access_tokens: Option<bool>,
    software_statement: Option<Value>,
}

/// What a client sends to change its registration (RFC 7592 §2.2): all of it, and which it is.
#[derive(Debug, Deserialize)]
pub struct Update {
    client_id: String,
    client_secret: Option<String>,
    client_id_issued_at: Option<Value>,
    client_secret_expires_at: Option<Value>,
    registration_access_token: Option<Value>,
    registration_client_uri: Option<Value>,
    /// The metadata.
    #[serde(flatten)]
    pub(super) requested: Requested,
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> OauthError {
    OauthError::new(ErrorCode::InvalidClientMetadata, text)
}

impl Update {
    /// Whether it is about this client and overwrites nothing that is the portal's to choose.
    pub(super) fn check(&self, id: ClientId, secrets: &[ClientSecret]) -> Result<(), OauthError> {
        if self.client_id != id.to_string() {
            return Err(invalid("client_id is not that of this registration"));
        }
        let ours = [
            &self.client_id_issued_at,
            &self.client_secret_expires_at,
            &self.registration_access_token,
            &self.registration_client_uri,
        ];
        if ours.into_iter().any(Option::is_some) {
            return Err(invalid("leave out what the portal chooses: registration_access_token and its like"));
        }
        let digest = self.client_secret.as_deref().map(|secret| PlainSecret::new(secret).digest());
        if digest.is_some_and(|digest| !secrets.iter().any(|secret| secret.digest == digest)) {
            return Err(invalid("client_secret is not the one that was issued"));
        }
        Ok(())
    }
}

impl Requested {
    /// What is registered of it, with the defaults of RFC 7591 §2.
    pub(super) fn understand(&self, issuance: &Issuance) -> Result<(ClientKind, Profile), OauthError> {
        self.refuse_what_is_not_served()?;
        let redirect_uris = uris(self.redirect_uris.as_deref().unwrap_or_default())
            .map_err(|text| OauthError::new(ErrorCode::InvalidRedirectUri, text))?;
        if redirect_uris.is_empty() {
            let text = ClientError::RedirectUris.to_string();
            return Err(OauthError::new(ErrorCode::InvalidRedirectUri, text));
        }
        self.check_application_type(&redirect_uris)?;
        let auth_method = match self.token_endpoint_auth_method.as_deref() {
            None => AuthMethod::ClientSecretBasic,
            Some(name) => name.parse().map_err(|_| {
                invalid("token_endpoint_auth_method: see token_endpoint_auth_methods_supported")
            })?,
        };
        let kind =
            if auth_method == AuthMethod::None { ClientKind::Public } else { ClientKind::Confidential };
        let jwks = self.jwks.as_ref().map(ClientKeys::from_json).transpose();
        let name = match &self.client_name {
            Some(name) => name.clone(),
            // Whoever is asked to consent should see something that means something.
            None => redirect_uris.first().map(RedirectUri::shown_host).unwrap_or_default(),
        };
        let post_logout = uris(self.post_logout_redirect_uris.as_deref().unwrap_or_default());
        let profile = Profile {
            name,
            website: self.client_uri.clone(),
            auth_method,
            jwks: jwks.map_err(|error| invalid(format!("jwks: {error}")))?,
            grant_types: self.grants()?,
            scopes: self.scopes(issuance)?,
            redirect_uris,
            post_logout_redirect_uris: post_logout
                .map_err(|text| invalid(format!("post_logout_redirect_uris: {text}")))?,
            backchannel_logout_uri: self.backchannel_logout_uri.clone(),
            id_token_algorithm: match self.id_token_signed_response_alg.as_deref() {
                None => Profile::default().id_token_algorithm,
                Some(name) => name
                    .parse()
                    .map_err(|_| invalid("id_token_signed_response_alg is RS256, ES256 or EdDSA"))?,
            },
            dpop_bound: self.dpop_bound_access_tokens.unwrap_or_default(),
            ..Profile::default()
        };
        Ok((kind, profile))
    }

    fn refuse_what_is_not_served(&self) -> Result<(), OauthError> {
        if self.software_statement.is_some() {
            let text = "no issuer of software statements is trusted here";
            return Err(OauthError::new(ErrorCode::InvalidSoftwareStatement, text));
        }
        if self.jwks_uri.is_some() {
            return Err(invalid("jwks_uri is not fetched: register the keys themselves as jwks"));
        }
        if self.subject_type.as_deref().is_some_and(|kind| kind != "public") {
            return Err(invalid("subject_type can be public"));
        }
        let alg = self.token_endpoint_auth_signing_alg.as_deref();
        if alg.is_some_and(|alg| !ASSERTION_ALGORITHMS.contains(&alg)) {
            return Err(invalid("token_endpoint_auth_signing_alg is RS256, PS256, ES256 or EdDSA"));
        }
        match self.response_types.as_deref() {
            None => Ok(()),
            Some([one]) if one == "code" => Ok(()),
            Some(_) => Err(invalid("response_types can be code")),
        }
    }

    /// RFC 7591 §2: without any, the code grant.
    fn grants(&self) -> Result<Vec<GrantType>, OauthError> {
        let Some(names) = &self.grant_types else { return Ok(vec![GrantType::AuthorizationCode]) };
        let allowed = [GrantType::AuthorizationCode, GrantType::RefreshToken];
        let grant = |name: &String| allowed.into_iter().find(|grant| grant.as_str() == name);
        let grants: Option<Vec<GrantType>> = names.iter().map(grant).collect();
        grants
            .filter(|grants| grants.contains(&GrantType::AuthorizationCode))
            .ok_or_else(|| invalid("grant_types can be authorization_code, with or without refresh_token"))
    }

    /// What anybody may grant of what was asked, or all of that: never a scope of the management API. What is about
    /// the user may always be asked for. RFC 7591 §3.2.1 lets a server register less than was asked, and the answer
    /// says what.
    fn scopes(&self, issuance: &Issuance) -> Result<ScopeSet, OauthError> {
        let management = format!("{}/api/v1", issuance.issuer);
        let apis = issuance.catalogue.apis().iter().filter(|api| api.audience.as_str() != management);
        let open = apis.flat_map(|api| &api.scopes).filter(|scope| scope.grant == Grantable::Everyone);
        let open: ScopeSet = open.filter_map(|scope| scope.name.parse().ok()).collect();
        let scopes = match self.scope.as_deref().filter(|text| !text.is_empty()) {
            None => open,
            Some(text) => {
                let asked: ScopeSet = text.parse().map_err(|error| invalid(format!("scope: {error}")))?;
                let fine = |name: &str| open.contains(name) || is_about_user(name);
                asked.iter().filter(|scope| fine(scope.as_str())).cloned().collect()
            }
        };
        if scopes.is_empty() { Err(invalid("none of these scopes can be had")) } else { Ok(scopes) }
    }

    /// OpenID Connect Registration §2: private schemes and loopback addresses are for native apps. Whoever says
    /// nothing may have them all the same (RFC 8252 §8.4).
    fn check_application_type(&self, uris: &[RedirectUri]) -> Result<(), OauthError> {
        match self.application_type.as_deref() {
            None | Some("native") => Ok(()),
            Some("web")
                if uris.iter().any(|uri| !uri.is_loopback() && !uri.as_str().starts_with("https:")) =>
            {
                let text = "a web application is sent back to https";
                Err(OauthError::new(ErrorCode::InvalidRedirectUri, text))
            }
            Some("web") => Ok(()),
            Some(_) => Err(invalid("application_type is web or native")),
        }
    }
}

fn uris(list: &[String]) -> Result<Vec<RedirectUri>, String> {
    let one = |text: &String| {
        let shown: String = text.chars().take(80).collect();
        text.parse::<RedirectUri>().map_err(|error| format!("{shown}: {error}"))
    };
    list.iter().map(one).collect()
}

/// What is answered (RFC 7591 §3.2.1, RFC 7592 §3): everything that is registered.
#[derive(Serialize)]
pub struct Information<'r> {
    client_id: String,
    client_id_issued_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'r str>,
    /// 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    registration_access_token: &'r str,
    registration_client_uri: String,
    client_name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<&'r str>,
    redirect_uris: &'r [RedirectUri],
    application_type: &'static str,
    grant_types: &'r [GrantType],
    response_types: [&'static str; 1],
    token_endpoint_auth_method: AuthMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<&'r ClientKeys>,
    scope: &'r ScopeSet,
    subject_type: &'static str,
    id_token_signed_response_alg: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    post_logout_redirect_uris: &'r [RedirectUri],
    #[serde(skip_serializing_if = "Option::is_none")]
    backchannel_logout_uri: Option<&'r str>,
    dpop_bound_access_tokens: bool,
}

impl<'r> Information<'r> {
    /// Of a registration at `issuer`.
    pub fn of(registered: &'r Registered, issuer: &str) -> Self {
        let Registered { client, secret, token } = registered;
        Self {
            client_id: client.id.to_string(),
            client_id_issued_at: client.created_at.as_seconds(),
            client_secret: secret.as_ref().map(PlainSecret::expose),
            client_secret_expires_at: secret.as_ref().map(|_| 0),
            registration_access_token: token.expose(),
            registration_client_uri: format!("{issuer}/oauth/register/{}", client.id),
            client_name: &client.name,
            client_uri: client.website.as_deref(),
            redirect_uris: &client.redirect_uris,
            application_type: application_type(client),
            grant_types: &client.grant_types,
            response_types: ["code"],
            token_endpoint_auth_method: client.auth_method,
            jwks: client.jwks.as_ref(),
            scope: &client.scopes,
            subject_type: "public",
            id_token_signed_response_alg: client.id_token_algorithm.as_str(),
            post_logout_redirect_uris: &client.post_logout_redirect_uris,
            backchannel_logout_uri: client.backchannel_logout_uri.as_deref(),
            dpop_bound_access_tokens: client.dpop_bound,
        }
    }
}

/// As the redirect URIs tell.
fn application_type(client: &Client) -> &'static str {
    let is_web = |uri: &RedirectUri| uri.as_str().starts_with("https:");
    if client.redirect_uris.iter().all(is_web) { "web" } else { "native" }
}
