//! What is typed into the form of an app, and what it means.

use std::fmt::Display;
use std::str::FromStr;

use keyway_core::jwt::Algorithm;
use keyway_core::oauth::{
    AuthMethod, Client, ClientKind, GrantType, RedirectUri, TokenFormat, is_about_user,
};
use keyway_core::scope::ScopeSet;
use serde::Deserialize;

use crate::error::{FieldErrors, PageError};
use crate::flows::clients::{ClientError, Profile};

/// What may be typed; checked before anything is made of it.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AppForm {
    pub(super) once: String,
    pub(super) name: String,
    pub(super) website: String,
    pub(super) kind: String,
    pub(super) auth_method: String,
    pub(super) jwks: String,
    pub(super) redirect_uris: String,
    pub(super) post_logout_redirect_uris: String,
    pub(super) backchannel_logout_uri: String,
    pub(super) grant: String,
    pub(super) scope: String,
    pub(super) token_format: String,
    pub(super) id_token_algorithm: String,
    pub(super) dpop_bound: String,
}

impl AppForm {
    /// For an app that does not exist yet.
    pub(super) fn empty(once: String) -> Self {
        Self {
            once,
            kind: ClientKind::Confidential.as_str().to_owned(),
            auth_method: AuthMethod::ClientSecretBasic.as_str().to_owned(),
            grant: "authorization_code refresh_token".to_owned(),
            token_format: TokenFormat::Opaque.as_str().to_owned(),
            id_token_algorithm: Algorithm::Rs256.as_str().to_owned(),
            ..Self::default()
        }
    }

    /// As an app stands.
    pub(super) fn of(client: &Client) -> Self {
        let grants: Vec<&str> = client.grant_types.iter().map(|grant| grant.as_str()).collect();
        Self {
            once: String::new(),
            name: client.name.clone(),
            website: client.website.clone().unwrap_or_default(),
            kind: client.kind.as_str().to_owned(),
            auth_method: client.auth_method.as_str().to_owned(),
            jwks: client.jwks.as_ref().map(ToString::to_string).unwrap_or_default(),
            redirect_uris: lines(&client.redirect_uris),
            post_logout_redirect_uris: lines(&client.post_logout_redirect_uris),
            backchannel_logout_uri: client.backchannel_logout_uri.clone().unwrap_or_default(),
            grant: grants.join(" "),
            scope: client.scopes.to_string(),
            token_format: client.token_format.as_str().to_owned(),
            id_token_algorithm: client.id_token_algorithm.as_str().to_owned(),
            dpop_bound: if client.dpop_bound { "yes" } else { "" }.to_owned(),
        }
    }

    /// Which kind of app is to be registered.
    pub(super) fn kind(&self) -> Result<ClientKind, FieldErrors> {
        match self.kind.parse() {
            Ok(kind @ (ClientKind::Public | ClientKind::Confidential)) => Ok(kind),
            Ok(ClientKind::ResourceServer) | Err(_) => {
                Err(FieldErrors::of("kind", "Choose the type of the app."))
            }
        }
    }

    /// Understood, for an app of this kind; what the form does not show of `before` stays.
    pub(super) fn understand(
        &self,
        kind: ClientKind,
        before: Option<&Client>,
    ) -> Result<Profile, FieldErrors> {
        let mut errors = FieldErrors::default();
        let redirect_uris = uris(&mut errors, "redirect_uris", &self.redirect_uris);
        let post_logout = uris(&mut errors, "post_logout_redirect_uris", &self.post_logout_redirect_uris);
        let scopes = self.scope.parse().unwrap_or_else(|error| {
            errors.add("scope", format!("{error}"));
            ScopeSet::empty()
        });
        let kept = before.map(|client| client.scopes.clone()).unwrap_or_default();
        let kept: ScopeSet = kept.iter().filter(|scope| is_about_user(scope.as_str())).cloned().collect();
        let profile = Profile {
            name: self.name.clone(),
            website: filled(&self.website),
            auth_method: match kind {
                ClientKind::Public => AuthMethod::None,
                ClientKind::Confidential | ClientKind::ResourceServer => {
                    one_of(&mut errors, "auth_method", &self.auth_method, "Choose how the app proves itself.")
                        .unwrap_or(AuthMethod::ClientSecretBasic)
                }
            },
            jwks: filled(&self.jwks).and_then(|text| match text.parse() {
                Ok(keys) => Some(keys),
                Err(error) => {
                    errors.add("jwks", sentence(&error));
                    None
                }
            }),
            grant_types: self
                .grant
                .split(' ')
                .filter(|name| !name.is_empty())
                .filter_map(|name| {
                    one_of::<GrantType>(&mut errors, "grant", name, "Choose from the ways that are listed.")
                })
                .collect(),
            scopes: scopes.union(&kept),
            redirect_uris,
            post_logout_redirect_uris: post_logout,
            backchannel_logout_uri: filled(&self.backchannel_logout_uri),
            token_format: one_of(
                &mut errors,
                "token_format",
                &self.token_format,
                "Choose what access tokens look like.",
            )
            .unwrap_or(TokenFormat::Opaque),
            id_token_algorithm: one_of(
                &mut errors,
                "id_token_algorithm",
                &self.id_token_algorithm,
                "Choose what ID tokens are signed with.",
            )
            .unwrap_or(Algorithm::Rs256),
            dpop_bound: !self.dpop_bound.is_empty(),
        };
        errors.or(profile)
    }
}

fn lines(uris: &[RedirectUri]) -> String {
    let uris: Vec<&str> = uris.iter().map(RedirectUri::as_str).collect();
    uris.join("\n")
}

fn filled(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn one_of<T: FromStr>(
    errors: &mut FieldErrors,
    field: &'static str,
    text: &str,
    otherwise: &str,
) -> Option<T> {
    let found = text.parse().ok();
    if found.is_none() {
        errors.add(field, otherwise);
    }
    found
}

fn uris(errors: &mut FieldErrors, field: &'static str, text: &str) -> Vec<RedirectUri> {
    let mut uris = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.parse() {
            Ok(uri) => uris.push(uri),
            Err(error) => {
                let shown: String = line.chars().take(80).collect();
                errors.add(field, format!("{shown}: {error}"));
            }
        }
    }
    uris
}

/// What the person can mend, beside the field where they can; the rest is a page of its own.
pub(super) fn field_errors(error: ClientError) -> Result<FieldErrors, PageError> {
    let text = sentence(&error);
    let field = match error {
        ClientError::Name => "name",
        ClientError::RedirectUris | ClientError::NeedlessRedirectUris => "redirect_uris",
        ClientError::NoScopes | ClientError::UnknownScope(_) => "scope",
        ClientError::Mismatch(_) => "grant",
        ClientError::PostLogoutRedirectUris => "post_logout_redirect_uris",
        ClientError::BackchannelLogoutUri => "backchannel_logout_uri",
        ClientError::Website => "website",
        ClientError::NoKeys => "jwks",
        ClientError::TooMany | ClientError::TooManySecrets | ClientError::UnknownAudience(_) => "form",
        ClientError::NotFound => return Err(PageError::NotFound),
        ClientError::Store(error) => return Err(error.into()),
    };
    Ok(FieldErrors::of(field, text))
}

fn sentence(error: &impl Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let sentence = letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>());
    sentence.unwrap_or_default() + "."
}
