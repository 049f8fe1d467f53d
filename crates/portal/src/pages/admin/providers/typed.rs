//! What is typed about a provider, and what it means.

use keyway_core::secret::PlainSecret;
use serde::{Deserialize, Serialize};

use crate::error::FieldErrors;
use crate::providers::{ClaimNames, Definition, Endpoints, Kind};

/// The fields as they are typed; lists have spaces or line ends between.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    pub(super) id: String,
    kind: String,
    label: String,
    issuer: String,
    client_id: String,
    /// Never shown again.
    #[serde(skip_serializing)]
    client_secret: String,
    scopes: String,
    tenants: String,
    email_domains: String,
    sign_up: String,
    keep_tokens: String,
    authorization: String,
    token: String,
    userinfo: String,
    revocation: String,
    claim_subject: String,
    claim_account: String,
    claim_name: String,
    claim_email: String,
    claim_email_verified: String,
}

/// The kinds as the form offers them.
pub(super) const KINDS: [(Kind, &str, &str); 6] = [
    (Kind::Oidc, "oidc", "OpenID Connect, found by its issuer"),
    (Kind::Github, "github", "GitHub"),
    (Kind::Google, "google", "Google"),
    (Kind::Gitlab, "gitlab", "GitLab"),
    (Kind::Microsoft, "microsoft", "Microsoft Entra"),
    (Kind::Oauth2, "oauth2", "OAuth 2.0, by its endpoints"),
];

fn list(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

impl Typed {
    /// For a provider that does not exist yet.
    pub(super) fn empty() -> Self {
        let claims = ClaimNames::default();
        Self {
            kind: "oidc".to_owned(),
            sign_up: "yes".to_owned(),
            claim_subject: claims.subject,
            claim_account: claims.account,
            claim_name: claims.name,
            claim_email: claims.email,
            claim_email_verified: claims.email_verified,
            ..Self::default()
        }
    }

    /// As a provider stands.
    pub(super) fn of(definition: &Definition) -> Self {
        let yes = |on: bool| if on { "yes" } else { "" }.to_owned();
        let kind = KINDS.iter().find(|(kind, _, _)| *kind == definition.kind).map_or("", |(_, name, _)| name);
        let endpoints = definition.endpoints.clone();
        let (authorization, token, userinfo, revocation) = endpoints.map_or_else(Default::default, |e| {
            (e.authorization, e.token, e.userinfo, e.revocation.unwrap_or_default())
        });
        let claims = definition.claims.clone();
        Self {
            id: definition.id.to_string(),
            kind: kind.to_owned(),
            label: definition.label.clone().unwrap_or_default(),
            issuer: definition.issuer.clone().unwrap_or_default(),
            client_id: definition.client_id.clone(),
            client_secret: String::new(),
            scopes: definition.scopes.join(" "),
            tenants: definition.tenants.join(" "),
            email_domains: definition.email_domains.join(" "),
            sign_up: yes(definition.sign_up),
            keep_tokens: yes(definition.keep_tokens),
            authorization,
            token,
            userinfo,
            revocation,
            claim_subject: claims.subject,
            claim_account: claims.account,
            claim_name: claims.name,
            claim_email: claims.email,
            claim_email_verified: claims.email_verified,
        }
    }

    /// What it means. `kept` is the secret that stays where none is typed.
    pub(super) fn definition(&self, kept: Option<&PlainSecret>) -> Result<Definition, FieldErrors> {
        let id = self.id.trim().parse().map_err(|_| {
            FieldErrors::of("id", "Use 1 to 32 lower-case letters, digits and hyphens; not `new`.")
        })?;
        let kind = KINDS.iter().find(|(_, name, _)| *name == self.kind).map(|(kind, _, _)| *kind);
        let kind = kind.ok_or_else(|| FieldErrors::of("kind", "Choose a kind."))?;
        let default = ClaimNames::default();
        let claim = |typed: &str, default: String| some(typed).unwrap_or(default);
        let definition = Definition {
            id,
            kind,
            label: some(&self.label),
            issuer: some(&self.issuer),
            client_id: self.client_id.trim().to_owned(),
            client_secret: some(&self.client_secret).map(PlainSecret::new).or_else(|| kept.cloned()),
            scopes: list(&self.scopes),
            sign_up: !self.sign_up.is_empty(),
            email_domains: list(&self.email_domains),
            keep_tokens: !self.keep_tokens.is_empty(),
            tenants: list(&self.tenants),
            endpoints: some(&self.authorization).map(|authorization| Endpoints {
                authorization,
                token: self.token.trim().to_owned(),
                userinfo: self.userinfo.trim().to_owned(),
                revocation: some(&self.revocation),
            }),
            claims: ClaimNames {
                subject: claim(&self.claim_subject, default.subject),
                account: claim(&self.claim_account, default.account),
                name: claim(&self.claim_name, default.name),
                email: claim(&self.claim_email, default.email),
                email_verified: claim(&self.claim_email_verified, default.email_verified),
            },
            demo: false,
        };
        match definition.check() {
            Ok(()) => Ok(definition),
            Err(error) => Err(FieldErrors::of("form", capitalised(&error.to_string()))),
        }
    }
}

/// As a sentence.
fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}
