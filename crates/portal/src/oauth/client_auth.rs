//! Which client asks, and whether it is the one (RFC 6749 §2.3): by the one method that it was registered with.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_core::Timestamp;
use keyway_core::ids::{ClientId, ClientSecretId};
use keyway_core::oauth::{
    ASSERTION_TYPE, Assertion, AuthMethod, Client, ErrorCode, OauthError, claimed_client, verify_assertion,
};
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_store::StoreError;
use keyway_store::tables::spent_proofs::{self, Proof, ProofKind};
use keyway_store::tables::{client_secrets, clients};

use super::error::EndpointError;
use super::known_clients::{Found, KnownClient};
use crate::flows::params::Params;
use crate::state::Portal;

/// What a request presents.
struct Presented {
    client: String,
    evidence: Evidence,
}

enum Evidence {
    /// Nothing: a public client.
    None,
    Secret(PlainSecret, AuthMethod),
    Assertion(String),
}

impl Evidence {
    const fn method(&self) -> AuthMethod {
        match self {
            Self::None => AuthMethod::None,
            Self::Secret(_, method) => *method,
            Self::Assertion(_) => AuthMethod::PrivateKeyJwt,
        }
    }
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
    Ok(Client::clone(&identify(portal, request, params).await?.known.client))
}

/// The same, with what is remembered of it.
///
/// # Errors
/// As [`authenticate`].
pub async fn identify(
    portal: &Portal,
    request: &HttpRequest,
    params: &Params,
) -> Result<Found, EndpointError> {
    let presented = presented(request, params)?;
    let id: ClientId = presented.client.parse().map_err(|_| refused())?;
    let digest = match &presented.evidence {
        Evidence::Secret(secret, _) => Some(secret.digest()),
        Evidence::None | Evidence::Assertion(_) => None,
    };
    let (method, now) = (presented.evidence.method(), portal.clock.now());
    let known = &portal.known_clients;
    let remembered = known.remembered(portal, id).await;
    let (found, secret) = match remembered.and_then(|found| proven(found, method, digest, now)) {
        Some(proven) => proven,
        // Something may have been added since: whether to refuse is for the database to say.
        None => {
            let read = known.read(portal, id).await?;
            read.and_then(|found| proven(found, method, digest, now)).ok_or_else(refused)?
        }
    };
    if let Evidence::Assertion(assertion) = &presented.evidence {
        let client = &found.known.client;
        let assertion = match verified(portal, request, client, assertion, now) {
            Ok(assertion) => assertion,
            Err(error) if !found.remembered => return Err(error.into()),
            // Its keys may be others by now.
            Err(_) => {
                let found = known.read(portal, id).await?.ok_or_else(refused)?;
                let found = proven(found, method, None, now).ok_or_else(refused)?.0;
                verified(portal, request, &found.known.client, assertion, now)?
            }
        };
        spend(portal, client, assertion).await?;
    }
    touch(portal, &found.known, secret, now).await;
    Ok(found)
}

/// The client, if it is not suspended, asks by the method that it was registered with, and shows a secret that holds
/// where that is the method; and which secret.
fn proven(
    found: Found,
    method: AuthMethod,
    digest: Option<SecretDigest>,
    now: Timestamp,
) -> Option<(Found, Option<ClientSecretId>)> {
    let client = &found.known.client;
    if client.suspended_at.is_some() || client.auth_method != method {
        return None;
    }
    let secret = match digest {
        Some(digest) => Some(found.known.secret(&digest, now)?.id),
        None => None,
    };
    Some((found, secret))
}

/// One answer for every way of not being the client: which of them it was is nobody's business.
fn refused() -> OauthError {
    OauthError::new(ErrorCode::InvalidClient, "client authentication failed")
}

/// Checks an assertion (RFC 7523 §3), except that it may have been used before.
fn verified(
    portal: &Portal,
    request: &HttpRequest,
    client: &Client,
    assertion: &str,
    now: Timestamp,
) -> Result<Assertion, OauthError> {
    let issuer = portal.settings.public_url.as_str();
    let (token, here) = (format!("{issuer}/oauth/token"), format!("{issuer}{}", request.path()));
    let keys = client.jwks.as_ref().ok_or_else(refused)?;
    verify_assertion(assertion, keys, &client.id.to_string(), &[issuer, &token, &here], now)
        .map_err(|error| OauthError::new(ErrorCode::InvalidClient, error.to_string()))
}

/// Each assertion works once (RFC 7523 §3, point 7).
async fn spend(portal: &Portal, client: &Client, assertion: Assertion) -> Result<(), EndpointError> {
    let maker = client.id.to_string();
    let write = portal.store.write(move |tx| {
        let proof = Proof {
            kind: ProofKind::Assertion,
            maker: &maker,
            jti: &assertion.jti,
            expires_at: assertion.expires_at,
        };
        spent_proofs::spend(tx.conn(), &proof)
    });
    let unused: Result<bool, StoreError> = write.await;
    if unused? {
        return Ok(());
    }
    Err(EndpointError::oauth(ErrorCode::InvalidClient, "the client assertion was used before"))
}

/// When a client and its secret were last used is worth knowing, but no reason to refuse.
async fn touch(portal: &Portal, known: &KnownClient, secret: Option<ClientSecretId>, now: Timestamp) {
    let (id, due) = (known.client.id, known.touch(secret, now));
    if !due.client && due.secret.is_none() {
        return;
    }
    let touched: Result<(), StoreError> = portal
        .store
        .write(move |tx| {
            if due.client {
                clients::touch(tx.conn(), id, now)?;
            }
            due.secret.map_or(Ok(()), |secret| client_secrets::touch(tx.conn(), secret, now))
        })
        .await;
    if let Err(error) = touched {
        tracing::warn!(%error, "the use of a client was not remembered");
    }
}

