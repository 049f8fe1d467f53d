//! Codes and refresh tokens for tokens (RFC 6749 §4.1.3 and §6), and their end (RFC 7009).

use std::sync::Arc;

use keyway_core::secret::PlainSecret;
use keyway_core::{Clock, Duration, Timestamp};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    ExtraTokenFields, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, StandardRevocableToken,
    StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Provider;
use super::definition::{Definition, Kind};
use super::error::ProviderError;
use super::http::{self, Guarded};
use super::identity::Tokens;
use super::service::Service;
use crate::outgoing::Outgoing;

/// The longest token that is taken.
const MAX_TOKEN_LEN: usize = 16 * 1024;
/// The longest lifetime that is believed: ten years.
const MAX_LIFETIME_SECONDS: u64 = 10 * 366 * 86_400;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

type Response = StandardTokenResponse<IdTokenField, BasicTokenType>;

pub(super) type Client = oauth2::Client<
    BasicErrorResponse,
    Response,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// The portal as this provider's client.
pub(super) fn client(
    definition: &Definition,
    service: &Service,
    redirect_uri: Option<&str>,
) -> Result<Client, ProviderError> {
    let mut client = oauth2::Client::new(ClientId::new(definition.client_id.clone()))
        .set_auth_type(service.auth.clone())
        .set_auth_uri(AuthUrl::new(service.authorization.clone()).map_err(|_| ProviderError::Unreachable)?)
        .set_token_uri(TokenUrl::new(service.token.clone()).map_err(|_| ProviderError::Unreachable)?);
    if let Some(secret) = &definition.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
    }
    if let Some(uri) = redirect_uri {
        client = client
            .set_redirect_uri(RedirectUrl::new(uri.to_owned()).map_err(|_| ProviderError::Unreachable)?);
    }
    Ok(client)
}

/// What a code brought.
pub(super) struct Redeemed {
    pub(super) tokens: Tokens,
    pub(super) id_token: Option<String>,
}

/// Redeems a code.
pub(super) async fn redeem(
    provider: &Definition,
    service: &Service,
    outgoing: &Outgoing,
    now: Timestamp,
    redirect_uri: &str,
    code: &str,
    verifier: &PlainSecret,
) -> Result<Redeemed, ProviderError> {
    let response = client(provider, service, Some(redirect_uri))?
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()))
        .request_async(&Guarded(outgoing.clone()))
        .await
        .map_err(|error| error_of(error, &ProviderError::CodeDied))?;
    let id_token = response.extra_fields().id_token.clone();
    let tokens = tokens_of(&response, &super::start::scopes(provider), now)?;
    Ok(Redeemed { tokens, id_token })
}

impl Provider {
    /// New tokens for a refresh token that `issuer` gave; without a new one of its own the answer keeps the old.
    ///
    /// # Errors
    /// [`ProviderError::GrantDied`] when the provider has ended what it granted.
    pub async fn refresh(
        &self,
        outgoing: &Outgoing,
        clock: &dyn Clock,
        issuer: &str,
        refresh_token: &PlainSecret,
        scopes: &[String],
    ) -> Result<Tokens, ProviderError> {
        let service = self.service_of(outgoing, clock, issuer).await?;
        let response = client(&self.definition, &service, None)?
            .exchange_refresh_token(&RefreshToken::new(refresh_token.expose().to_owned()))
            .request_async(&Guarded(outgoing.clone()))
            .await
            .map_err(|error| error_of(error, &ProviderError::GrantDied))?;
        let mut tokens = tokens_of(&response, scopes, clock.now())?;
        tokens.refresh.get_or_insert_with(|| refresh_token.clone());
        Ok(tokens)
    }

    /// Ends at the provider what it granted as `issuer`. `false` where it has no way to.
    ///
    /// # Errors
    /// When it does not answer or refuses.
    pub async fn revoke(
        &self,
        outgoing: &Outgoing,
        clock: &dyn Clock,
        issuer: &str,
        tokens: &Tokens,
    ) -> Result<bool, ProviderError> {
        let service = self.service_of(outgoing, clock, issuer).await?;
        let Some(url) = service.revocation.as_deref() else { return Ok(false) };
        let request = match self.definition.kind {
            Kind::Github => self.github_revocation(url, tokens),
            _ => self.revocation(url, &service, tokens),
        };
        let request = request.map_err(|_| ProviderError::Unreachable)?;
        let answer = http::send(outgoing, request).await?;
        match answer.status().as_u16() {
            200..300 => Ok(true),
            // GitHub's for a token that it does not know (any more).
            404 | 422 if self.definition.kind == Kind::Github => Ok(true),
            401 => Err(ProviderError::ClientRefused),
            _ => Err(refusal(answer.body(), &ProviderError::GrantDied)),
        }
    }

