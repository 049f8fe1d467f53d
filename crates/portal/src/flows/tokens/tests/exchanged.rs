use keyway_core::Duration;
use keyway_core::address::AddressList;
use keyway_core::api_key::{ApiKey, Lifetime};
use keyway_core::change::{EntityKind, NewChange};
use keyway_core::facts::LimitDefaults;
use keyway_core::ids::ClientId;
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::{Client, ClientKind, ErrorCode, TokenFormat};
use keyway_core::owner::Environment;
use keyway_core::quota::Quotas;
use keyway_core::secret::PlainSecret;
use keyway_store::StoreError;
use keyway_store::testing::Backend;

use super::world::{HERE, Pair, World, refused};
use crate::flows::keys::{self, By, KeyDraft, KeyRules};
use crate::flows::tokens::TokenError;
use crate::flows::tokens::exchange::{self, Asked, SubjectType};

async fn key(it: &World, lifetime: Option<Lifetime>, addresses: &str) -> (ApiKey, PlainSecret) {
    let portal = &it.it.portal;
    let rules = KeyRules {
        catalogue: std::sync::Arc::clone(&portal.catalogue),
        limits: LimitDefaults::default(),
        live_needs_verified: false,
    };
    let secret = keys::new_secret(&portal.shapes.brand, Environment::Test, &*portal.random);
    let draft = KeyDraft {
        name: "server".into(),
        note: String::new(),
        environment: Environment::Test,
        audiences: vec![],
        scopes: "notes:read notes:write".parse().unwrap(),
        lifetime,
        rate: Some("50/min burst=20".parse().unwrap()),
        quotas: Quotas { day: "500".parse().unwrap(), ..Quotas::OFF },
        addresses: addresses.parse::<AddressList>().unwrap(),
    };
    let (act, owner, plain) = (it.act(), it.owner, secret.clone());
    let key = portal
        .store
        .write(move |tx| keys::create(tx, &act, &rules, &By::Operator, owner, draft, &secret))
        .await
        .unwrap();
    (key, plain)
}

fn asked(key: &PlainSecret) -> Asked {
    Asked {
        subject: key.clone(),
        subject_type: SubjectType::ApiKey,
        outside: None,
        client: None,
        scope: None,
        audience: None,
        as_jwt: false,
        address: HERE.parse().unwrap(),
        proven: None,
    }
}

async fn run(it: &World, asked: Asked) -> Result<Pair, TokenError> {
    let portal = &it.it.portal;
    let answer =
        exchange::run(&portal.store, &portal.issuance, portal.shapes.clone(), &it.act(), asked).await?;
    assert!(answer.expose().contains(exchange::ACCESS_TOKEN_TYPE));
    Ok(Pair::of(&answer))
}

#[tokio::test]
async fn a_jwt_exchanged_from_a_key_has_at_most_what_the_key_has() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (key, secret) = key(&it, None, "192.0.2.0/24").await;
        let pair = run(&it, Asked { scope: Some("notes:read keys:read".parse().unwrap()), ..asked(&secret) });
        let pair = pair.await.unwrap();
        assert!(pair.refresh.is_none());
        let verified = it.verified(&pair.access).await;
        let facts = verified.facts;
        assert_eq!(verified.claims.client_id, ClientId::CLI);
        assert_eq!(facts.scopes.to_string(), "notes:read");
        assert_eq!((facts.environment, facts.owner), (Environment::Test, it.owner));
        assert_eq!(facts.addresses.to_string(), "192.0.2.0/24");
        for id in [key.id.entity(), it.owner.entity(), ClientId::CLI.entity()] {
            assert!(facts.ancestors.contains(&id));
        }
        let (digest, limits) = (secret.digest(), it.it.portal.issuance.limits);
        let find = move |conn: &mut keyway_store::Conn| keyway_store::facts::api_key(conn, digest, &limits);
        let of_key = it.it.portal.store.read(find).await.unwrap().unwrap();
        assert_eq!(facts.budgets, of_key.budgets);
    }
}

