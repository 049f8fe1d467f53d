//! Apps of other people: how they are registered, and how a user sends one a code.

use keyway_core::oauth::{AuthMethod, ClientKind, GrantType};
use keyway_portal::flows::clients::{self, NewClient, Profile, builtin_owner};

use super::actors::{OauthClient, Prover};
use super::app::TestApp;
use super::browser::Browser;
use super::reply::Reply;

/// Where the apps of the tests are sent their codes. Nobody listens there: redirects are answers like others.
pub const CALLBACK: &str = "https://app.example.com/callback";
/// RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An app that users authorise, with refresh tokens and opaque access tokens.
pub fn notebook(kind: ClientKind) -> NewClient {
    NewClient {
        owner: builtin_owner(),
        kind,
        audience: None,
        registration: None,
        profile: Profile {
            name: "Notebook".into(),
            auth_method: match kind {
                ClientKind::Public => AuthMethod::None,
                ClientKind::Confidential | ClientKind::ResourceServer => AuthMethod::ClientSecretBasic,
            },
            redirect_uris: vec![CALLBACK.parse().expect("a redirect URI")],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scopes: "notes:read notes:write".parse().expect("scopes"),
            ..Profile::default()
        },
    }
}

fn redemption<'f>(code: &'f str, verifier: &'f str) -> [(&'static str, &'f str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", verifier),
    ]
}

impl TestApp {
    /// Registers an app, as the operator.
    pub async fn client(&self, new: NewClient) -> OauthClient {
        let (act, catalogue, brand) =
            (self.house.command(), self.data.catalogue.clone(), self.data.shapes.brand.clone());
        let (client, secret) = self
            .house
            .store
            .write(move |tx| clients::register(tx, &act, &catalogue, &brand, new))
            .await
            .expect("a client");
        OauthClient {
            http: self.anonymous.http.clone(),
            portal: self.portal.clone(),
            id: client.id.to_string(),
            secret: secret.map(|secret| secret.expose().to_owned()),
        }
    }
}

impl OauthClient {
    /// A code for `scope`, after the user of `browser` has allowed it.
    pub async fn code(&self, browser: &Browser, scope: &str) -> String {
        self.code_with(browser, &[("scope", scope)]).await
    }

    /// The same, with what `more` asks for.
    pub async fn code_with(&self, browser: &Browser, more: &[(&str, &str)]) -> String {
        let reply = self.authorize(browser, more).await;
        let location: url::Url = reply.location().parse().expect("an address");
        let code = location.query_pairs().find(|(name, _)| name == "code");
        code.unwrap_or_else(|| panic!("no code: {location}")).1.into_owned()
    }

    /// What the user's browser is sent back with, consent given where it is asked.
    pub async fn authorize(&self, browser: &Browser, more: &[(&str, &str)]) -> Reply {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.id)
            .append_pair("redirect_uri", CALLBACK)
            .append_pair("code_challenge", CHALLENGE)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(more);
        browser.authorize(&format!("/oauth/authorize?{}", query.finish())).await
    }

    /// Redeems a code as it was asked for.
    pub async fn redeem(&self, code: &str) -> Reply {
        self.redeem_with(code, VERIFIER).await
    }
    /// With this verifier.
    pub async fn redeem_with(&self, code: &str, verifier: &str) -> Reply {
        self.token(&redemption(code, verifier)).await
    }
    /// With a proof of a key.
    pub async fn redeem_proven(&self, prover: &Prover, code: &str) -> Reply {
        self.token_proven(prover, &redemption(code, VERIFIER)).await
    }
    /// Asks for the next pair.
    pub async fn refresh(&self, token: &str) -> Reply {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
    /// With a proof of a key.
    pub async fn refresh_proven(&self, prover: &Prover, token: &str) -> Reply {
        self.token_proven(prover, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
}

impl Browser {
    /// Goes where an app sends its user, gives consent where it is asked, and returns what leads back to the app.
    pub async fn authorize(&self, address: &str) -> Reply {
        let reply = self.get(address).await;
        if reply.status != 200 {
            return reply;
        }
        self.submit_only(&Self::form(&reply, "/oauth/consent").add("decision", "allow")).await
    }
}
