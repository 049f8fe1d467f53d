//! The trusted issuers, judged.

use anyhow::{Context, bail};
use keyway_core::audience::Catalogue;
use keyway_core::outside::{IntrospectionAccess, InvalidIssuer, ScopeRule, TrustedIssuer};
use keyway_core::scope::{Scope, ScopeSet};

use super::secret;
use super::sections::{self, Written};

/// The most trusted issuers.
const MAX_ISSUERS: usize = 20;
/// The most that are asked about an opaque token.
const MAX_ASKED: usize = 3;

/// All of them, each once.
pub(super) fn issuers(
    written: &Written,
    portal: &str,
    catalogue: &Catalogue,
) -> anyhow::Result<Vec<TrustedIssuer>> {
    let all = &written.trusted_issuers;
    if all.len() > MAX_ISSUERS {
        bail!("trusted_issuers: at most {MAX_ISSUERS}");
    }
    if all.iter().filter(|issuer| issuer.introspection_endpoint.is_some()).count() > MAX_ASKED {
        bail!("trusted_issuers: at most {MAX_ASKED} with an introspection_endpoint");
    }
    let mut judged: Vec<TrustedIssuer> = Vec::with_capacity(all.len());
    for issuer in all {
        let name = || format!("trusted_issuers: {}", issuer.issuer);
        if judged.iter().any(|other| other.issuer == issuer.issuer) {
            bail!("{} is there twice", name());
        }
        let trusted = read(issuer).with_context(name)?;
        trusted.check(portal).with_context(name)?;
        if written.providers.iter().any(|provider| provider.client_id == issuer.audience.as_str()) {
            return Err(InvalidIssuer::ClientId).with_context(name);
        }
        // The sample API in remote mode knows its own audience, not what the portal knows of it.
        if written.audience.as_deref() != Some(trusted.api.as_str()) {
            let own = catalogue.apis().split_last().map_or(&[][..], |(_management, apis)| apis);
            trusted.check_scopes(own).with_context(name)?;
        }
        judged.push(trusted);
    }
    Ok(judged)
}

fn read(written: &sections::TrustedIssuer) -> anyhow::Result<TrustedIssuer> {
    let client_secret = secret::resolve(
        "client_secret",
        written.client_secret.as_ref(),
        written.client_secret_file.as_ref(),
    )?;
    let introspection = match (&written.introspection_endpoint, &written.client_id, client_secret) {
        (Some(endpoint), Some(client_id), Some(client_secret)) => Some(IntrospectionAccess {
            endpoint: endpoint.clone(),
            client_id: client_id.clone(),
            client_secret,
        }),
        (None, None, None) => None,
        _ => bail!("introspection_endpoint, client_id and client_secret go together"),
    };
    Ok(TrustedIssuer {
        issuer: written.issuer.clone(),
        audience: written.audience.clone(),
        typ: written.typ.clone(),
        algorithms: written.algorithms.clone(),
        jwks_uri: written.jwks_uri.clone(),
        introspection,
        api: written.api.clone().unwrap_or_else(|| written.audience.clone()),
        rules: written.scopes.iter().map(rule).collect::<anyhow::Result<_>>()?,
    })
}

fn rule(written: &sections::OutsideScopes) -> anyhow::Result<ScopeRule> {
    let scope = |text: &String| text.parse::<Scope>().with_context(|| format!("{text:?}"));
    let grant = written.grant.iter().map(scope).collect::<anyhow::Result<ScopeSet>>()?;
    Ok(ScopeRule { when: written.when.clone(), grant })
}
