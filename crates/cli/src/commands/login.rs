//! `keyway login`: the authorization code grant as a native app does it (RFC 8252), through the `oauth2` crate and
//! the built-in public client; `keyway logout` revokes what it got (RFC 7009).

use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, CsrfToken, EndpointNotSet, EndpointSet, PkceCodeChallenge,
    RedirectUrl, Scope, TokenUrl, reqwest,
};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::output::say_beside;

/// The built-in public client.
pub(super) const CLIENT: &str = "keyway-cli";
/// How long a person may take in the browser.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The longest request line and headers that a browser's callback is read to.
const MAX_CALLBACK: usize = 16 * 1024;

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// What to ask for.
#[derive(Clone, Debug)]
pub struct LoginRequest {
    /// The portal's public URL, which is the issuer.
    pub public_url: String,
    /// Scopes; none asks for those of `resource`.
    pub scopes: Vec<String>,
    /// The API (RFC 8707).
    pub resource: Option<String>,
    /// Whether to try to open a browser.
    pub open_browser: bool,
}

/// The token response of RFC 6749 §5.1, and whose it is.
#[derive(Clone, Debug, Serialize)]
pub struct LoginResult {
    /// To call the API with.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds until the access token ends.
    pub expires_in: Option<u64>,
    /// To get the next pair with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The client that holds them.
    pub client_id: &'static str,
}

/// Signs in through the browser.
///
/// # Errors
/// When the portal cannot be reached, the person says no or takes longer than ten minutes, or the answer is not from
/// this portal.
pub async fn login(request: &LoginRequest) -> anyhow::Result<LoginResult> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no loopback port is free")?;
    let port = listener.local_addr()?.port();
    let client = client(&request.public_url)?
        .set_redirect_uri(RedirectUrl::new(format!("http://127.0.0.1:{port}/callback"))?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut asking = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge);
    for scope in &request.scopes {
        asking = asking.add_scope(Scope::new(scope.clone()));
    }
    if let Some(resource) = &request.resource {
        asking = asking.add_extra_param("resource", resource);
    }
    let (address, state) = asking.url();
    say_beside(&format!("Open this address in your browser to sign in:\n\n  {address}\n"));
    if request.open_browser {
        open(address.as_str());
    }
    let answer = tokio::time::timeout(PATIENCE, callback(&listener, &request.public_url, &state));
    let code = answer.await.context("nobody signed in within ten minutes")??;
    let mut exchange = client.exchange_code(AuthorizationCode::new(code)).set_pkce_verifier(verifier);
    if let Some(resource) = &request.resource {
        exchange = exchange.add_extra_param("resource", resource);
    }
    let tokens = exchange.request_async(&http_client()?).await.context("the portal gave no token")?;
    Ok(result(&tokens))
}

/// Revokes a refresh token and all that came of it. `text` is the token, or the JSON that [`login`] printed; without
/// it, either is read from standard input.
///
/// # Errors
/// When there is no token, or the portal cannot be reached.
pub async fn logout(public_url: &str, text: Option<String>) -> anyhow::Result<()> {
    let text = match text {
        Some(text) => text,
        None => {
            let mut text = String::new();
            std::io::stdin().lock().take(64 * 1024).read_to_string(&mut text)?;
            text
        }
    };
    let token = refresh_token(&text).context("give the refresh token, or what `keyway login` printed")?;
    // Not through the `oauth2` crate: it revokes over https alone, and a portal on this machine has none.
    let form = [("token", token.as_str()), ("token_type_hint", "refresh_token"), ("client_id", CLIENT)];
    let answer = http_client()?.post(at(public_url, "/oauth/revoke")).form(&form).send().await;
    let status = answer.context("the portal cannot be reached")?.status();
    ensure!(status.is_success(), "the portal did not revoke the token: it answered {status}");
    Ok(())
}

fn refresh_token(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('{') {
        let answer: serde_json::Value = serde_json::from_str(text).ok()?;
        return answer.get("refresh_token")?.as_str().map(str::to_owned);
    }
    (!text.is_empty() && !text.contains(char::is_whitespace)).then(|| text.to_owned())
}

fn client(public_url: &str) -> anyhow::Result<Client> {
    Ok(BasicClient::new(ClientId::new(CLIENT.to_owned()))
        .set_auth_uri(AuthUrl::new(at(public_url, "/oauth/authorize"))?)
        .set_token_uri(TokenUrl::new(at(public_url, "/oauth/token"))?)
        // A public client names itself in the body.
        .set_auth_type(oauth2::AuthType::RequestBody))
}

pub(super) fn at(public_url: &str, path: &str) -> String {
    format!("{}{path}", public_url.trim_end_matches('/'))
}

