//! The one client through which the portal speaks to other hosts: https (plain http on a loopback host where the
//! portal itself is on one), no redirects, no proxies, private networks refused unless listed, 3 s, 64 kB.
//!
//! An address is judged after resolution and is the one that is connected to: a name cannot point elsewhere in between.

mod resolve;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use keyway_core::address::AddressList;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use reqwest::{Client, Request, RequestBuilder, StatusCode, Url, redirect};
use zeroize::Zeroizing;

pub use resolve::is_public;
use resolve::{Guarded, Policy};

/// For a whole exchange.
const TIME: Duration = Duration::from_secs(3);
/// The largest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// Why another host has not answered. Nothing that it sent is in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    /// No https URL with a host.
    #[error("not an https URL")]
    Url,
    /// An address that the portal does not speak to.
    #[error("the address is in a private network")]
    Private,
    /// No answer within three seconds.
    #[error("no answer within 3 seconds")]
    Late,
    /// No connection, or a broken one.
    #[error("no connection")]
    Connection,
    /// More than [`MAX_ANSWER`].
    #[error("the answer is too large")]
    TooLarge,
    /// The client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client,
}

/// What another host answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status. A redirect is not followed.
    pub status: StatusCode,
    /// Its `Content-Type`, if it has one that can be read.
    pub content_type: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Speaks to other hosts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outgoing {
    client: Client,
    policy: Arc<Policy>,
}

impl Outgoing {
    /// Loopback hosts are spoken to, without TLS too, where the portal itself is on one; private networks where
    /// `networks` lists them.
    ///
    /// # Errors
    /// [`OutgoingError::Client`] when the TLS library cannot be set up.
    pub fn new(loopback: bool, networks: AddressList) -> Result<Self, OutgoingError> {
        let policy = Arc::new(Policy { loopback, networks });
        let client = Client::builder()
            .dns_resolver(Arc::new(Guarded(Arc::clone(&policy))))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(TIME)
            .connect_timeout(TIME)
            .user_agent(concat!("keyway/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| OutgoingError::Client)?;
        Ok(Self { client, policy })
    }

    /// Whether `url` may be called at all, as far as can be told without resolving its host.
    ///
    /// # Errors
    /// [`OutgoingError::Url`] or [`OutgoingError::Private`].
    pub fn check(&self, url: &str) -> Result<Url, OutgoingError> {
        let url = Url::parse(url).map_err(|_| OutgoingError::Url)?;
        let host = url.host_str().ok_or(OutgoingError::Url)?;
        let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let on_loopback = crate::settings::is_loopback_name(host);
        match url.scheme() {
            "https" => {}
            "http" if on_loopback && self.policy.loopback => {}
            _ => return Err(OutgoingError::Url),
        }
        // A literal address is connected to without asking the resolver.
        if literal.is_some_and(|address| !self.policy.allows(address)) {
            return Err(OutgoingError::Private);
        }
        Ok(url)
    }

    /// Sends a form by POST.
    ///
    /// # Errors
    /// See [`OutgoingError`]; an answer of any status is none.
    pub async fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Result<Answer, OutgoingError> {
        self.post_form_with(url, &[], fields).await
    }

    /// The same with further headers.
    ///
    /// # Errors
    /// See [`OutgoingError`]; an answer of any status is none.
    pub async fn post_form_with(
        &self,
        url: &str,
        headers: &[(HeaderName, &str)],
        fields: &[(&str, &str)],
    ) -> Result<Answer, OutgoingError> {
        let body = Zeroizing::new(form_encoded(fields));
        let mut request = self
            .client
            .post(self.check(url)?)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.as_bytes().to_vec());
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        exchange(request).await
    }

    /// Gets what lies at `url`.
    ///
    /// # Errors
    /// See [`OutgoingError`]; an answer of any status is none.
    pub async fn get(&self, url: &str, headers: &[(HeaderName, &str)]) -> Result<Answer, OutgoingError> {
        let mut request = self.client.get(self.check(url)?);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        exchange(request).await
    }

    /// Sends a request made elsewhere.
    ///
    /// # Errors
    /// See [`OutgoingError`]; an answer of any status is none.
    pub async fn send(&self, request: Request) -> Result<Answer, OutgoingError> {
        self.check(request.url().as_str())?;
        exchange(RequestBuilder::from_parts(self.client.clone(), request)).await
    }
}

fn form_encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

async fn exchange(request: RequestBuilder) -> Result<Answer, OutgoingError> {
    let mut answer = request.send().await.map_err(|error| kind_of(&error))?;
    let (status, mut body) = (answer.status(), Vec::new());
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    while let Some(chunk) = answer.chunk().await.map_err(|error| kind_of(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(OutgoingError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, content_type, body })
}

fn kind_of(error: &reqwest::Error) -> OutgoingError {
    if error.is_timeout() {
        return OutgoingError::Late;
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<resolve::NoPublicAddress>() {
            return OutgoingError::Private;
        }
        source = cause.source();
    }
    OutgoingError::Connection
}

#[cfg(test)]
mod tests;
