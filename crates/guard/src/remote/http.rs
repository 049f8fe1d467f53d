//! Requests to the portal: authenticated, with time-outs, without redirects, answers bounded.

use std::sync::Arc;
use std::time::Duration;

use keyway_core::secret::PlainSecret;
use keyway_core::source::SourceError;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

/// To connect.
const CONNECT: Duration = Duration::from_secs(2);
/// For a whole answer, waiting for changes aside.
const ANSWER: Duration = Duration::from_secs(3);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Why an address cannot be a portal's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusablePortal {
    /// Not an absolute http or https URL.
    #[error("the portal's address is a URL, as https://keys.example.com")]
    NotAUrl,
    /// Plain HTTP to another machine.
    #[error("plain http is for a portal on this machine only; use https")]
    Unencrypted,
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// The portal, and who asks it.
#[derive(Clone)]
pub(super) struct Portal {
    client: Client,
    base: Arc<str>,
    client_id: Arc<str>,
    secret: PlainSecret,
}

impl std::fmt::Debug for Portal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Portal({} as {})", self.base, self.client_id)
    }
}

impl Portal {
    pub(super) fn new(url: &str, client_id: &str, secret: PlainSecret) -> Result<Self, UnusablePortal> {
        let parsed = Url::parse(url).map_err(|_| UnusablePortal::NotAUrl)?;
        match parsed.scheme() {
            "https" => {}
            "http" if is_loopback(&parsed) => {}
            "http" => return Err(UnusablePortal::Unencrypted),
            _ => return Err(UnusablePortal::NotAUrl),
        }
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("keyway-guard/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| UnusablePortal::Client(error.to_string()))?;
        Ok(Self { client, base: url.trim_end_matches('/').into(), client_id: client_id.into(), secret })
    }

    /// A GET, as nobody in particular.
    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        // Some proxy in between may keep answers; what is asked for is the present state.
        self.client.get(self.at(path)).header("Cache-Control", "no-cache").timeout(ANSWER)
    }

    /// A GET as this resource server, which may wait for `wait`.
    pub(super) fn get_as_self(&self, path: &str, wait: Duration) -> RequestBuilder {
        self.signed(self.get(path).timeout(ANSWER + wait))
    }

    /// A POST as this resource server.
    pub(super) fn post_as_self(&self, path: &str) -> RequestBuilder {
        self.signed(self.client.post(self.at(path)).timeout(ANSWER))
    }

    /// RFC 6749 §2.3.1: ids and secrets of ours consist of characters that form encoding leaves alone.
    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        request.basic_auth(&self.client_id, Some(self.secret.expose()))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Sends, and takes any answer but a success for a failure of its kind.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, SourceError> {
    let answer = request.send().await.map_err(|error| unavailable(&error))?;
    let status = answer.status();
    match status {
        _ if status.is_success() => Ok(answer),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(SourceError::Refused(format!("the portal answered {}", status.as_u16())))
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            Err(SourceError::Inconsistent(format!("the portal answered {}", status.as_u16())))
        }
        _ => Err(SourceError::Unavailable(format!("the portal answered {}", status.as_u16()))),
    }
}

/// Sends, and reads at most `max` bytes of JSON.
pub(super) async fn read<T: DeserializeOwned>(request: RequestBuilder, max: usize) -> Result<T, SourceError> {
    let mut answer = send(request).await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unavailable(&error))? {
        if body.len() + chunk.len() > max {
            return Err(SourceError::Inconsistent(format!("the portal's answer is larger than {max} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| SourceError::Inconsistent(error.to_string()))
}

/// Without the URL, whose query is nobody's business.
fn unavailable(error: &reqwest::Error) -> SourceError {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection to the portal"
    } else {
        "the connection to the portal failed"
    };
    SourceError::Unavailable(what.to_owned())
}
