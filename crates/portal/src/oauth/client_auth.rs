//! Which client asks, and whether it is the one (RFC 6749 §2.3): by the one method that it was registered with.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_core::Duration;
use keyway_core::ids::{ClientId, ClientSecretId};
use keyway_core::oauth::{AuthMethod, Client, ErrorCode, OauthError};
use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::tables::{client_secrets, clients};

use super::error::EndpointError;
use super::params::Params;
use crate::state::Portal;

/// How exactly the last use of a secret is remembered.
const TOUCH_AFTER: Duration = Duration::minutes(1);

/// What a request presents.
struct Presented {
    client: String,
    secret: Option<PlainSecret>,
    method: AuthMethod,
}

/// The client that sent `request`, authenticated.
///
/// # Errors
/// `invalid_client` (401) if it is unknown, suspended, or does not prove who it is as it was registered to;
/// `invalid_request` if it presents itself in more than one way.
pub async fn authenticate(
    portal: &Portal,
    request: &HttpRequest,
    params: &Params,
) -> Result<Client, EndpointError> {
    let presented = presented(request, params)?;
    // One answer for every way of not being the client: which of them it was is nobody's business.
    let refused = || OauthError::new(ErrorCode::InvalidClient, "client authentication failed");
    let id: ClientId = presented.client.parse().map_err(|_| refused())?;
    let now = portal.clock.now();
    let (client, secrets) = portal
        .store
        .read(move |conn| {
            let client = clients::find(conn, id)?;
            let secrets = client_secrets::list(conn, id, now)?;
            Ok::<_, StoreError>((client, secrets))
        })
        .await?;
    let digest = presented.secret.as_ref().map(PlainSecret::digest);
    let used = secrets.iter().find(|secret| digest.is_some_and(|digest| digest == secret.digest));
    let client = client.filter(|c| c.suspended_at.is_none() && c.auth_method == presented.method);
    let proven = match presented.method {
        AuthMethod::None => true,
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => used.is_some(),
        AuthMethod::PrivateKeyJwt => false,
    };
    let client = client.filter(|_| proven).ok_or_else(refused)?;
    if let Some(secret) = used.filter(|s| s.last_used_at.is_none_or(|at| now.since(at) > TOUCH_AFTER)) {
        touch(portal, secret.id).await;
    }
    Ok(client)
}

/// When a secret was last used is worth knowing, but no reason to refuse.
async fn touch(portal: &Portal, id: ClientSecretId) {
    let now = portal.clock.now();
    let touched: Result<(), StoreError> =
        portal.store.write(move |tx| client_secrets::touch(tx.conn(), id, now)).await;
    if let Err(error) = touched {
        tracing::warn!(%error, "the use of a client secret was not remembered");
    }
}

fn presented(request: &HttpRequest, params: &Params) -> Result<Presented, OauthError> {
    let invalid = |text: &'static str| OauthError::new(ErrorCode::InvalidRequest, text);
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let header = headers.next();
    if headers.next().is_some() {
        return Err(invalid("more than one Authorization header"));
    }
    if params.get("client_assertion").is_some() || params.get("client_assertion_type").is_some() {
        return Err(OauthError::new(ErrorCode::InvalidClient, "client assertions are not supported"));
    }
    let (named, secret) = (params.get("client_id"), params.get("client_secret"));
    let Some(header) = header else {
        let client = named.ok_or_else(|| {
            OauthError::new(ErrorCode::InvalidClient, "authenticate with HTTP Basic, or name the client_id")
        })?;
        let method = if secret.is_some() { AuthMethod::ClientSecretPost } else { AuthMethod::None };
        return Ok(Presented { client: client.to_owned(), secret: secret.map(PlainSecret::new), method });
    };
    if secret.is_some() {
        return Err(invalid("the client authenticates in more than one way"));
    }
    let malformed =
        || OauthError::new(ErrorCode::InvalidClient, "the Authorization header is not HTTP Basic");
    let (client, secret) = header.to_str().ok().and_then(basic).ok_or_else(malformed)?;
    if named.is_some_and(|named| named != client) {
        return Err(invalid("client_id and the Authorization header name different clients"));
    }
    Ok(Presented { client, secret: Some(secret), method: AuthMethod::ClientSecretBasic })
}

/// The credentials of HTTP Basic, each of them form-encoded before (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, PlainSecret)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = zeroize::Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (client, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((form_decoded(client)?, PlainSecret::new(form_decoded(secret)?)))
}

/// One form-encoded value. Ours consist of characters that need no encoding: what is not encoded reads the same.
fn form_decoded(text: &str) -> Option<String> {
    let text = text.replace('&', "%26").replace('=', "%3D");
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    let value = pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default();
    (!value.contains(char::REPLACEMENT_CHARACTER)).then_some(value)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(request: TestRequest, body: &str) -> Result<Presented, OauthError> {
        presented(&request.to_http_request(), &Params::parse(body.as_bytes()).unwrap())
    }

    fn basic_of(text: &str) -> TestRequest {
        TestRequest::post().insert_header((AUTHORIZATION, format!("Basic {}", STANDARD.encode(text))))
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let seen = asked(basic_of("a%3Ab:s%2Bc+d"), "").unwrap();
        assert_eq!(seen.client, "a:b");
        assert_eq!(seen.secret.unwrap().expose(), "s+c d");
        assert_eq!(seen.method, AuthMethod::ClientSecretBasic);
    }

    #[test]
    fn two_ways_at_once_are_refused() {
        let error = asked(basic_of("a:b"), "client_id=a&client_secret=b").err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        let error = asked(basic_of("a:b"), "client_id=c").err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn what_is_no_basic_header_is_no_client() {
        for header in ["Bearer x", "Basic", "Basic !!", "Basic YQ=="] {
            let request = TestRequest::post().insert_header((AUTHORIZATION, header));
            assert_eq!(asked(request, "").err().unwrap().code, ErrorCode::InvalidClient, "{header}");
        }
        assert_eq!(asked(TestRequest::post(), "").err().unwrap().code, ErrorCode::InvalidClient);
    }

    #[test]
    fn a_body_with_a_secret_is_the_post_method_and_without_it_is_none() {
        assert_eq!(asked(TestRequest::post(), "client_id=a").unwrap().method, AuthMethod::None);
        let seen = asked(TestRequest::post(), "client_id=a&client_secret=b").unwrap();
        assert_eq!(seen.method, AuthMethod::ClientSecretPost);
    }
}
