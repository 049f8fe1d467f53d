//! Refusals as they are sent: `application/problem+json` (RFC 9457) and `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7.1).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use keyway_core::ids::RequestId;
use keyway_core::oauth::dpop::PROOF_ALGORITHMS;
use keyway_core::quota::Measure;
use keyway_core::refusal::{Check, Refusal};
use serde::Serialize;

use crate::settings::Settings;

/// The media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// An error as an API answers it. `code` is stable; clients may branch on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Body>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    title: Cow<'static, str>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'static, str>>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    /// Where the portal tells the checks of this call one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<String>,
    #[serde(skip)]
    portal: Option<String>,
    #[serde(skip)]
    challenges: Vec<String>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem of an API's own. `title` is one short sentence.
    pub fn new(status: u16, code: &'static str, title: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Body {
            kind: format!("urn:keyway:problem:{code}"),
            title: title.into(),
            status,
            detail: None,
            code,
            check: None,
            remedy: None,
            scope: None,
            errors: BTreeMap::new(),
            request_id: None,
            explain: None,
            portal: None,
            challenges: Vec::new(),
            retry_after: None,
        }))
    }

    /// What a guard refuses with.
    pub fn of(refusal: &Refusal, settings: &Settings) -> Self {
        let mut problem = Self::new(refusal.status(), refusal.code(), refusal.title())
            .detail(detail(refusal))
            .remedy(refusal.remedy());
        problem.0.check = Some(refusal.check());
        if let Refusal::InsufficientScope { required, .. } = refusal {
            problem.0.scope = Some(required.clone());
        }
        problem.0.challenges = challenges(refusal, settings);
        problem.0.retry_after = refusal.retry_after();
        if matches!(refusal.status(), 401 | 403 | 429) {
            problem.0.portal = Some(settings.issuer.clone());
        }
        problem
    }

    /// What happened this time.
    #[must_use]
    pub fn detail(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(text.into());
        self
    }
    /// What would mend it.
    #[must_use]
    pub fn remedy(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.remedy = Some(text.into());
        self
    }
    /// What is wrong with one field of the request.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.errors.insert(name.into(), message.into());
        self
    }
    /// Whole seconds after which another try makes sense: `Retry-After`.
    #[must_use]
    pub fn retry_after_seconds(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }
    /// The request that it answers; a guard's 401, 403 and 429 then say where the portal explains it.
    #[must_use]
    pub fn request(mut self, id: RequestId) -> Self {
        let portal = self.0.portal.take();
        self.0.explain = portal.map(|portal| format!("{}/requests/{id}", portal.trim_end_matches('/')));
        self.0.request_id = Some(id);
        self
    }
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status
    }
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }
    /// Whether it says which request it answers.
    pub fn has_request(&self) -> bool {
        self.0.request_id.is_some()
    }
    /// The values of `WWW-Authenticate`, one for each scheme.
    pub fn challenges(&self) -> &[String] {
        &self.0.challenges
    }
    /// The value of `Retry-After`, where there is one.
    pub fn retry_after(&self) -> Option<u64> {
        self.0.retry_after
    }
    /// The document.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// RFC 6750 §3 and RFC 9449 §7.1: the challenges; no error code where the call carried no credential at all. How the
/// credential was presented does not matter: each scheme names what is wrong.
fn challenges(refusal: &Refusal, settings: &Settings) -> Vec<String> {
    let error = refusal.challenge_error();
    if error.is_none() && refusal.status() != 401 {
        return Vec::new();
    }
    // A proof is no matter of the scheme Bearer.
    let bearer_error = error.filter(|_| !matches!(refusal, Refusal::InvalidProof(_)));
    let realm = format!("realm=\"{}\"", settings.audience);
    let algorithms = format!("algs=\"{}\"", PROOF_ALGORITHMS.join(" "));
    vec![
        challenge("Bearer", &realm, bearer_error, refusal, settings),
        challenge("DPoP", &algorithms, error, refusal, settings),
    ]
}

fn challenge(
    scheme: &str,
    first: &str,
    error: Option<&str>,
    refusal: &Refusal,
    settings: &Settings,
) -> String {
    let mut text = format!("{scheme} {first}");
    if let Some(error) = error {
        // Titles hold neither quotes nor backslashes.
        let _ = write!(text, ", error=\"{error}\", error_description=\"{}\"", refusal.title());
    }
    if let Refusal::InsufficientScope { required, .. } = refusal {
        let _ = write!(text, ", scope=\"{required}\"");
    }
    if let Some(metadata) = &settings.resource_metadata {
        // RFC 9728 §5.1
        let _ = write!(text, ", resource_metadata=\"{metadata}\"");
    }
    text
}

