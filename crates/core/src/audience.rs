//! The APIs that credentials are for, and the scopes each of them has.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::oauth::identity_scopes;
use crate::scope::{Scope, ScopeSet};

/// The longest audience, in bytes.
pub const MAX_AUDIENCE_LEN: usize = 256;

/// An API's identifier (the `aud` of a JWT, the `resource` of RFC 8707): an absolute URI without fragment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Audience(Arc<str>);

impl Audience {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Scheme, host and port, if it is an http or https URL (RFC 6454 §6.2).
    pub fn origin(&self) -> Option<String> {
        let url = url::Url::parse(&self.0).ok()?;
        matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
    }
}

/// A text that is no audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an audience is an absolute URI of at most 256 characters, without fragment")]
pub struct InvalidAudience;

impl FromStr for Audience {
    type Err = InvalidAudience;
    fn from_str(s: &str) -> Result<Self, InvalidAudience> {
        let printable = s.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        let absolute = url::Url::parse(s).is_ok_and(|u| u.fragment().is_none());
        if s.len() <= MAX_AUDIENCE_LEN && printable && absolute {
            Ok(Self(s.into()))
        } else {
            Err(InvalidAudience)
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Audience {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How far a scope reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Sees.
    #[default]
    Read,
    /// Changes.
    Write,
    /// Administers.
    Admin,
}

/// Who may put a scope on a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grantable {
    /// Every developer.
    #[default]
    Everyone,
    /// A developer whom an administrator has approved for it.
    OnApproval,
    /// Administrators alone.
    Administrators,
}

/// A scope as an API offers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeDefinition {
    /// The scope token.
    pub name: String,
    /// Plain words for forms and consent: "Read your notes".
    pub description: String,
    /// How far it reaches.
    #[serde(default)]
    pub access: Access,
    /// Flagged on forms and at consent.
    #[serde(default)]
    pub sensitive: bool,
    /// Who may grant it.
    #[serde(default)]
    pub grant: Grantable,
}

/// An API that credentials can be for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Its identifier.
    pub audience: Audience,
    /// Its name on pages.
    pub name: String,
    /// Where it is called.
    pub base_url: String,
    /// Where its OpenAPI document lies: a URL or a file.
    #[serde(default)]
    pub openapi: Option<String>,
    /// The path of a GET that any credential for it may make: the portal's page of a new key offers it.
    #[serde(default)]
    pub first_call: Option<String>,
    /// What can be allowed there.
    pub scopes: Vec<ScopeDefinition>,
}

impl Api {
    /// The scope named `name`.
    pub fn scope(&self, name: &str) -> Option<&ScopeDefinition> {
        self.scopes.iter().find(|s| s.name == name)
    }
    /// All its scopes.
    pub fn scope_set(&self) -> ScopeSet {
        self.scopes.iter().filter_map(|s| s.name.parse::<Scope>().ok()).collect()
    }
}

/// Why a request for scopes names no single API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudienceError {
    /// The audience is not one of ours (RFC 8707 §2: `invalid_target`).
    #[error("{0} is not an API of this portal")]
    UnknownAudience(String),
    /// A scope that the API does not have (`invalid_scope`).
    #[error("the scope {0} is not one of this API's")]
    UnknownScope(String),
    /// Scopes of two APIs without saying which (`invalid_target`).
    #[error("the scopes belong to more than one API: name one with `resource`")]
    Ambiguous,
}

/// All APIs of this portal, its own management API last; and the portal itself, which tells apps who a user is.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    apis: Vec<Api>,
    issuer: Option<Audience>,
}

impl Catalogue {
    /// The scopes of the management API at `<public url>/api/v1`.
    pub fn management(public_url: &str) -> Result<Api, InvalidAudience> {
        let scope = |name: &str, description: &str, access| ScopeDefinition {
            name: name.to_owned(),
            description: description.to_owned(),
            access,
            sensitive: access == Access::Write,
            grant: Grantable::Everyone,
        };
        let address = format!("{}/api/v1", public_url.trim_end_matches('/'));
        Ok(Api {
            audience: address.parse()?,
            name: "Management API".to_owned(),
            base_url: address,
            openapi: None,
            first_call: None,
            scopes: vec![
                scope("keys:read", "See your API keys, never their secrets", Access::Read),
                scope("keys:write", "Create, change and revoke your API keys", Access::Write),
                scope("apps:write", "Register and change your apps", Access::Write),
                scope("usage:read", "See your usage and refusals", Access::Read),
            ],
        })
    }

