//! Whom an operator trusts, and how far.

use url::Url;

use super::SignedWith;
use crate::audience::{Api, Audience};
use crate::scope::{Scope, ScopeSet};
use crate::secret::PlainSecret;

/// The longest issuer, in bytes.
pub const MAX_ISSUER_LEN: usize = 256;
/// The most scope rules of one issuer.
pub const MAX_RULES: usize = 64;
/// The longest `typ`, in bytes.
const MAX_TYP_LEN: usize = 64;
/// In place of a scope of theirs: whatever the token may do there.
const ANY: &str = "*";

/// An issuer whose access tokens are good for one API.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// Its `iss`, exactly.
    pub issuer: String,
    /// What its tokens for us have in `aud`: an identifier of ours, never a client id, so that no ID token has it.
    pub audience: Audience,
    /// What its access tokens have in `typ`.
    pub typ: String,
    /// What it may sign with.
    pub algorithms: Vec<SignedWith>,
    /// Where its keys lie; found by its metadata if not given.
    pub jwks_uri: Option<String>,
    /// Where it is asked about tokens that are no JWTs.
    pub introspection: Option<IntrospectionAccess>,
    /// The API that its tokens are good for.
    pub api: Audience,
    /// What they may do there.
    pub rules: Vec<ScopeRule>,
}

/// How an issuer is asked about a token (RFC 7662), with `client_secret_basic`.
#[derive(Clone, Debug)]
pub struct IntrospectionAccess {
    /// Where.
    pub endpoint: String,
    /// Who asks.
    pub client_id: String,
    /// Its secret.
    pub client_secret: PlainSecret,
}

/// What a scope of theirs allows here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeRule {
    /// A scope of theirs, or `*`.
    pub when: String,
    /// Scopes of the API.
    pub grant: ScopeSet,
}

/// What is wrong with a trusted issuer as it is set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    /// It could not have been asked for its keys, or no `iss` is written so.
    #[error("issuer is an https URL of at most 256 characters, without query or fragment")]
    Issuer,
    /// Then our own tokens would be outside ones.
    #[error("issuer is this portal itself")]
    Ourselves,
    /// An address that is never called.
    #[error("{0} is an https URL (http on this machine)")]
    Url(&'static str),
    /// ID tokens have a client id in `aud`.
    #[error("audience is the client id: ID tokens have that, access tokens for an API do not")]
    ClientId,
    /// Empty, too long, or no media type's.
    #[error("typ is the header of its access tokens, as at+jwt")]
    Typ,
    /// Nothing could be verified.
    #[error("algorithms is empty")]
    NoAlgorithm,
    /// Over [`MAX_RULES`].
    #[error("at most 64 scope rules")]
    TooManyRules,
    /// Neither a scope nor `*`.
    #[error("{0:?} is neither a scope nor *")]
    When(String),
    /// The portal's own API, or none.
    #[error("{0} is not one of [[apis]]")]
    Api(Audience),
    /// A scope of no or another API.
    #[error("{0} is not a scope of that API")]
    Scope(Scope),
}

impl TrustedIssuer {
    /// Whether it can be used, whatever the APIs. `portal` is the portal's own issuer.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, portal: &str) -> Result<(), InvalidIssuer> {
        let bare = |url: &Url| url.query().is_none() && url.fragment().is_none();
        if self.issuer.len() > MAX_ISSUER_LEN || !callable(&self.issuer).is_some_and(|url| bare(&url)) {
            return Err(InvalidIssuer::Issuer);
        }
        if self.issuer.trim_end_matches('/') == portal.trim_end_matches('/') {
            return Err(InvalidIssuer::Ourselves);
        }
        if self.jwks_uri.as_deref().is_some_and(|uri| callable(uri).is_none()) {
            return Err(InvalidIssuer::Url("jwks_uri"));
        }
        if let Some(asked) = &self.introspection {
            if callable(&asked.endpoint).is_none() {
                return Err(InvalidIssuer::Url("introspection_endpoint"));
            }
            if asked.client_id == self.audience.as_str() {
                return Err(InvalidIssuer::ClientId);
            }
        }
        let visible = self.typ.bytes().all(|b| b.is_ascii_graphic());
        if self.typ.is_empty() || self.typ.len() > MAX_TYP_LEN || !visible {
            return Err(InvalidIssuer::Typ);
        }
        if self.algorithms.is_empty() {
            return Err(InvalidIssuer::NoAlgorithm);
        }
        if self.rules.len() > MAX_RULES {
            return Err(InvalidIssuer::TooManyRules);
        }
        let unreadable = |rule: &&ScopeRule| rule.when != ANY && rule.when.parse::<Scope>().is_err();
        match self.rules.iter().find(unreadable) {
            Some(rule) => Err(InvalidIssuer::When(rule.when.clone())),
            None => Ok(()),
        }
    }

    /// Whether it grants nothing but scopes of its API, which is one of `apis`: those of the operator, so that no token
    /// from outside manages anything at the portal.
    ///
    /// # Errors
    /// [`InvalidIssuer::Api`] or [`InvalidIssuer::Scope`].
    pub fn check_scopes(&self, apis: &[Api]) -> Result<(), InvalidIssuer> {
        let api = apis.iter().find(|api| api.audience == self.api);
        let api = api.ok_or_else(|| InvalidIssuer::Api(self.api.clone()))?;
        let foreign = |scope: &&Scope| api.scope(scope.as_str()).is_none();
        match self.rules.iter().flat_map(|rule| &rule.grant).find(foreign) {
            Some(scope) => Err(InvalidIssuer::Scope(scope.clone())),
            None => Ok(()),
        }
    }

    /// What a token with the scopes `theirs`, separated by spaces, may do here.
    pub fn granted(&self, theirs: &str) -> ScopeSet {
        let has = |when: &str| when == ANY || theirs.split(' ').any(|scope| scope == when);
        let rules = self.rules.iter().filter(|rule| has(&rule.when));
        rules.flat_map(|rule| &rule.grant).cloned().collect()
    }
}

