use keyway_core::Duration;
use keyway_core::facts::{State, Subject};
use keyway_core::ids::SessionId;
use keyway_core::oauth::{ClientKind, ErrorCode, TokenFormat};
use keyway_store::tables::families::EndReason;
use keyway_store::tables::grants;
use keyway_store::testing::Backend;

use super::world::{CALLBACK, VERIFIER, World, refused};
use crate::flows::accounts::sign_out;
use crate::flows::tokens::client_credentials::{self, Asked};
use crate::flows::tokens::mint::{self, MintError, Order};
use crate::flows::tokens::{code, refresh};

#[tokio::test]
async fn a_code_gives_a_pair_once_and_a_second_redemption_ends_it() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let grant = it.grant(&app).await;
        let code = it.code(&app, grant).await;
        let pair = it.redeem(&app, &code).await.unwrap();
        assert_eq!((pair.expires_in, pair.scope.len()), (900, 3));
        let facts = it.facts(&pair.access).await.unwrap();
        assert_eq!((facts.state, facts.subject), (State::Active, Subject::Owner(it.owner)));
        assert_eq!(facts.budgets.root, grant.entity());
        assert_eq!(facts.budgets.owner, None);
        let family = it.families().await.remove(0);
        for id in [it.owner.entity(), app.id.entity(), grant.entity(), family.id.entity()] {
            assert!(facts.ancestors.contains(&id));
        }
        assert_eq!(refused(it.redeem(&app, &code).await), ErrorCode::InvalidGrant);
        assert_eq!(it.family(family.id).await.ended_reason, Some(EndReason::CodeReplayed));
        assert_eq!(it.facts(&pair.access).await.unwrap().state, State::Revoked);
        assert_eq!(refused(it.refresh(&app, pair.refresh()).await), ErrorCode::InvalidGrant);
    }
}

#[tokio::test]
async fn of_fifty_redemptions_at_once_one_succeeds_and_the_others_end_it() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let code = it.code(&app, it.grant(&app).await).await;
        let all = (0..50).map(|_| it.redeem(&app, &code));
        let given = futures_util::future::join_all(all).await.into_iter().filter_map(Result::ok).count();
        assert_eq!(given, 1);
        let families = it.families().await;
        assert_eq!(families.len(), 1);
        assert_eq!(families[0].ended_reason, Some(EndReason::CodeReplayed));
    }
}

#[tokio::test]
async fn what_fails_the_checks_changes_nothing_until_the_tenth_time() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let other = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let grant = it.grant(&app).await;
        let code = it.code(&app, grant).await;
        assert_eq!(refused(it.redeem(&other, &code).await), ErrorCode::InvalidGrant);
        for (uri, verifier) in [
            (None, Some(VERIFIER)),
            (Some("https://app.example.com/other"), Some(VERIFIER)),
            (Some(CALLBACK), None),
            (Some(CALLBACK), Some("0123456789012345678901234567890123456789012")),
        ] {
            let result = it.redeem_with(&app, &code, uri, verifier).await;
            assert_eq!(refused(result), ErrorCode::InvalidGrant);
        }
        assert!(it.families().await.is_empty());
        it.redeem(&app, &code).await.unwrap();

        let guessed = it.code(&app, grant).await;
        for _ in 0..10 {
            refused(it.redeem_with(&app, &guessed, Some(CALLBACK), Some("x")).await);
        }
        assert_eq!(refused(it.redeem(&app, &guessed).await), ErrorCode::InvalidGrant);
        assert_eq!(it.families().await.len(), 1);
    }
}

#[tokio::test]
async fn a_code_that_is_too_old_or_whose_consent_is_gone_gives_nothing() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Jwt).await;
        let grant = it.grant(&app).await;
        let old = it.code(&app, grant).await;
        it.it.clock.advance(Duration::seconds(60));
        assert_eq!(refused(it.redeem(&app, &old).await), ErrorCode::InvalidGrant);
        let code = it.code(&app, grant).await;
        let (owner, now) = (it.owner, it.now());
        it.it.portal.store.write(move |tx| grants::revoke(tx.conn(), owner, grant, now)).await.unwrap();
        assert_eq!(refused(it.redeem(&app, &code).await), ErrorCode::InvalidGrant);
        assert!(it.families().await.is_empty());
    }
}

