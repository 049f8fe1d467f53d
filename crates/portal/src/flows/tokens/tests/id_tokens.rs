use keyway_core::Duration;
use keyway_core::jwt::{Algorithm, IdClaims, Purpose, at_hash};
use keyway_core::oauth::{Client, ClientKind, TokenFormat};
use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::testing::Backend;

use super::world::{Pair, World};
use crate::flows::jwt;
use crate::flows::tokens::id_token::hint;

const SCOPES: &str = "openid profile notes:read";

/// A client whose ID tokens are signed with `algorithm`, and what a code gave it.
async fn signed_in(it: &World, algorithm: Algorithm, scopes: &str) -> (Client, Pair) {
    let portal = &it.it.portal;
    let purpose = Purpose::IdToken(algorithm);
    jwt::ensure(&portal.store, &portal.issuance.ring, it.act(), &[purpose]).await.unwrap();
    let mut client = it.client(ClientKind::Public, TokenFormat::Opaque).await;
    client.id_token_algorithm = algorithm;
    client.scopes = SCOPES.parse().unwrap();
    let grant = it.grant(&client).await;
    let code = it.code_for(&client, grant, scopes).await;
    let pair = it.redeem(&client, &code).await.unwrap();
    (client, pair)
}

async fn claims(it: &World, token: &PlainSecret) -> Option<IdClaims> {
    let (issuance, token) = (it.it.portal.issuance.clone(), token.clone());
    let read = move |conn: &mut keyway_store::Conn| hint(conn, &issuance, token.expose());
    it.it.portal.store.read::<_, StoreError, _>(read).await.unwrap()
}

#[tokio::test]
async fn who_asks_for_openid_gets_an_id_token_signed_as_registered() {
    for (backend, algorithm) in [
        (Backend::Sqlite, Algorithm::Rs256),
        (Backend::Postgres, Algorithm::Es256),
        (Backend::Sqlite, Algorithm::EdDsa),
    ] {
        let it = World::new(backend).await;
        let began = it.now();
        let (client, pair) = signed_in(&it, algorithm, SCOPES).await;
        assert_eq!(pair.scope, "notes:read offline_access openid profile".parse().unwrap());
        let first = claims(&it, pair.id_token.as_ref().unwrap()).await.unwrap();
        assert_eq!((first.sub, first.aud), (it.owner, client.id));
        assert_eq!(first.iss, "http://localhost:8080");
        assert_eq!((first.iat, first.auth_time), (began.as_seconds(), began.as_seconds()));
        assert_eq!(first.nonce.as_deref(), Some("n-0S6_WzA2Mj"));
        assert_eq!(first.at_hash.unwrap(), at_hash(algorithm, pair.access.expose()));
        assert_eq!(first.amr, ["pwd"]);
        // OpenID Connect Core §12.2: the same person and sign-in, without the nonce.
        it.it.clock.advance(Duration::minutes(10));
        let refreshed = it.refresh(&client, pair.refresh()).await.unwrap();
        let next = claims(&it, refreshed.id_token.as_ref().unwrap()).await.unwrap();
        assert_eq!((next.sub, next.aud, next.auth_time), (first.sub, first.aud, first.auth_time));
        assert_eq!((next.nonce, next.iat), (None, first.iat + 600));
        assert_eq!(next.at_hash.unwrap(), at_hash(algorithm, refreshed.access.expose()));
        let narrower = it.refresh_for(&client, refreshed.refresh(), Some("notes:read offline_access")).await;
        assert_eq!(narrower.unwrap().id_token.map(|token| token.expose().to_owned()), None);
    }
}

#[tokio::test]
async fn without_openid_there_is_no_id_token() {
    let it = World::new(Backend::Sqlite).await;
    let (_, pair) = signed_in(&it, Algorithm::Es256, "notes:read").await;
    assert!(pair.id_token.is_none());
}

#[tokio::test]
async fn what_a_revoked_key_signed_is_no_hint() {
    let it = World::new(Backend::Sqlite).await;
    let (_, pair) = signed_in(&it, Algorithm::Es256, SCOPES).await;
    let token = pair.id_token.unwrap();
    let kid = keyway_core::jwt::kid_of(token.expose()).unwrap();
    let portal = &it.it.portal;
    jwt::revoke(&portal.store, &portal.issuance.ring, it.act(), kid).await.unwrap();
    assert_eq!(claims(&it, &token).await, None);
    assert_eq!(claims(&it, &pair.access).await, None);
}