/// What the portal may call: https, or http on this machine.
fn callable(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        url::Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() == "https" || (url.scheme() == "http" && loopback)).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audience::Catalogue;
    use crate::outside::token::tests::{API, issuer};

    fn problem(change: impl FnOnce(&mut TrustedIssuer)) -> Option<InvalidIssuer> {
        let mut it = issuer();
        change(&mut it);
        it.check("https://keys.example.com").err()
    }

    #[test]
    fn a_trusted_issuer_is_complete() {
        assert_eq!(problem(|_| {}), None);
        assert_eq!(problem(|it| it.issuer = "http://127.0.0.1:9000/tenant".into()), None);
        for bad in ["http://login.example", "login", "https://a.example/?q", "https://a.example/#f"] {
            assert_eq!(problem(|it| it.issuer = bad.into()), Some(InvalidIssuer::Issuer), "{bad}");
        }
        let ours = "https://keys.example.com/";
        assert_eq!(problem(|it| it.issuer = ours.into()), Some(InvalidIssuer::Ourselves));
        assert_eq!(problem(|it| it.jwks_uri = Some("x".into())), Some(InvalidIssuer::Url("jwks_uri")));
        assert_eq!(problem(|it| it.typ.clear()), Some(InvalidIssuer::Typ));
        assert_eq!(problem(|it| it.algorithms.clear()), Some(InvalidIssuer::NoAlgorithm));
        let when = |text: &str| ScopeRule { when: text.into(), grant: ScopeSet::empty() };
        assert_eq!(problem(|it| it.rules = vec![when("a b")]), Some(InvalidIssuer::When("a b".into())));
        assert_eq!(problem(|it| it.rules = vec![when("a"); 65]), Some(InvalidIssuer::TooManyRules));
        let asked = |it: &mut TrustedIssuer| {
            it.introspection = Some(IntrospectionAccess {
                endpoint: "https://login.example/introspect".into(),
                client_id: it.audience.to_string(),
                client_secret: PlainSecret::new("s"),
            });
        };
        assert_eq!(problem(asked), Some(InvalidIssuer::ClientId));
    }

    #[test]
    fn scopes_of_the_management_api_are_never_granted() {
        let management = Catalogue::management("https://keys.example.com").unwrap();
        let api = Api { audience: API.parse().unwrap(), scopes: vec![], ..management.clone() };
        let mut it = issuer();
        it.rules.clear();
        assert_eq!(it.check_scopes(std::slice::from_ref(&api)), Ok(()));
        assert_eq!(it.check_scopes(&[]), Err(InvalidIssuer::Api(API.parse().unwrap())));
        let grant = "keys:read".parse().unwrap();
        it.rules = vec![ScopeRule { when: "*".into(), grant }];
        assert_eq!(it.check_scopes(&[api]), Err(InvalidIssuer::Scope("keys:read".parse().unwrap())));
    }

    #[test]
    fn rules_add_up_and_what_no_rule_names_grants_nothing() {
        let it = issuer();
        assert_eq!(it.granted("read").to_string(), "notes:read");
        assert_eq!(it.granted("other read write").to_string(), "notes:read notes:write");
        assert!(it.granted("").is_empty() && it.granted("notes:write rea").is_empty());
        let any = ScopeRule { when: "*".into(), grant: "notes:read".parse().unwrap() };
        let it = TrustedIssuer { rules: vec![any], ..it };
        assert_eq!(it.granted("").to_string(), "notes:read");
    }
}
