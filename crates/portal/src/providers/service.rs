//! Where a provider is and what it is held to: from its discovery document (OpenID Connect Discovery §4), or known.

use std::sync::Arc;

use keyway_core::Clock;
use keyway_core::jwt::{Algorithm, PublicKey};
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, AuthType, ProviderMetadata};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::Provider;
use super::definition::{Definition, Endpoints, Kind};
use super::error::{IdTokenFault, ProviderError};
use super::http;
use crate::outgoing::Outgoing;

/// What an ID token may be signed with, as far as the provider names it (RFC 8725 §3.1): no shared secrets, never
/// `none`.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 4] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// The most keys that are looked through.
const MAX_KEYS: usize = 50;
/// Microsoft's tenant of personal accounts.
const PERSONAL_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// What stands for the tenant in Microsoft's common documents.
const ANY_TENANT: &str = "{tenantid}";

/// Where a provider is and what it is held to.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) issuer: Issuer,
    pub(super) authorization: String,
    pub(super) token: String,
    pub(super) userinfo: Option<String>,
    pub(super) revocation: Option<String>,
    /// How the portal proves who it is.
    pub(super) auth: AuthType,
    /// Whether a callback without `iss` is refused (RFC 9207 §2.4).
    pub(super) says_iss: bool,
    pub(super) algorithms: Vec<CoreJwsSigningAlgorithm>,
    /// Where its keys are, if it speaks OpenID Connect.
    pub(super) keys: Option<String>,
}

/// Who may vouch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    /// This one.
    One(String),
    /// One of Microsoft's tenants, named by `tid`.
    Tenants {
        /// With [`ANY_TENANT`] in it.
        template: String,
        /// In lower case.
        ids: Vec<String>,
    },
}

impl Issuer {
    /// The only one that may have signed `claims`.
    pub(super) fn of_claims(&self, claims: &Value) -> Result<String, IdTokenFault> {
        match self {
            Self::One(issuer) => Ok(issuer.clone()),
            Self::Tenants { template, ids } => {
                let tenant = claims.get("tid").and_then(Value::as_str).map(str::to_ascii_lowercase);
                let tenant = tenant.filter(|tenant| ids.contains(tenant)).ok_or(IdTokenFault::Tenant)?;
                Ok(template.replace(ANY_TENANT, &tenant))
            }
        }
    }

    /// Whether one of them has vouched as `issuer`.
    pub(super) fn has_been(&self, issuer: &str) -> bool {
        match self {
            Self::One(one) => issuer == one,
            Self::Tenants { template, ids } => {
                ids.iter().any(|id| issuer == template.replace(ANY_TENANT, id))
            }
        }
    }

