use std::net::IpAddr;
use std::sync::Arc;

use keyway_core::facts::Facts;
use keyway_core::ids::{ClientId, FamilyId, GrantId, OwnerId, SessionId};
use keyway_core::jwt::Algorithm;
use keyway_core::jwt::{Purpose, VerificationKeys, Verified, verify};
use keyway_core::oauth::pkce::Challenge;
use keyway_core::oauth::{
    AuthMethod, CODE_LIFETIME, Client, ClientKind, ClientOrigin, ErrorCode, Grant, GrantType, TokenFormat,
};
use keyway_core::owner::{Owner, OwnerKind};
use keyway_core::scope::ScopeSet;
use keyway_core::secret::PlainSecret;
use keyway_core::{Clock as _, Timestamp, credential};
use keyway_store::StoreError;
use keyway_store::tables::accounts::{self, Account};
use keyway_store::tables::audit::Actor;
use keyway_store::tables::codes::AuthorizationCode;
use keyway_store::tables::families::{self as table, Family};
use keyway_store::tables::{clients as client_table, codes, grants, outbox, owners};
use keyway_store::testing::Backend;

use crate::flows::tokens::{Answer, TokenError, code, refresh};
use crate::flows::{Act, clients, jwt};
use crate::settings::Settings;
use crate::testing::TestPortal;

/// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const CALLBACK: &str = "https://app.example.com/callback";
pub(crate) const HERE: &str = "192.0.2.7";

/// A portal with its built-in client, signing keys, and one person.
pub(crate) struct World {
    pub(crate) it: TestPortal,
    pub(crate) owner: OwnerId,
}