    /// Where the provider is, if it is still the one that gave something: another must not see it.
    async fn service_of(
        &self,
        outgoing: &Outgoing,
        clock: &dyn Clock,
        issuer: &str,
    ) -> Result<Arc<Service>, ProviderError> {
        let service = self.service(outgoing, clock).await?;
        if service.issuer.has_been(issuer) { Ok(service) } else { Err(ProviderError::Replaced) }
    }

    /// RFC 7009 §2.1. The refresh token's end is that of its access tokens, as far as the provider can.
    fn revocation(
        &self,
        url: &str,
        service: &Service,
        tokens: &Tokens,
    ) -> Result<oauth2::HttpRequest, oauth2::http::Error> {
        let (token, hint) = match &tokens.refresh {
            Some(refresh) => (refresh, "refresh_token"),
            None => (&tokens.access, "access_token"),
        };
        let definition = &self.definition;
        let mut request = oauth2::http::Request::post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.expose()).append_pair("token_type_hint", hint);
        match (&definition.client_secret, &service.auth) {
            (Some(secret), AuthType::BasicAuth) => {
                request = request.header(AUTHORIZATION, basic(&definition.client_id, secret));
            }
            (Some(secret), _) => {
                form.append_pair("client_id", &definition.client_id);
                form.append_pair("client_secret", secret.expose());
            }
            (None, _) => {
                form.append_pair("client_id", &definition.client_id);
            }
        }
        request.body(form.finish().into_bytes())
    }

    /// GitHub's REST API: "Delete an app authorization".
    fn github_revocation(
        &self,
        url: &str,
        tokens: &Tokens,
    ) -> Result<oauth2::HttpRequest, oauth2::http::Error> {
        let mut request = oauth2::http::Request::delete(url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, super::github::ACCEPTED);
        if let Some(secret) = &self.definition.client_secret {
            request = request.header(AUTHORIZATION, basic(&self.definition.client_id, secret));
        }
        request.body(json!({ "access_token": tokens.access.expose() }).to_string().into_bytes())
    }
}

/// RFC 6749 §2.3.1: both halves are encoded as in a form first.
fn basic(id: &str, secret: &PlainSecret) -> String {
    use base64::Engine as _;
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret.expose()));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

fn tokens_of(response: &Response, asked: &[String], now: Timestamp) -> Result<Tokens, ProviderError> {
    let token = |text: &str| {
        let good =
            !text.is_empty() && text.len() <= MAX_TOKEN_LEN && text.bytes().all(|b| b.is_ascii_graphic());
        good.then(|| PlainSecret::new(text)).ok_or(ProviderError::Nonsense)
    };
    let lifetime = response
        .expires_in()
        .and_then(|span| i64::try_from(span.as_secs().min(MAX_LIFETIME_SECONDS)).ok())
        .map(Duration::seconds);
    // RFC 6749 §5.1: left out if it is what was asked. GitHub separates with commas.
    let scopes = response.scopes().map(|granted| {
        let each = granted.iter().flat_map(|scope| scope.split(',')).map(str::trim);
        let plain =
            |scope: &&str| (1..=255).contains(&scope.len()) && scope.bytes().all(|b| b.is_ascii_graphic());
        each.filter(plain).take(100).map(str::to_owned).collect()
    });
    Ok(Tokens {
        access: token(response.access_token().secret())?,
        refresh: response.refresh_token().map(|refresh| token(refresh.secret())).transpose()?,
        expires_at: lifetime.map(|lifetime| now + lifetime),
        scopes: scopes.unwrap_or_else(|| asked.to_vec()),
    })
}

/// `dead` is what a spent or ended grant means here.
fn error_of(
    error: RequestTokenError<ProviderError, BasicErrorResponse>,
    dead: &ProviderError,
) -> ProviderError {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(response) => of_code(response.error().as_ref(), dead),
        // GitHub's refusals come with 200.
        RequestTokenError::Parse(_, body) => refusal(&body, dead),
        RequestTokenError::Other(_) => ProviderError::Nonsense,
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

fn refusal(body: &[u8], dead: &ProviderError) -> ProviderError {
    serde_json::from_slice::<Refusal>(body)
        .map_or(ProviderError::Nonsense, |refusal| of_code(&refusal.error, dead))
}

fn of_code(code: &str, dead: &ProviderError) -> ProviderError {
    match code {
        // The last two are GitHub's.
        "invalid_grant" | "bad_verification_code" | "bad_refresh_token" => dead.clone(),
        other => ProviderError::from_code(other),
    }
}