#[tokio::test]
async fn a_jwt_never_outlives_the_key_that_it_came_from() {
    let it = World::new(Backend::Sqlite).await;
    let (_, secret) = key(&it, Some(Lifetime::Until(it.now() + Duration::seconds(90))), "").await;
    assert_eq!(run(&it, asked(&secret)).await.unwrap().expires_in, 90);
    it.it.clock.advance(Duration::seconds(90));
    assert_eq!(refused(run(&it, asked(&secret)).await), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn a_key_that_does_not_work_here_is_not_exchanged() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (key, secret) = key(&it, None, "192.0.2.0/24").await;
        let elsewhere = Asked { address: "198.51.100.1".parse().unwrap(), ..asked(&secret) };
        assert_eq!(refused(run(&it, elsewhere).await), ErrorCode::InvalidRequest);
        let audience = Some("http://elsewhere".to_owned());
        assert_eq!(refused(run(&it, Asked { audience, ..asked(&secret) }).await), ErrorCode::InvalidTarget);
        let scope = Some("keys:write".parse().unwrap());
        assert_eq!(refused(run(&it, Asked { scope, ..asked(&secret) }).await), ErrorCode::InvalidScope);
        let unknown = PlainSecret::new("keyway_test_unknown");
        assert_eq!(refused(run(&it, asked(&unknown)).await), ErrorCode::InvalidRequest);

        let jwt = run(&it, asked(&secret)).await.unwrap();
        let (now, id) = (it.now(), key.id);
        let position = it.verified(&jwt.access).await.position;
        it.it
            .portal
            .store
            .write::<_, StoreError, _>(move |tx| {
                tx.publish(NewChange::ended(EntityKind::ApiKey, id, now));
                keyway_store::tables::api_keys::revoke(tx.conn(), id, "test", now)
            })
            .await
            .unwrap();
        assert_eq!(refused(run(&it, asked(&secret)).await), ErrorCode::InvalidRequest);
        let ended = move |conn: &mut keyway_store::Conn| {
            keyway_store::feed::ended_after(conn, &[id.entity()], position)
        };
        assert!(it.it.portal.store.read(ended).await.unwrap());
    }
}

/// A client that may exchange, and a pair of its own.
async fn client_and_pair(it: &World, format: TokenFormat) -> (Client, Pair) {
    let client = it.client(ClientKind::Confidential, format).await;
    let pair = it.pair(&client).await;
    (client, pair)
}

fn narrowed(client: &Client, token: &PlainSecret, subject_type: SubjectType) -> Asked {
    Asked { subject_type, client: Some(client.clone()), ..asked(token) }
}

#[tokio::test]
async fn an_access_token_is_narrowed_for_its_own_client_and_nobody_else() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
            let (client, pair) = client_and_pair(&it, format).await;
            let narrow =
                |asked: Asked| Asked { scope: Some("notes:read keys:read".parse().unwrap()), ..asked };
            let asked = narrow(narrowed(&client, &pair.access, SubjectType::AccessToken));
            let less = run(&it, asked.clone()).await.unwrap();
            assert!(less.refresh.is_none());
            let verified = it.verified(&less.access).await;
            assert_eq!(verified.facts.scopes.to_string(), "notes:read", "{backend:?} {format:?}");
            assert_eq!((verified.facts.client, verified.facts.owner), (Some(client.id), it.owner));
            let of_subject = match format {
                TokenFormat::Opaque => it.facts(&pair.access).await.unwrap(),
                TokenFormat::Jwt => it.verified(&pair.access).await.facts,
            };
            let line =
                of_subject.ancestors.iter().chain([&of_subject.id]).chain(of_subject.signing_key.as_ref());
            for id in line {
                assert!(verified.facts.ancestors.contains(id), "{format:?}");
            }
            assert!(verified.facts.expires_at <= of_subject.expires_at);
            assert_eq!(
                (verified.facts.subject, verified.facts.budgets),
                (of_subject.subject, of_subject.budgets)
            );
            // What was taken away cannot be had back by asking again.
            let more = Asked {
                scope: Some("notes:write".parse().unwrap()),
                ..narrowed(&client, &less.access, SubjectType::Jwt)
            };
            assert_eq!(refused(run(&it, more).await), ErrorCode::InvalidScope);

            let other = it.client(ClientKind::Confidential, format).await;
            for asker in [Some(other), None] {
                let asked = Asked { client: asker, ..asked.clone() };
                assert_eq!(refused(run(&it, asked).await), ErrorCode::InvalidRequest);
            }
            let elsewhere = Asked { audience: Some("http://localhost:8080/api/v1".into()), ..asked.clone() };
            assert_eq!(refused(run(&it, elsewhere).await), ErrorCode::InvalidTarget);
            let as_jwt = Asked { subject_type: SubjectType::Jwt, ..asked.clone() };
            assert_eq!(run(&it, as_jwt).await.is_ok(), format == TokenFormat::Jwt);
            let as_key = Asked { subject_type: SubjectType::ApiKey, ..asked.clone() };
            assert_eq!(refused(run(&it, as_key).await), ErrorCode::InvalidRequest);
            let refresh = Asked { subject: pair.refresh().clone(), ..asked };
            assert_eq!(refused(run(&it, refresh).await), ErrorCode::InvalidRequest);
        }
    }
}