#[tokio::test]
async fn a_client_acts_for_itself_on_its_owners_budget() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let portal = &it.it.portal;
        for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
            let client = it.client(ClientKind::Confidential, format).await;
            let (context, owner) = (portal.issuance.clone(), client.owner);
            let ground = portal.store.read(move |conn| context.ground(conn, owner, format)).await.unwrap();
            let asked = |scope: Option<&str>| Asked {
                client: client.clone().into(),
                ground: ground.clone(),
                scope: scope.map(|text| text.parse().unwrap()),
                resource: None,
                proven: None,
            };
            let run = |asked| {
                let act = it.act();
                async move { client_credentials::run(&portal.store, &portal.issuance, &act, asked).await }
            };
            let pair = super::world::Pair::of(&run(asked(Some("notes:read"))).await.unwrap());
            assert!(pair.refresh.is_none());
            let facts = match format {
                TokenFormat::Opaque => it.facts(&pair.access).await.unwrap(),
                TokenFormat::Jwt => it.verified(&pair.access).await.facts,
            };
            assert_eq!(facts.subject, Subject::Client(client.id));
            assert_eq!((facts.owner, facts.budgets.root), (it.owner, client.id.entity()));
            assert_eq!(facts.budgets.owner, Some(it.owner));
            assert_eq!(facts.scopes.to_string(), "notes:read");
            assert_eq!(refused(run(asked(Some("keys:read"))).await), ErrorCode::InvalidScope);
        }
    }
}

#[tokio::test]
async fn a_minted_pair_is_the_owners_and_is_refreshed_by_the_built_in_client() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let portal = &it.it.portal;
        let order = |scopes: &str| Order {
            owner: it.owner,
            is_admin: false,
            name: "laptop".into(),
            audience: None,
            scopes: scopes.parse().unwrap(),
            lifetime: Duration::minutes(5),
            refresh: true,
        };
        let response =
            mint::run(&portal.store, &portal.issuance, it.act(), order("notes:read")).await.unwrap();
        assert_eq!(response.expires_in, 300);
        let facts = it.verified(&response.access_token).await.facts;
        let family = it.families().await.remove(0);
        assert_eq!((facts.subject, facts.budgets.root), (Subject::Owner(it.owner), family.id.entity()));
        assert_eq!(facts.budgets.owner, Some(it.owner));
        let find = |conn: &mut keyway_store::Conn| {
            keyway_store::tables::clients::find(conn, keyway_core::ids::ClientId::CLI)
        };
        let cli = portal.store.read(find).await.unwrap().unwrap();
        let next = it.refresh(&cli, &response.refresh_token.unwrap()).await.unwrap();
        assert_eq!(next.expires_in, 300);
        let bad = mint::run(&portal.store, &portal.issuance, it.act(), order("notes:burn")).await;
        assert!(matches!(bad, Err(MintError::Audience(_))));
        let none = mint::run(&portal.store, &portal.issuance, it.act(), order("")).await;
        assert!(matches!(none, Err(MintError::NoScope)));
    }
}

#[tokio::test]
async fn what_was_given_for_a_session_ends_with_it_though_the_consent_goes_on() {
    for backend in Backend::ALL {
        let it = World::new(backend).await;
        let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
        let grant = it.grant(&app).await;
        let sid = SessionId::new(it.now(), &*it.it.portal.random);
        let (code, late) = (it.code(&app, grant).await, it.code(&app, grant).await);
        it.it.execute(&format!("UPDATE authorization_codes SET session_id = '{sid}'"));
        let offline = it.redeem(&app, &it.code(&app, grant).await).await.unwrap();
        let pair = it.redeem(&app, &code).await.unwrap();
        let (act, owner) = (it.act(), it.owner);
        it.it.portal.store.write(move |tx| sign_out(tx, &act, owner, sid)).await.unwrap();
        assert_eq!(it.facts(&pair.access).await.unwrap().state, State::Revoked);
        assert_eq!(refused(it.refresh(&app, pair.refresh()).await), ErrorCode::InvalidGrant);
        assert_eq!(refused(it.redeem(&app, &late).await), ErrorCode::InvalidGrant);
        assert_eq!(it.facts(&offline.access).await.unwrap().state, State::Active);
        it.refresh(&app, offline.refresh()).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_request_names_the_api_that_was_granted_or_none() {
    let it = World::new(Backend::Sqlite).await;
    let app = it.client(ClientKind::Public, TokenFormat::Opaque).await;
    let code = it.code(&app, it.grant(&app).await).await;
    let redeemed_at = |resource: &str| {
        it.redeem_as(code::Presented {
            code: code.clone(),
            client: app.clone(),
            redirect_uri: Some(CALLBACK.into()),
            verifier: Some(VERIFIER.into()),
            resource: Some(resource.into()),
            proven: None,
        })
    };
    let (other, ours) = ("http://localhost:8080/api/v1", "http://localhost:8081");
    assert_eq!(refused(redeemed_at(other).await), ErrorCode::InvalidTarget);
    let pair = redeemed_at(ours).await.unwrap();
    let refreshed_at = |resource: &str| {
        it.refresh_as(refresh::Presented {
            token: pair.refresh().clone(),
            client: app.clone(),
            scope: None,
            resource: Some(resource.into()),
            proven: None,
        })
    };
    assert_eq!(refused(refreshed_at(other).await), ErrorCode::InvalidTarget);
    refreshed_at(ours).await.unwrap();
}