fn detail(refusal: &Refusal) -> Cow<'static, str> {
    match refusal {
        Refusal::MissingCredential => {
            "Neither an Authorization header nor an X-API-Key header was sent.".into()
        }
        Refusal::SeveralCredentials => {
            "Authorization and X-API-Key were both sent, or one of them more than once.".into()
        }
        Refusal::CredentialInQuery => {
            "Addresses are logged and shared, so a credential in one is not accepted.".into()
        }
        Refusal::UnsupportedScheme => "Only the schemes Bearer and DPoP are accepted here.".into(),
        Refusal::InvalidCredential(check) => match check {
            Check::Parsed => "It does not have the form of a credential for this API.",
            Check::Checksum => "Its checksum does not fit the rest of it.",
            Check::Signature => "It is not signed by a key of this issuer.",
            Check::IssuerAndAudience => "It is from another issuer.",
            _ => "It is not known.",
        }
        .into(),
        Refusal::WrongAudience => "Its audience is another API than this one.".into(),
        Refusal::ProofRequired => {
            "It works with a proof of possession alone, and not as a Bearer token.".into()
        }
        Refusal::NotBound => "The scheme DPoP is for access tokens that are bound to a key.".into(),
        Refusal::InvalidProof(error) => format!("What is wrong: {error}.").into(),
        Refusal::Revoked => "It, or something that it descends from, was taken back.".into(),
        Refusal::Disabled => "It, or something that it descends from, is switched off.".into(),
        Refusal::OwnerSuspended => "Nothing of a suspended owner works.".into(),
        Refusal::Expired => "Its time is over.".into(),
        Refusal::NotYetValid => "Its time has not begun.".into(),
        Refusal::AddressNotAllowed => {
            "Its list of networks does not contain the address of this call.".into()
        }
        Refusal::LimitExceeded { measure, .. } => match measure {
            Measure::Rate(rate) => format!("The limit of {rate} is spent.").into(),
            Measure::Quota(..) => format!("The quota of {measure} is spent.").into(),
        },
        Refusal::InsufficientScope { required, missing } => {
            format!("This route needs {required}; {missing} is missing.").into()
        }
        Refusal::CannotTell { .. } => "The look-up failed. This says nothing about the credential.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let mut settings = Settings::new("http://api.example".parse().unwrap(), "http://portal.example");
        settings.resource_metadata = Some("http://api.example/.well-known/oauth-protected-resource".into());
        settings
    }

    #[test]
    fn a_call_without_credential_is_told_where_to_get_one() {
        let problem = Problem::of(&Refusal::MissingCredential, &settings());
        assert_eq!(
            problem.challenges(),
            [
                "Bearer realm=\"http://api.example\", \
                 resource_metadata=\"http://api.example/.well-known/oauth-protected-resource\"",
                "DPoP algs=\"ES256 EdDSA Ed25519 RS256 PS256\", \
                 resource_metadata=\"http://api.example/.well-known/oauth-protected-resource\""
            ]
        );
        assert_eq!(problem.status(), 401);
    }

    #[test]
    fn a_missing_scope_is_named_in_header_and_body() {
        let refusal =
            Refusal::InsufficientScope { required: "notes:write".into(), missing: "notes:write".into() };
        let problem = Problem::of(&refusal, &settings());
        assert_eq!(problem.challenges().len(), 2);
        for challenge in problem.challenges() {
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            assert!(challenge.contains("scope=\"notes:write\""), "{challenge}");
        }
        let body: serde_json::Value = serde_json::from_str(&problem.to_json()).unwrap();
        assert_eq!(body["type"], "urn:keyway:problem:insufficient_scope");
        assert_eq!(body["check"], "scope");
        assert_eq!(body["scope"], "notes:write");
    }

    #[test]
    fn refusals_lead_to_where_the_portal_explains_them() {
        let mut settings = settings();
        settings.issuer = "http://portal.example/".into();
        let id: RequestId = "0192d2f0-0000-7000-8000-000000000001".parse().unwrap();
        let sent = |refusal: &Refusal| -> serde_json::Value {
            serde_json::from_str(&Problem::of(refusal, &settings).request(id).to_json()).unwrap()
        };
        for refusal in [Refusal::Revoked, Refusal::AddressNotAllowed] {
            assert_eq!(sent(&refusal)["explain"], format!("http://portal.example/requests/{id}"));
        }
        assert_eq!(sent(&Refusal::CannotTell { retry_after: 1 }).get("explain"), None);
    }

    #[test]
    fn a_limit_or_a_failed_look_up_challenges_nobody() {
        let refusal = Refusal::CannotTell { retry_after: 1 };
        assert!(Problem::of(&refusal, &settings()).challenges().is_empty());
        assert_eq!(Problem::of(&refusal, &settings()).retry_after(), Some(1));
        assert!(Problem::of(&Refusal::AddressNotAllowed, &settings()).challenges().is_empty());
    }
}