fn presented(request: &HttpRequest, params: &Params) -> Result<Presented, OauthError> {
    let invalid = |text: &'static str| OauthError::new(ErrorCode::InvalidRequest, text);
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let header = headers.next();
    if headers.next().is_some() {
        return Err(invalid("more than one Authorization header"));
    }
    let (named, secret) = (params.get("client_id"), params.get("client_secret"));
    let asserted = params.get("client_assertion").is_some() || params.get("client_assertion_type").is_some();
    let ways = [header.is_some(), secret.is_some(), asserted];
    if ways.into_iter().filter(|way| *way).count() > 1 {
        return Err(invalid("the client authenticates in more than one way"));
    }
    if asserted {
        return by_assertion(params, named);
    }
    let Some(header) = header else {
        let client = named.ok_or_else(|| {
            OauthError::new(ErrorCode::InvalidClient, "authenticate with HTTP Basic, or name the client_id")
        })?;
        let evidence = secret.map_or(Evidence::None, |secret| {
            Evidence::Secret(PlainSecret::new(secret), AuthMethod::ClientSecretPost)
        });
        return Ok(Presented { client: client.to_owned(), evidence });
    };
    let malformed =
        || OauthError::new(ErrorCode::InvalidClient, "the Authorization header is not HTTP Basic");
    let (client, secret) = header.to_str().ok().and_then(basic).ok_or_else(malformed)?;
    if named.is_some_and(|named| named != client) {
        return Err(invalid("client_id and the Authorization header name different clients"));
    }
    Ok(Presented { client, evidence: Evidence::Secret(secret, AuthMethod::ClientSecretBasic) })
}

/// RFC 7521 §4.2: the assertion names the client; `client_id` may name it as well.
fn by_assertion(params: &Params, named: Option<&str>) -> Result<Presented, OauthError> {
    let assertion = params.require("client_assertion")?;
    if params.require("client_assertion_type")? != ASSERTION_TYPE {
        let text = format!("client_assertion_type has to be {ASSERTION_TYPE}");
        return Err(OauthError::new(ErrorCode::InvalidClient, text));
    }
    let client = claimed_client(assertion).ok_or_else(refused)?;
    if named.is_some_and(|named| named != client) {
        let text = "client_id and the client assertion name different clients";
        return Err(OauthError::new(ErrorCode::InvalidRequest, text));
    }
    Ok(Presented { client, evidence: Evidence::Assertion(assertion.to_owned()) })
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

    fn secret(presented: &Presented) -> (&str, AuthMethod) {
        match &presented.evidence {
            Evidence::Secret(secret, method) => (secret.expose(), *method),
            Evidence::None | Evidence::Assertion(_) => panic!("no secret"),
        }
    }

    #[test]
    fn basic_credentials_are_form_decoded_where_they_need_it() {
        let seen = asked(basic_of("a%3Ab:s%2Bc+d"), "").unwrap();
        assert_eq!(seen.client, "a:b");
        assert_eq!(secret(&seen), ("s+c d", AuthMethod::ClientSecretBasic));
        let seen = asked(basic_of("01a2-0c:keyway_cs_aB0=&~"), "").unwrap();
        assert_eq!(seen.client, "01a2-0c");
        assert_eq!(secret(&seen).0, "keyway_cs_aB0=&~");
    }

    #[test]
    fn two_ways_at_once_are_refused() {
        let kind = "client_assertion_type=x";
        for body in ["client_id=a&client_secret=b", "client_id=c", "client_assertion=x", kind] {
            let error = asked(basic_of("a:b"), body).err().unwrap();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{body}");
        }
        let error = asked(TestRequest::post(), "client_secret=b&client_assertion=x").err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn an_assertion_names_its_client() {
        let assertion = "e30.eyJzdWIiOiJhIn0.x";
        let body = |kind: &str, more: &str| {
            let kind: String = url::form_urlencoded::byte_serialize(kind.as_bytes()).collect();
            format!("client_assertion={assertion}&client_assertion_type={kind}{more}")
        };
        for more in ["", "&client_id=a"] {
            let seen = asked(TestRequest::post(), &body(ASSERTION_TYPE, more)).unwrap();
            assert_eq!((seen.client.as_str(), seen.evidence.method()), ("a", AuthMethod::PrivateKeyJwt));
        }
        let refused = |body: &str| asked(TestRequest::post(), body).err().unwrap().code;
        assert_eq!(refused(&body(ASSERTION_TYPE, "&client_id=b")), ErrorCode::InvalidRequest);
        assert_eq!(refused(&body("saml", "")), ErrorCode::InvalidClient);
        assert_eq!(refused(&format!("client_assertion={assertion}")), ErrorCode::InvalidRequest);
        assert_eq!(refused("client_assertion_type=x&client_id=a"), ErrorCode::InvalidRequest);
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
        let seen = asked(TestRequest::post(), "client_id=a").unwrap();
        assert_eq!(seen.evidence.method(), AuthMethod::None);
        let seen = asked(TestRequest::post(), "client_id=a&client_secret=b").unwrap();
        assert_eq!(secret(&seen), ("b", AuthMethod::ClientSecretPost));
    }
}