impl World {
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with(backend, |_| {}).await
    }

    /// With other settings.
    pub(crate) async fn with(backend: Backend, change: impl FnOnce(&mut Settings)) -> Self {
        let it = TestPortal::new(backend, change);
        let owner = OwnerId::new(it.portal.now(), &*it.portal.random);
        let world = Self { it, owner };
        let (act, catalogue) = (world.act(), Arc::clone(&world.it.portal.catalogue));
        let portal = &world.it.portal;
        portal.store.write(move |tx| clients::ensure_builtin(tx, &act, &catalogue)).await.unwrap();
        jwt::ensure(&portal.store, &portal.issuance.ring, world.act(), &[Purpose::AccessToken])
            .await
            .unwrap();
        let now = portal.now();
        portal
            .store
            .write::<_, StoreError, _>(move |tx| {
                let kind = OwnerKind::Person;
                let name = "Ada".to_owned();
                owners::insert(
                    tx.conn(),
                    &Owner { id: owner, kind, name, suspended_at: None, rate: None, created_at: now },
                )?;
                accounts::insert(
                    tx.conn(),
                    &Account {
                        owner_id: owner,
                        email: "ada@example.com".into(),
                        email_verified_at: None,
                        password: None,
                        password_changed_at: None,
                        is_admin: false,
                        last_sign_in_at: None,
                        created_at: now,
                    },
                )
            })
            .await
            .unwrap();
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.it.clock.now()
    }

    pub(crate) fn act(&self) -> Act {
        let address: IpAddr = HERE.parse().unwrap();
        let random = Arc::clone(&self.it.portal.random);
        Act { now: self.now(), random, actor: Actor::system(), address: Some(address) }
    }

    /// A registered client of the person's.
    pub(crate) async fn client(&self, kind: ClientKind, format: TokenFormat) -> Client {
        self.client_with(kind, format, |_| {}).await
    }

    /// The same, registered with something else.
    pub(crate) async fn client_with(
        &self,
        kind: ClientKind,
        format: TokenFormat,
        change: impl FnOnce(&mut Client),
    ) -> Client {
        let portal = &self.it.portal;
        let is_guard = kind == ClientKind::ResourceServer;
        let mut client = Client {
            id: ClientId::new(self.now(), &*portal.random),
            owner: self.owner,
            kind,
            name: "Notebook".into(),
            auth_method: AuthMethod::None,
            redirect_uris: vec![],
            post_logout_redirect_uris: vec![],
            grant_types: vec![
                GrantType::AuthorizationCode,
                GrantType::RefreshToken,
                GrantType::ClientCredentials,
                GrantType::DeviceCode,
            ],
            scopes: "notes:read notes:write".parse().unwrap(),
            token_format: format,
            audience: is_guard.then(|| "http://localhost:8081".parse().unwrap()),
            jwks: None,
            id_token_algorithm: Algorithm::Rs256,
            dpop_bound: false,
            backchannel_logout_uri: None,
            website: None,
            origin: ClientOrigin::Manual,
            created_at: self.now(),
            suspended_at: None,
            last_used_at: None,
        };
        change(&mut client);
        let row = client.clone();
        portal.store.write(move |tx| client_table::insert(tx.conn(), &row, None)).await.unwrap();
        client
    }

    /// The person's consent to `client`.
    pub(crate) async fn grant(&self, client: &Client) -> GrantId {
        let grant = Grant {
            id: GrantId::new(self.now(), &*self.it.portal.random),
            owner: self.owner,
            client: client.id,
            scopes: client.scopes.clone(),
            offline: true,
            session: None,
            created_at: self.now(),
            updated_at: self.now(),
            last_used_at: None,
        };
        let id = grant.id;
        self.it.portal.store.write(move |tx| grants::insert(tx.conn(), &grant)).await.unwrap();
        id
    }

    /// A code that answers an authorization request of `client`.
    pub(crate) async fn code(&self, client: &Client, grant: GrantId) -> PlainSecret {
        self.code_for(client, grant, "notes:read notes:write").await
    }

    /// The same, for other scopes.
    pub(crate) async fn code_for(&self, client: &Client, grant: GrantId, scopes: &str) -> PlainSecret {
        self.code_in(client, grant, scopes, None).await
    }

    /// The same, of a user who signed in with the browser session `sid`.
    pub(crate) async fn code_in(
        &self,
        client: &Client,
        grant: GrantId,
        scopes: &str,
        sid: Option<SessionId>,
    ) -> PlainSecret {
        let portal = &self.it.portal;
        let kind = credential::Kind::AuthorizationCode;
        let code = credential::generate(&portal.shapes.brand, kind, &*portal.random);
        let row = AuthorizationCode {
            digest: code.digest(),
            client: client.id,
            owner: self.owner,
            grant,
            session: None,
            redirect_uri: CALLBACK.into(),
            scopes: scopes.parse().unwrap(),
            audience: "http://localhost:8081".parse().unwrap(),
            challenge: Challenge::parse(CHALLENGE).unwrap(),
            nonce: Some("n-0S6_WzA2Mj".into()),
            auth_time: self.now(),
            sid,
            amr: "pwd".into(),
            bound_to: None,
            created_at: self.now(),
            expires_at: self.now() + CODE_LIFETIME,
            failures: 0,
            consumed_at: None,
            family: None,
        };
        portal.store.write(move |tx| codes::insert(tx.conn(), &row)).await.unwrap();
        code
    }

    pub(crate) async fn redeem(&self, client: &Client, code: &PlainSecret) -> Result<Pair, TokenError> {
        self.redeem_with(client, code, Some(CALLBACK), Some(VERIFIER)).await
    }

    pub(crate) async fn redeem_with(
        &self,
        client: &Client,
        code: &PlainSecret,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
    ) -> Result<Pair, TokenError> {
        let presented = code::Presented {
            code: code.clone(),
            client: client.clone(),
            redirect_uri: redirect_uri.map(str::to_owned),
            verifier: verifier.map(str::to_owned),
            resource: None,
            proven: None,
        };
        self.redeem_as(presented).await
    }

    pub(crate) async fn redeem_as(&self, presented: code::Presented) -> Result<Pair, TokenError> {
        let portal = &self.it.portal;
        code::run(&portal.store, &portal.issuance, self.act(), presented)
            .await
            .map(|answer| Pair::of(&answer))
    }

    /// A pair as the code grant gives it.
    pub(crate) async fn pair(&self, client: &Client) -> Pair {
        let grant = self.grant(client).await;
        let code = self.code(client, grant).await;
        self.redeem(client, &code).await.unwrap()
    }

    pub(crate) async fn refresh(&self, client: &Client, token: &PlainSecret) -> Result<Pair, TokenError> {
        self.refresh_for(client, token, None).await
    }

    pub(crate) async fn refresh_for(
        &self,
        client: &Client,
        token: &PlainSecret,
        scope: Option<&str>,
    ) -> Result<Pair, TokenError> {
        let presented = refresh::Presented {
            token: token.clone(),
            client: client.clone(),
            scope: scope.map(|text| text.parse().unwrap()),
            resource: None,
            proven: None,
        };
        self.refresh_as(presented).await
    }

    pub(crate) async fn refresh_as(&self, presented: refresh::Presented) -> Result<Pair, TokenError> {
        let portal = &self.it.portal;
        let notices = portal.notices();
        let answer = refresh::run(&portal.store, &portal.issuance, self.act(), presented, notices).await?;
        Ok(Pair::of(&answer))
    }

    pub(crate) async fn families(&self) -> Vec<Family> {
        let owner = self.owner;
        let listed =
            self.it.portal.store.read(move |conn| table::list_by_owner(conn, owner, None, 100)).await;
        listed.unwrap().into_iter().map(|(family, _)| family).collect()
    }

    pub(crate) async fn family(&self, id: FamilyId) -> Family {
        self.it.portal.store.read(move |conn| table::find(conn, id)).await.unwrap().unwrap()
    }

    pub(crate) async fn mails(&self) -> usize {
        let now = self.now();
        self.it.portal.store.read(move |conn| outbox::due(conn, now, 100)).await.unwrap().len()
    }

    /// What a guard learns of an opaque token.
    pub(crate) async fn facts(&self, token: &PlainSecret) -> Option<Facts> {
        let (digest, limits) = (token.digest(), self.it.portal.issuance.limits);
        let find =
            move |conn: &mut keyway_store::Conn| keyway_store::facts::access_token(conn, digest, &limits);
        self.it.portal.store.read(find).await.unwrap()
    }

    /// A JWT as a guard verifies it.
    pub(crate) async fn verified(&self, token: &PlainSecret) -> Verified {
        let jwks = self.it.portal.store.read::<_, StoreError, _>(jwt::jwks).await.unwrap();
        let keys = VerificationKeys::from_jwks(&jwks).unwrap();
        verify(token.expose(), &keys, "http://localhost:8080").unwrap()
    }
}

/// An answer, read as a client reads it.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access: PlainSecret,
    pub(crate) refresh: Option<PlainSecret>,
    pub(crate) id_token: Option<PlainSecret>,
    pub(crate) scope: ScopeSet,
    pub(crate) expires_in: u64,
}

impl Pair {
    pub(crate) fn of(answer: &Answer) -> Self {
        let json: serde_json::Value = serde_json::from_str(answer.expose()).unwrap();
        assert_eq!(json["token_type"], "Bearer");
        Self {
            access: PlainSecret::new(json["access_token"].as_str().unwrap()),
            refresh: json["refresh_token"].as_str().map(PlainSecret::new),
            id_token: json["id_token"].as_str().map(PlainSecret::new),
            scope: json["scope"].as_str().unwrap().parse().unwrap(),
            expires_in: json["expires_in"].as_u64().unwrap(),
        }
    }
    pub(crate) fn refresh(&self) -> &PlainSecret {
        self.refresh.as_ref().unwrap()
    }
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, TokenError>) -> ErrorCode {
    match result.unwrap_err() {
        TokenError::Oauth(error) => error.code,
        other => panic!("{other}"),
    }
}