#[tokio::test]
async fn a_chain_of_exchanges_ends_with_its_root_and_has_an_end() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (client, pair) = client_and_pair(&it, TokenFormat::Jwt).await;
        let mut tokens = vec![pair.access.clone()];
        let last = loop {
            let token = tokens.last().unwrap();
            match run(&it, narrowed(&client, token, SubjectType::AccessToken)).await {
                Ok(next) => tokens.push(next.access),
                Err(error) => break error,
            }
        };
        assert!((3..20).contains(&tokens.len()), "{}", tokens.len());
        assert_eq!(refused::<()>(Err(last)), ErrorCode::InvalidRequest);
        let root = it.verified(&pair.access).await;
        let (now, id) = (it.now(), root.claims.jti);
        let gone = move |tx: &mut keyway_store::Tx<'_>| {
            tx.publish(NewChange::ended(EntityKind::Token, id, now));
            Ok::<_, StoreError>(())
        };
        it.it.portal.store.write(gone).await.unwrap();
        for token in &tokens[..3] {
            let asked = narrowed(&client, token, SubjectType::AccessToken);
            assert_eq!(refused(run(&it, asked).await), ErrorCode::InvalidRequest, "{backend:?}");
        }
    }
}

#[tokio::test]
async fn a_bound_token_is_exchanged_with_a_proof_of_its_key_alone() {
    let it = World::new(Backend::Sqlite).await;
    let (client, pair) = client_and_pair(&it, TokenFormat::Opaque).await;
    let key = Thumbprint::from_bytes([7; 32]);
    let asked = narrowed(&client, &pair.access, SubjectType::AccessToken);
    let portal = &it.it.portal;
    let bound = Asked { proven: Some(key), ..asked };
    let answer =
        exchange::run(&portal.store, &portal.issuance, portal.shapes.clone(), &it.act(), bound).await;
    let answer: serde_json::Value = serde_json::from_str(answer.unwrap().expose()).unwrap();
    assert_eq!(answer["token_type"], "DPoP");
    let token = PlainSecret::new(answer["access_token"].as_str().unwrap());
    assert_eq!(it.verified(&token).await.facts.bound_to, Some(key));
    for proven in [None, Some(Thumbprint::from_bytes([8; 32]))] {
        let asked = Asked { proven, ..narrowed(&client, &token, SubjectType::Jwt) };
        assert_eq!(refused(run(&it, asked).await), ErrorCode::InvalidRequest);
    }
}

#[tokio::test]
async fn an_exchange_is_a_use_of_the_key() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let (key, secret) = key(&it, None, "").await;
        run(&it, asked(&secret)).await.unwrap();
        let found = move |conn: &mut keyway_store::Conn| keyway_store::tables::api_keys::find(conn, key.id);
        let found = it.it.portal.store.read(found).await.unwrap().unwrap();
        assert_eq!(found.last_used_at, Some(it.now()));
        assert_eq!(found.last_used_address, Some(HERE.parse().unwrap()), "{backend:?}");
    }
}
