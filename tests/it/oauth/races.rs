//! What works once works once, however many ask at the same moment: over HTTP, on both databases.

use std::collections::BTreeSet;
use std::future::Future;

use keyway_core::oauth::ClientKind;
use tokio::task::JoinSet;

use crate::harness::actors::{Actor, JwtClient, OauthClient};
use crate::harness::app::{Backend, TestApp};
use crate::harness::apps::{VERIFIER, notebook};
use crate::harness::reply::Reply;

/// So many ask at once.
const AT_ONCE: usize = 50;

/// The portal, with an app that ada has authorised.
struct World {
    app: TestApp,
    client: OauthClient,
    code: String,
}

impl World {
    async fn new(backend: Backend, more: &[(&str, &str)]) -> Self {
        let mut settings = vec![("KEYWAY_LIMITS__TOKEN", "off")];
        settings.extend(more);
        let app = TestApp::start_with(backend, &settings).await;
        app.person("ada@example.com", false).await;
        let client = app.client(notebook(ClientKind::Confidential)).await;
        let code = client.code(&app.signed_in("ada@example.com").await, "notes:read").await;
        Self { app, client, code }
    }

    async fn whoami(&self, token: &JwtClient) -> Reply {
        token.get(&self.app.api("/v1/whoami")).await
    }

    /// Whether a token is active, as its client is told (RFC 7662).
    async fn is_active(&self, token: &str) -> bool {
        let reply = self.client.ask("/oauth/introspect", &[("token", token)]).await.expect(200);
        reply.json()["active"].as_bool().unwrap()
    }

    fn pair(&self, reply: &Reply) -> JwtClient {
        JwtClient::from_answer(&self.client.http, &reply.json())
    }
}

/// The answers to [`AT_ONCE`] requests that are all under way before the first is answered.
async fn at_once<F>(ask: impl Fn() -> F) -> Vec<Reply>
where
    F: Future<Output = Reply> + Send + 'static,
{
    let start = std::sync::Arc::new(tokio::sync::Barrier::new(AT_ONCE));
    let mut all = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (start, asked) = (start.clone(), ask());
        all.spawn(async move {
            start.wait().await;
            asked.await
        });
    }
    all.join_all().await
}

#[tokio::test]
async fn one_of_fifty_redemptions_of_a_code_succeeds_and_what_it_got_is_dead_afterwards() {
    for backend in Backend::ALL {
        let world = World::new(backend, &[]).await;
        let replies = at_once(|| {
            let (client, code) = (world.client.clone(), world.code.clone());
            async move { client.redeem(&code).await }
        })
        .await;
        let (good, bad): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!((good.len(), bad.len()), (1, AT_ONCE - 1));
        for reply in bad {
            assert_eq!(reply.refusal(), (400, "invalid_grant".into()), "{}", reply.body);
        }
        let pair = world.pair(good[0]);
        assert_eq!(world.whoami(&pair).await.refusal(), (401, "revoked".into()));
        let refreshed = world.client.refresh(pair.refresh.as_deref().unwrap()).await;
        assert_eq!(refreshed.refusal(), (400, "invalid_grant".into()));
        world.app.stop().await;
    }
}

#[tokio::test]
async fn wrong_redemptions_of_a_code_change_nothing_for_the_right_one() {
    for backend in Backend::ALL {
        let world = World::new(backend, &[]).await;
        let other = world.app.client(notebook(ClientKind::Confidential)).await;
        let liar = OauthClient { secret: Some("keyway_cs_wrong".into()), ..world.client.clone() };
        let wrong = VERIFIER.replace('d', "e");
        let refused = (400, "invalid_grant".to_owned());
        assert_eq!(world.client.redeem_with(&world.code, &wrong).await.refusal(), refused);
        assert_eq!(other.redeem(&world.code).await.refusal(), refused);
        assert_eq!(liar.redeem(&world.code).await.refusal(), (401, "invalid_client".into()));

        let reply = world.client.redeem(&world.code).await.expect(200);
        let pair = world.pair(&reply);
        world.whoami(&pair).await.expect(200);
        // Nor do they afterwards: only who could have redeemed it ends what it gave.
        assert_eq!(world.client.redeem_with(&world.code, &wrong).await.refusal(), refused);
        assert_eq!(other.redeem(&world.code).await.refusal(), refused);
        assert_eq!(liar.redeem(&world.code).await.refusal(), (401, "invalid_client".into()));
        world.whoami(&pair).await.expect(200);
        assert_eq!(world.client.redeem(&world.code).await.refusal(), refused);
        assert_eq!(world.whoami(&pair).await.refusal(), (401, "revoked".into()));
        world.app.stop().await;
    }
}

#[tokio::test]
async fn fifty_who_refresh_at_once_share_one_pair() {
    for backend in Backend::ALL {
        let world = World::new(backend, &[]).await;
        let first = world.pair(&world.client.redeem(&world.code).await.expect(200));
        let spent = first.refresh.clone().unwrap();
        let replies = at_once(|| {
            let (client, token) = (world.client.clone(), spent.clone());
            async move { client.refresh(&token).await }
        })
        .await;
        let pairs: BTreeSet<_> = replies
            .into_iter()
            .map(|reply| {
                let pair = world.pair(&reply.expect(200));
                (pair.access, pair.refresh)
            })
            .collect();
        assert_eq!(pairs.len(), 1);
        let (access, refresh) = pairs.into_iter().next().unwrap();
        let pair = JwtClient { http: world.client.http.clone(), access, refresh };
        world.whoami(&pair).await.expect(200);
        let next = pair.refresh.clone().unwrap();
        assert!(world.is_active(&next).await);
        assert!(!world.is_active(&spent).await);
        // The pair is in use: the token before it is worth nothing any more, and presented again it is theft.
        let third = world.pair(&world.client.refresh(&next).await.expect(200));
        world.whoami(&third).await.expect(200);
        assert_eq!(world.client.refresh(&spent).await.refusal(), (400, "invalid_grant".into()));
        for dead in [&first, &pair, &third] {
            assert_eq!(world.whoami(dead).await.refusal(), (401, "revoked".into()));
            assert!(!world.is_active(dead.refresh.as_deref().unwrap()).await);
        }
        world.app.stop().await;
    }
}

#[tokio::test]
async fn without_repeats_one_of_fifty_refreshes_succeeds_and_the_family_is_dead() {
    for backend in Backend::ALL {
        let world = World::new(backend, &[("KEYWAY_OAUTH__REFRESH_REPEAT", "0")]).await;
        let first = world.pair(&world.client.redeem(&world.code).await.expect(200));
        let replies = at_once(|| {
            let (client, token) = (world.client.clone(), first.refresh.clone().unwrap());
            async move { client.refresh(&token).await }
        })
        .await;
        let (good, bad): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
        assert_eq!((good.len(), bad.len()), (1, AT_ONCE - 1));
        for reply in bad {
            assert_eq!(reply.refusal(), (400, "invalid_grant".into()), "{}", reply.body);
        }
        for dead in [first, world.pair(good[0])] {
            assert_eq!(world.whoami(&dead).await.refusal(), (401, "revoked".into()));
            assert!(!world.is_active(dead.refresh.as_deref().unwrap()).await);
        }
        world.app.stop().await;
    }
}
