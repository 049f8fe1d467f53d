//! The way to a provider: the authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_core::secret::PlainSecret;
use keyway_core::{Clock, Random};
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};
use zeroize::Zeroizing;

use super::Provider;
use super::definition::{Definition, Kind};
use super::error::ProviderError;
use super::identity::{Asked, FlowSecrets, Start};
use super::tokens;
use crate::outgoing::Outgoing;

impl Provider {
    /// Where to send the browser, to come back to `redirect_uri`.
    ///
    /// # Errors
    /// When the provider cannot be found.
    pub async fn start(
        &self,
        outgoing: &Outgoing,
        clock: &dyn Clock,
        random: &dyn Random,
        redirect_uri: &str,
        asked: Asked,
    ) -> Result<Start, ProviderError> {
        let service = self.service(outgoing, clock).await?;
        let definition = &self.definition;
        let secrets = FlowSecrets {
            state: secret(random),
            nonce: secret(random),
            verifier: secret(random),
            fresh_since: asked.max_age_zero.then(|| clock.now()),
        };
        let verifier = PkceCodeVerifier::new(secrets.verifier.expose().to_owned());
        let state = CsrfToken::new(secrets.state.expose().to_owned());
        let client = tokens::client(definition, &service, Some(redirect_uri))?;
        let mut request = client
            .authorize_url(|| state)
            .add_scopes(scopes(definition).into_iter().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        if definition.is_openid() {
            request = request.add_extra_param("nonce", secrets.nonce.expose().to_owned());
            if asked.max_age_zero {
                request = request.add_extra_param("max_age", "0");
            }
            if let Some(hint) = asked.login_hint {
                request = request.add_extra_param("login_hint", hint);
            }
            if definition.kind == Kind::Google && definition.keep_tokens {
                // Google's words for a refresh token, each time.
                request =
                    request.add_extra_param("access_type", "offline").add_extra_param("prompt", "consent");
            }
        } else if let (Kind::Github, Some(hint)) = (definition.kind, asked.login_hint) {
            request = request.add_extra_param("login", hint);
        }
        let (url, _) = request.url();
        Ok(Start { url: url.into(), secrets })
    }
}

/// What is asked for. OpenID Connect's own scope is never left out.
pub(super) fn scopes(definition: &Definition) -> Vec<String> {
    let own = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let mut scopes: Vec<String> = match (definition.kind, definition.scopes.is_empty()) {
        (_, false) => definition.scopes.clone(),
        (Kind::Github, true) => own(&["user:email"]),
        (Kind::Oauth2, true) => Vec::new(),
        (Kind::Oidc | Kind::Google | Kind::Gitlab | Kind::Microsoft, true) => {
            own(&["openid", "profile", "email"])
        }
    };
    if definition.is_openid() && !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    scopes
}

/// 256 random bits, base64url.
fn secret(random: &dyn Random) -> PlainSecret {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    random.fill(bytes.as_mut_slice());
    PlainSecret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}
