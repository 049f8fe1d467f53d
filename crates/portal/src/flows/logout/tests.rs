use keyway_core::Duration;
use keyway_core::jwt::{Algorithm, Purpose};
use keyway_core::oauth::{Client, ClientKind, TokenFormat};
use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::tables::clients as table;
use keyway_store::testing::Backend;

use super::*;
use crate::flows::jwt;
use crate::flows::tokens::id_token::SignedIn;
use crate::flows::tokens::tests::world::World;

/// Where the app's users go after signing out.
pub(crate) const LEAVE: &str = "https://app.example.com/bye";

/// A client that registered it.
pub(crate) async fn app(it: &World) -> Client {
    let client = it.client(ClientKind::Public, TokenFormat::Opaque).await;
    let client = Client { post_logout_redirect_uris: vec![LEAVE.parse().unwrap()], ..client };
    let row = client.clone();
    let update = move |tx: &mut keyway_store::Tx<'_>| table::update(tx.conn(), &row);
    it.it.portal.store.write::<_, StoreError, _>(update).await.unwrap();
    client
}

fn session(it: &World) -> SessionId {
    SessionId::new(it.now(), &*it.it.portal.random)
}

/// An ID token for `client`, of the person's sign-in in `sid`.
async fn id_token(it: &World, client: ClientId, sid: Option<SessionId>) -> PlainSecret {
    id_token_of(it, it.owner, client, sid).await
}

/// An ID token for `client`, of the sign-in of `subject` in `sid`.
pub(crate) async fn id_token_of(
    it: &World,
    subject: OwnerId,
    client: ClientId,
    sid: Option<SessionId>,
) -> PlainSecret {
    let portal = &it.it.portal;
    let purpose = Purpose::IdToken(Algorithm::Es256);
    jwt::ensure(&portal.store, &portal.issuance.ring, it.act(), &[purpose]).await.unwrap();
    let ring = portal.issuance.ring.clone();
    let key = portal.store.read(move |conn| ring.current(conn, purpose)).await.unwrap();
    let told = SignedIn { subject, client, nonce: None, auth_time: it.now(), amr: "pwd", sid };
    told.sign(&key, &portal.issuance.issuer, &PlainSecret::new("access"), it.now()).unwrap()
}

async fn ask(it: &World, pairs: &[(&str, &str)]) -> Result<LogoutRequest, LogoutError> {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let (params, issuance) = (Params::parse(query.as_bytes()).unwrap(), it.it.portal.issuance.clone());
    it.it.portal.store.read(move |conn| read(conn, &issuance, &params)).await
}

#[tokio::test]
async fn a_hint_is_about_its_own_session_alone_however_old_it_is() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (app, here, elsewhere) = (app(&it).await, session(&it), session(&it));
        let told = id_token(&it, app.id, Some(here)).await;
        it.it.clock.advance(Duration::days(2));
        let asked = ask(&it, &[("id_token_hint", told.expose()), ("state", "s")]).await.unwrap();
        assert_eq!(asked.client.as_ref().map(|client| client.id), Some(app.id));
        assert_eq!((asked.redirect_uri.as_deref(), asked.state.as_deref()), (None, Some("s")));
        assert!(asked.is_about(it.owner, here));
        assert!(!asked.is_about(it.owner, elsewhere));
        let stranger = OwnerId::new(it.now(), &*it.it.portal.random);
        assert!(!asked.is_about(stranger, here));
        let without = id_token(&it, app.id, None).await;
        let asked = ask(&it, &[("id_token_hint", without.expose())]).await.unwrap();
        assert!(asked.is_about(it.owner, elsewhere) && !asked.is_about(stranger, elsewhere));
    }
}

#[tokio::test]
async fn what_is_no_id_token_of_ours_says_nothing() {
    let it = World::new(Backend::Sqlite).await;
    let (app, here) = (app(&it).await, session(&it));
    let told = id_token(&it, app.id, Some(here)).await;
    let forged = format!("{}AAAA", told.expose());
    for hint in ["", "not.a.jwt", &forged] {
        let asked = ask(&it, &[("id_token_hint", hint)]).await.unwrap();
        assert!(asked.client.is_none() && !asked.is_about(it.owner, here), "{hint}");
        let with_uri = ask(&it, &[("id_token_hint", hint), ("post_logout_redirect_uri", LEAVE)]).await;
        assert!(matches!(with_uri, Err(LogoutError::RedirectUri)), "{hint}");
    }
}

#[tokio::test]
async fn the_browser_goes_nowhere_that_the_app_did_not_register() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (app, other) = (app(&it).await, it.client(ClientKind::Public, TokenFormat::Opaque).await);
        let (id, told) = (app.id.to_string(), id_token(&it, app.id, None).await);
        let leave = ("post_logout_redirect_uri", LEAVE);
        for by in [("client_id", id.as_str()), ("id_token_hint", told.expose())] {
            let asked = ask(&it, &[by, leave]).await.unwrap();
            assert_eq!(asked.redirect_uri.as_deref(), Some(LEAVE));
            for wrong in ["https://app.example.com/bye/", "https://app.example.com/bye?a=b", "javascript:1"] {
                let asked = ask(&it, &[by, ("post_logout_redirect_uri", wrong)]).await;
                assert!(matches!(asked, Err(LogoutError::RedirectUri)), "{wrong}");
            }
        }
        assert!(matches!(ask(&it, &[leave]).await, Err(LogoutError::RedirectUri)));
        let theirs = other.id.to_string();
        let foreign = ask(&it, &[("client_id", &theirs), leave]).await;
        assert!(matches!(foreign, Err(LogoutError::RedirectUri)));
        let both = ask(&it, &[("client_id", &theirs), ("id_token_hint", told.expose())]).await;
        assert!(matches!(both, Err(LogoutError::OtherClient)));
    }
}

#[tokio::test]
async fn unknown_and_suspended_apps_and_endless_requests_are_refused() {
    let it = World::new(Backend::Sqlite).await;
    let app = app(&it).await;
    let id = app.id.to_string();
    for unknown in ["x", &it.owner.to_string()] {
        assert!(matches!(ask(&it, &[("client_id", unknown)]).await, Err(LogoutError::UnknownClient)));
    }
    let endless = "x".repeat(20_000);
    for name in ["state", "id_token_hint"] {
        assert!(matches!(ask(&it, &[(name, &endless)]).await, Err(LogoutError::TooLong)));
    }
    it.it.execute(&format!("UPDATE clients SET suspended_at = 1 WHERE id = '{id}'"));
    assert!(matches!(ask(&it, &[("client_id", &id)]).await, Err(LogoutError::Suspended)));
}
