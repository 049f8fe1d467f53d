//! `[[providers]]`: whom people may sign in with and connect.

use std::path::PathBuf;

use anyhow::{Context, bail};
use keyway_portal::providers::{ClaimNames, Definition, Endpoints, Kind, ProviderId};
use keyway_portal::settings::SignUp;
use serde::Deserialize;

use super::secret::{self, SecretText};

/// A provider as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    pub id: ProviderId,
    pub kind: Kind,
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default)]
    pub issuer: Option<String>,
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<SecretText>,
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub sign_up: Option<bool>,
    #[serde(default)]
    pub email_domains: Vec<String>,
    #[serde(default)]
    pub keep_tokens: bool,
    #[serde(default)]
    pub tenants: Vec<String>,
    #[serde(default)]
    pub endpoints: Option<Endpoints>,
    #[serde(default)]
    pub claims: ClaimNames,
}

/// Reads the secrets and judges each. Where nothing is said, a provider makes accounts if everybody may make one.
pub fn judge(written: &[Provider], sign_up: SignUp) -> anyhow::Result<Vec<Definition>> {
    let mut all: Vec<Definition> = Vec::with_capacity(written.len());
    for one in written {
        let name = format!("providers: {}", one.id);
        let client_secret = secret::resolve(
            "providers.client_secret",
            one.client_secret.as_ref(),
            one.client_secret_file.as_ref(),
        )
        .with_context(|| name.clone())?;
        let definition = Definition {
            id: one.id.clone(),
            kind: one.kind,
            label: one.label.clone(),
            issuer: one.issuer.clone(),
            client_id: one.client_id.clone(),
            client_secret,
            scopes: one.scopes.clone(),
            sign_up: one.sign_up.unwrap_or(sign_up == SignUp::Open),
            email_domains: one.email_domains.clone(),
            keep_tokens: one.keep_tokens,
            tenants: one.tenants.clone(),
            endpoints: one.endpoints.clone(),
            claims: one.claims.clone(),
            demo: false,
        };
        definition.check().with_context(|| name.clone())?;
        if all.iter().any(|other| other.id == definition.id) {
            bail!("{name} is there twice");
        }
        all.push(definition);
    }
    Ok(all)
}
