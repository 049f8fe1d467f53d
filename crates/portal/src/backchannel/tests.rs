use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_core::ids::SessionId;
use keyway_core::jwt::Algorithm;
use keyway_core::oauth::{ClientKind, TokenFormat};
use keyway_store::testing::Backend;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::flows::accounts::sign_out;
use crate::flows::jwt;
use crate::flows::tokens::tests::world::World;

/// A client's endpoint that answers with `status`, and the bodies that it was sent.
async fn endpoint(status: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/logout", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut request, mut chunk) = (Vec::new(), [0_u8; 4096]);
            while !String::from_utf8_lossy(&request).contains("logout_token=") {
                let read = stream.read(&mut chunk).await.unwrap();
                request.extend_from_slice(&chunk[..read]);
            }
            let text = String::from_utf8(request).unwrap();
            told.lock().push(text.rsplit("logout_token=").next().unwrap().to_owned());
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, seen)
}

/// Somebody signed in to a client with this back-channel logout URI, in the answered browser session, and out again.
async fn signed_out(it: &World, uri: String, scopes: &str) -> SessionId {
    let portal = &it.it.portal;
    let purpose = Purpose::IdToken(Algorithm::Es256);
    jwt::ensure(&portal.store, &portal.issuance.ring, it.act(), &[purpose]).await.unwrap();
    let client = it
        .client_with(ClientKind::Public, TokenFormat::Opaque, |client| {
            client.id_token_algorithm = Algorithm::Es256;
            client.backchannel_logout_uri = Some(uri);
        })
        .await;
    let grant = it.grant(&client).await;
    let sid = SessionId::new(it.now(), &*portal.random);
    let code = it.code_in(&client, grant, scopes, Some(sid)).await;
    it.redeem(&client, &code).await.unwrap();
    let (act, owner) = (it.act(), it.owner);
    portal.store.write(move |tx| sign_out(tx, &act, owner, sid)).await.unwrap();
    sid
}

#[tokio::test]
async fn a_client_is_told_of_the_sign_out_once() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (uri, seen) = endpoint("200 OK").await;
        let sid = signed_out(&it, uri, "openid notes:read").await;
        assert_eq!(deliver_due(&it.it.portal).await.unwrap(), 1);
        assert_eq!(deliver_due(&it.it.portal).await.unwrap(), 0);
        let token = seen.lock().remove(0);
        let parts: Vec<serde_json::Value> = token
            .split('.')
            .take(2)
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        let (header, claims) = (&parts[0], &parts[1]);
        assert_eq!((&header["typ"], &header["alg"]), (&"logout+jwt".into(), &"ES256".into()));
        assert_eq!(claims["iss"], "http://localhost:8080");
        assert_eq!(claims["sub"], it.owner.to_string());
        assert_eq!(claims["sid"], sid.to_string());
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
        assert!(claims["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
        assert!(claims.get("nonce").is_none() && claims["jti"].is_string());
    }
}

#[tokio::test]
async fn who_does_not_take_it_is_told_again_and_at_last_no_more() {
    let it = World::new(Backend::Sqlite).await;
    let (uri, seen) = endpoint("503 Service Unavailable").await;
    signed_out(&it, uri, "openid").await;
    for _ in 0..20 {
        assert_eq!(deliver_due(&it.it.portal).await.unwrap(), 0);
        it.it.clock.advance(Duration::minutes(60));
    }
    assert_eq!(seen.lock().len(), 7);
}

#[tokio::test]
async fn who_got_no_id_token_is_not_told() {
    let it = World::new(Backend::Sqlite).await;
    let (uri, seen) = endpoint("200 OK").await;
    signed_out(&it, uri, "notes:read").await;
    assert_eq!(deliver_due(&it.it.portal).await.unwrap(), 0);
    assert!(seen.lock().is_empty());
}