    /// Whether the `iss` of a callback is theirs. GitHub names its authorization server below its origin.
    pub(super) fn answers_as(&self, kind: Kind, iss: &str) -> bool {
        match self {
            Self::One(issuer) if kind == Kind::Github => {
                iss == issuer || iss.strip_prefix(issuer.as_str()) == Some("/login/oauth")
            }
            Self::One(_) => self.has_been(iss),
            Self::Tenants { template, .. } => iss == template || self.has_been(iss),
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Further {
    #[serde(default)]
    revocation_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Further {}

type Metadata = ProviderMetadata<
    Further,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

impl Provider {
    /// Where it is, by its discovery document if it has one.
    pub(super) async fn service(
        &self,
        outgoing: &Outgoing,
        clock: &dyn Clock,
    ) -> Result<Arc<Service>, ProviderError> {
        self.service.get(clock, find(&self.definition, outgoing)).await
    }

    /// Its keys.
    pub(super) async fn keys(
        &self,
        url: &str,
        outgoing: &Outgoing,
        clock: &dyn Clock,
    ) -> Result<Arc<CoreJsonWebKeySet>, ProviderError> {
        self.keys.get(clock, fetch_keys(url, outgoing)).await
    }

    /// Its keys, if they may be asked for again already or another has.
    pub(super) async fn newer_keys(
        &self,
        seen: &Arc<CoreJsonWebKeySet>,
        url: &str,
        outgoing: &Outgoing,
        clock: &dyn Clock,
    ) -> Result<Option<Arc<CoreJsonWebKeySet>>, ProviderError> {
        self.keys.newer(seen, clock, fetch_keys(url, outgoing)).await
    }
}

async fn find(definition: &Definition, outgoing: &Outgoing) -> Result<Service, ProviderError> {
    let base = |default: &str| {
        let own = definition.issuer.as_deref().unwrap_or(default);
        own.trim_end_matches('/').to_owned()
    };
    match definition.kind {
        // Compared as they are written (OpenID Connect Discovery §4.3).
        Kind::Oidc => discover(one(definition.issuer.clone().unwrap_or_default()), None, outgoing).await,
        Kind::Google => discover(one("https://accounts.google.com".to_owned()), None, outgoing).await,
        Kind::Gitlab => discover(one(base("https://gitlab.com")), None, outgoing).await,
        Kind::Microsoft => {
            let base = base("https://login.microsoftonline.com");
            let ids: Vec<String> = definition.tenants.iter().map(|id| id.to_ascii_lowercase()).collect();
            // One tenant signs its own people in; several meet at one of the common addresses.
            let (at, named) = match ids.as_slice() {
                [only] => (only.as_str(), only.as_str()),
                several if several.iter().any(|id| id == PERSONAL_TENANT) => ("common", ANY_TENANT),
                _ => ("organizations", ANY_TENANT),
            };
            let (at, template) = (format!("{base}/{at}/v2.0"), format!("{base}/{named}/v2.0"));
            discover(Issuer::Tenants { template, ids }, Some(at), outgoing).await
        }
        Kind::Github => Ok(github(definition, &base("https://github.com"))),
        Kind::Oauth2 => {
            let endpoints = definition.endpoints.clone().ok_or(ProviderError::Unreachable)?;
            let origin = Url::parse(&endpoints.authorization).map(|url| url.origin().ascii_serialization());
            let issuer =
                definition.issuer.clone().or_else(|| origin.ok()).ok_or(ProviderError::Unreachable)?;
            Ok(known(issuer, endpoints, AuthType::BasicAuth))
        }
    }
}

const fn one(issuer: String) -> Issuer {
    Issuer::One(issuer)
}

fn github(definition: &Definition, base: &str) -> Service {
    let endpoints = definition.endpoints.clone().unwrap_or_else(|| {
        let api = match definition.issuer {
            None => "https://api.github.com".to_owned(),
            Some(_) => format!("{base}/api/v3"),
        };
        Endpoints {
            authorization: format!("{base}/login/oauth/authorize"),
            token: format!("{base}/login/oauth/access_token"),
            userinfo: format!("{api}/user"),
            revocation: Some(format!("{api}/applications/{}/grant", definition.client_id)),
        }
    });
    known(base.to_owned(), endpoints, AuthType::RequestBody)
}

fn known(issuer: String, endpoints: Endpoints, auth: AuthType) -> Service {
    Service {
        issuer: one(issuer),
        authorization: endpoints.authorization,
        token: endpoints.token,
        userinfo: Some(endpoints.userinfo),
        revocation: endpoints.revocation,
        auth,
        says_iss: false,
        algorithms: Vec::new(),
        keys: None,
    }
}

/// Reads the discovery document `at` this address, or the issuer's own.
async fn discover(issuer: Issuer, at: Option<String>, outgoing: &Outgoing) -> Result<Service, ProviderError> {
    let expected = match &issuer {
        Issuer::One(issuer) => issuer.clone(),
        Issuer::Tenants { template, .. } => template.clone(),
    };
    let at = at.as_deref().unwrap_or(&expected);
    let url = format!("{}/.well-known/openid-configuration", at.trim_end_matches('/'));
    let found: Metadata = http::get(outgoing, &url, None, &[]).await?;
    if found.issuer().as_str() != expected {
        return Err(ProviderError::WrongIssuer);
    }
    // Browsers are sent there: no scheme but those that the portal itself would use.
    let authorization = found.authorization_endpoint().url();
    outgoing.check(authorization.as_str())?;
    let post_alone = found.token_endpoint_auth_methods_supported().is_some_and(|methods| {
        methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
    });
    let named = found.id_token_signing_alg_values_supported();
    let further = found.additional_metadata();
    Ok(Service {
        issuer,
        authorization: authorization.to_string(),
        token: found.token_endpoint().ok_or(ProviderError::Nonsense)?.to_string(),
        userinfo: found.userinfo_endpoint().map(ToString::to_string),
        revocation: further.revocation_endpoint.clone(),
        auth: if post_alone { AuthType::RequestBody } else { AuthType::BasicAuth },
        says_iss: further.authorization_response_iss_parameter_supported,
        algorithms: ALGORITHMS.into_iter().filter(|algorithm| named.contains(algorithm)).collect(),
        keys: Some(found.jwks_uri().to_string()),
    })
}

/// The keys that can have signed an ID token; others, and those of a length that is not safe, are left out.
async fn fetch_keys(url: &str, outgoing: &Outgoing) -> Result<CoreJsonWebKeySet, ProviderError> {
    let found: Value = http::get(outgoing, url, None, &[]).await?;
    let keys = found.get("keys").and_then(Value::as_array).ok_or(ProviderError::Nonsense)?;
    let good = |key: &&Value| {
        PublicKey::deserialize(*key).is_ok_and(|key| {
            [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]
                .iter()
                .any(|alg| key.decoding(*alg).is_ok())
        })
    };
    let keys: Vec<&Value> = keys.iter().filter(good).take(MAX_KEYS).collect();
    serde_json::from_value(json!({ "keys": keys })).map_err(|_| ProviderError::Nonsense)
}
