//! A provider's endpoints over the guarded client.

use std::pin::Pin;

use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use serde::de::DeserializeOwned;

use super::error::{ErrorCode, ProviderError};
use crate::outgoing::{Answer, Outgoing};

/// The guarded client as `oauth2` calls one.
pub(super) struct Guarded(pub(super) Outgoing);

impl<'c> AsyncHttpClient<'c> for Guarded {
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ProviderError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(send(&self.0, request))
    }
}

pub(super) async fn send(outgoing: &Outgoing, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
    let request = reqwest::Request::try_from(request).map_err(|_| ProviderError::Unreachable)?;
    let answer = usable(outgoing.send(request).await?)?;
    let mut response = oauth2::http::Response::builder().status(answer.status);
    if let Some(kind) = answer.content_type {
        response = response.header(CONTENT_TYPE, kind);
    }
    response.body(answer.body).map_err(|_| ProviderError::Nonsense)
}

/// A JSON document, with a bearer token if one is given.
pub(super) async fn get<T: DeserializeOwned>(
    outgoing: &Outgoing,
    url: &str,
    bearer: Option<&str>,
    headers: &[(HeaderName, &str)],
) -> Result<T, ProviderError> {
    let bearer = bearer.map(|token| format!("Bearer {token}"));
    let mut all = headers.to_vec();
    if !headers.iter().any(|(name, _)| *name == ACCEPT) {
        all.push((ACCEPT, "application/json"));
    }
    all.extend(bearer.as_deref().map(|bearer| (AUTHORIZATION, bearer)));
    let answer = usable(outgoing.get(url, &all).await?)?;
    if !answer.status.is_success() {
        return Err(ProviderError::Refused { code: ErrorCode::status(answer.status.as_u16()) });
    }
    serde_json::from_slice(&answer.body).map_err(|_| ProviderError::Nonsense)
}

/// Neither trouble nor a redirect, which is not followed.
fn usable(answer: Answer) -> Result<Answer, ProviderError> {
    match answer.status {
        status if status.is_server_error() || status.as_u16() == 429 => Err(ProviderError::Down),
        status if status.is_redirection() => Err(ProviderError::Nonsense),
        _ => Ok(answer),
    }
}