    /// From the configured APIs and the management API.
    pub const fn new(apis: Vec<Api>) -> Self {
        Self { apis, issuer: None }
    }
    /// The same, of a portal that issues tokens about its users: they may be for nothing but the portal itself.
    #[must_use]
    pub fn with_issuer(self, issuer: Audience) -> Self {
        Self { issuer: Some(issuer), ..self }
    }
    /// In the configured order.
    pub fn apis(&self) -> &[Api] {
        &self.apis
    }
    /// The API with this audience.
    pub fn find(&self, audience: &str) -> Option<&Api> {
        self.apis.iter().find(|api| api.audience.as_str() == audience)
    }
    /// The one API that a request is for: the named one, or that to which all `scopes` belong; with no scopes and
    /// no name, the first.
    pub fn resolve(&self, named: Option<&str>, scopes: &ScopeSet) -> Result<&Api, AudienceError> {
        if let Some(named) = named {
            let api = self.find(named).ok_or_else(|| AudienceError::UnknownAudience(named.to_owned()))?;
            return match scopes.iter().find(|s| api.scope(s.as_str()).is_none()) {
                Some(unknown) => Err(AudienceError::UnknownScope(unknown.to_string())),
                None => Ok(api),
            };
        }
        let known = |scope: &Scope| self.apis.iter().any(|api| api.scope(scope.as_str()).is_some());
        if let Some(unknown) = scopes.iter().find(|s| !known(s)) {
            return Err(AudienceError::UnknownScope(unknown.to_string()));
        }
        self.apis
            .iter()
            .find(|api| scopes.iter().all(|s| api.scope(s.as_str()).is_some()))
            .ok_or(AudienceError::Ambiguous)
    }
    /// The audience of a token with `scopes`: the API as in [`Catalogue::resolve`], whatever is asked about the user
    /// beside; the portal itself where nothing else is asked.
    ///
    /// # Errors
    /// As [`Catalogue::resolve`].
    pub fn target(&self, named: Option<&str>, scopes: &ScopeSet) -> Result<Audience, AudienceError> {
        let of_api = scopes.without(&identity_scopes());
        match &self.issuer {
            Some(issuer) if of_api.is_empty() && named.is_none_or(|named| named == issuer.as_str()) => {
                Ok(issuer.clone())
            }
            _ => self.resolve(named, &of_api).map(|api| api.audience.clone()),
        }
    }
    /// What a token for `audience` can allow: the scopes of that API and those about the user. `None` if it is no
    /// audience of this portal any more.
    pub fn scopes_at(&self, audience: &Audience) -> Option<ScopeSet> {
        if self.issuer.as_ref() == Some(audience) {
            return Some(identity_scopes());
        }
        self.find(audience.as_str()).map(|api| api.scope_set().union(&identity_scopes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let notes = Api {
            audience: "http://localhost:8081".parse().unwrap(),
            name: "Sample API".into(),
            base_url: "http://localhost:8081".into(),
            openapi: None,
            first_call: None,
            scopes: vec![ScopeDefinition {
                name: "notes:read".into(),
                description: "Read your notes".into(),
                access: Access::Read,
                sensitive: false,
                grant: Grantable::Everyone,
            }],
        };
        Catalogue::new(vec![notes, Catalogue::management("http://localhost:8080/").unwrap()])
    }

    #[test]
    fn scopes_lead_to_their_api() {
        let all = catalogue();
        let of = |text: &str| all.resolve(None, &text.parse().unwrap()).map(|a| a.name.as_str());
        assert_eq!(of("notes:read"), Ok("Sample API"));
        assert_eq!(of("keys:read keys:write"), Ok("Management API"));
        assert_eq!(of("keys:read notes:read"), Err(AudienceError::Ambiguous));
        assert_eq!(of("nothing"), Err(AudienceError::UnknownScope("nothing".into())));
    }

    #[test]
    fn a_named_api_has_only_its_own_scopes() {
        let all = catalogue();
        let scopes = "keys:read".parse().unwrap();
        assert_eq!(
            all.resolve(Some("http://localhost:8081"), &scopes),
            Err(AudienceError::UnknownScope("keys:read".into()))
        );
        assert!(all.resolve(Some("http://localhost:8080/api/v1"), &scopes).is_ok());
        assert!(all.resolve(Some("http://elsewhere"), &scopes).is_err());
    }

    #[test]
    fn what_is_asked_about_the_user_alone_is_for_the_portal_itself() {
        let all = catalogue().with_issuer("http://localhost:8080".parse().unwrap());
        let of = |named, text: &str| all.target(named, &text.parse().unwrap()).map(|a| a.to_string());
        assert_eq!(of(None, "openid email").unwrap(), "http://localhost:8080");
        assert_eq!(of(None, "openid notes:read").unwrap(), "http://localhost:8081");
        assert_eq!(of(Some("http://localhost:8081"), "openid").unwrap(), "http://localhost:8081");
        assert_eq!(of(Some("http://localhost:8080"), "openid").unwrap(), "http://localhost:8080");
        assert!(of(Some("http://localhost:8080"), "notes:read").is_err());
        let at = |text: &str| all.scopes_at(&text.parse().unwrap()).map(|scopes| scopes.to_string());
        assert_eq!(at("http://localhost:8080").unwrap(), "email openid profile");
        assert_eq!(at("http://localhost:8081").unwrap(), "email notes:read openid profile");
        assert_eq!(at("http://elsewhere"), None);
    }

    #[test]
    fn an_audience_is_an_absolute_uri() {
        assert!("https://api.example.com/v1".parse::<Audience>().is_ok());
        for bad in ["", "notes", "https://a/#x", "https://a/ b"] {
            assert!(bad.parse::<Audience>().is_err(), "{bad}");
        }
    }
}