pub(super) fn http_client() -> anyhow::Result<reqwest::Client> {
    // Following a redirect could carry the code elsewhere.
    let builder = reqwest::ClientBuilder::new().redirect(reqwest::redirect::Policy::none());
    Ok(builder.timeout(Duration::from_secs(15)).build()?)
}

pub(super) fn result(tokens: &oauth2::basic::BasicTokenResponse) -> LoginResult {
    use oauth2::TokenResponse as _;
    let scopes = tokens.scopes().map(|list| list.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" "));
    LoginResult {
        access_token: tokens.access_token().secret().clone(),
        token_type: "Bearer".to_owned(),
        expires_in: tokens.expires_in().map(|d| d.as_secs()),
        refresh_token: tokens.refresh_token().map(|t| t.secret().clone()),
        scope: scopes,
        client_id: CLIENT,
    }
}

/// Waits for the browser to come back with the code for `state`. Other requests on the port are answered with 404.
async fn callback(listener: &TcpListener, issuer: &str, state: &CsrfToken) -> anyhow::Result<String> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let Some(query) = read_callback(&mut stream).await else {
            answer(&mut stream, "404 Not Found", "Nothing is here.").await;
            continue;
        };
        let result = code_of(&query, issuer, state);
        let text = match &result {
            Ok(_) => "You are signed in. You can close this window and go back to the terminal.",
            Err(_) => "Signing in did not work. The terminal says why. You can close this window.",
        };
        answer(&mut stream, "200 OK", text).await;
        return result;
    }
}

/// The query of `GET /callback?…`; `None` for anything else.
async fn read_callback(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut buffer = [0_u8; 2048];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        let reading = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer));
        let read = reading.await.ok()?.ok()?;
        if read == 0 || head.len() > MAX_CALLBACK {
            return None;
        }
        head.extend_from_slice(buffer.get(..read)?);
    }
    let line = std::str::from_utf8(&head).ok()?.lines().next()?.to_owned();
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    target.strip_prefix("/callback?").map(str::to_owned)
}

/// The code in a callback's query: only with our state and, since the portal says who it is (RFC 9207), its issuer.
fn code_of(query: &str, issuer: &str, state: &CsrfToken) -> anyhow::Result<String> {
    let (mut code, mut seen_state, mut iss, mut error, mut description) = (None, None, None, None, None);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let place = match name.as_ref() {
            "code" => &mut code,
            "state" => &mut seen_state,
            "iss" => &mut iss,
            "error" => &mut error,
            "error_description" => &mut description,
            _ => continue,
        };
        *place = Some(value.into_owned());
    }
    ensure!(seen_state.as_deref() == Some(state.secret()), "the answer does not belong to this request");
    ensure!(iss.as_deref() == Some(issuer.trim_end_matches('/')), "the answer is not from this portal");
    if let Some(error) = error {
        bail!("{}", description.unwrap_or(error));
    }
    code.context("the answer holds no code")
}

async fn answer(stream: &mut TcpStream, status: &str, text: &str) {
    let page = format!("<!doctype html><meta charset=utf-8><title>Keyway</title><p>{text}</p>");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n",
        page.len()
    );
    // The browser may be gone already; the code has been read.
    drop(stream.write_all(format!("{head}{page}").as_bytes()).await);
    drop(stream.shutdown().await);
}

/// Tries the usual openers; where there is none, the address was printed.
fn open(address: &str) {
    for program in ["xdg-open", "open"] {
        let quiet = std::process::Stdio::null;
        let mut command = std::process::Command::new(program);
        if command.arg(address).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().is_ok() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "http://localhost:8080";

    fn read(query: &str) -> anyhow::Result<String> {
        code_of(query, ISSUER, &CsrfToken::new("s1".into()))
    }

    #[test]
    fn a_code_counts_only_with_our_state_and_issuer() {
        assert_eq!(read("code=c&state=s1&iss=http%3A%2F%2Flocalhost%3A8080").unwrap(), "c");
        assert!(read("code=c&state=s2&iss=http%3A%2F%2Flocalhost%3A8080").is_err());
        assert!(read("code=c&state=s1&iss=http%3A%2F%2Felsewhere").is_err());
        assert!(read("code=c&state=s1").is_err());
    }

    #[test]
    fn a_refusal_is_told_in_its_own_words() {
        let query =
            "error=access_denied&error_description=The+user+said+no&state=s1&iss=http://localhost:8080";
        assert_eq!(read(query).unwrap_err().to_string(), "The user said no");
    }

    #[test]
    fn logout_reads_a_token_or_what_login_printed() {
        assert_eq!(refresh_token(" keyway_rt_x \n").as_deref(), Some("keyway_rt_x"));
        assert_eq!(refresh_token(r#"{"refresh_token":"r"}"#).as_deref(), Some("r"));
        assert_eq!(refresh_token("two words"), None);
        assert_eq!(refresh_token(""), None);
    }
}
