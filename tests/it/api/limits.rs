use keyway_core::quota::Day;
use keyway_core::{Clock as _, Duration};

use crate::harness::actors::Actor;
use crate::harness::app::{Backend, TestApp};

#[tokio::test]
async fn over_the_limit_and_allowed_again_afterwards() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let key = app.key_with(ada, "notes:read", |raw| raw.rate = "6/min burst=2".into()).await;
    let url = app.api("/v1/whoami");
    key.get(&url).await.expect(200);
    key.get(&url).await.expect(200);
    let refused = key.get(&url).await.expect(429);
    insta::assert_snapshot!(refused.snapshot(&[(&app.api, "[api]"), (&app.portal, "[portal]")]), @r#"
    429 Too Many Requests
    cache-control: no-store
    content-type: application/problem+json
    ratelimit: "credential";r=0;t=20
    ratelimit-limit: 2
    ratelimit-policy: "credential";q=2;w=20, "owner";q=200;w=10
    ratelimit-remaining: 0
    ratelimit-reset: 20
    retry-after: 10
    vary: Origin
    x-request-id: [request id]

    {
      "check": "limit",
      "code": "limit_exceeded",
      "detail": "The limit of 6/min burst=2 is spent.",
      "explain": "[portal]/requests/[request id]",
      "remedy": "Wait 10 s: this credential's own limit of 6/min burst=2 is spent.",
      "request_id": "[request id]",
      "status": 429,
      "title": "Too many calls",
      "type": "urn:keyway:problem:limit_exceeded"
    }
    "#);
    let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
    app.advance(Duration::seconds(wait));
    key.get(&url).await.expect(200);
    key.get(&url).await.expect(429);
}

#[tokio::test]
async fn two_keys_of_one_owner_share_the_owners_budget() {
    let app = TestApp::start_with(Backend::Sqlite, &[("KEYWAY_LIMITS__OWNER", "6/min burst=3")]).await;
    let ada = app.person("ada@example.com", false).await;
    let (first, second) = (app.key(ada, "notes:read").await, app.key(ada, "notes:read").await);
    let url = app.api("/v1/whoami");
    first.get(&url).await.expect(200);
    first.get(&url).await.expect(200);
    second.get(&url).await.expect(200);
    second.get(&url).await.expect(429);
    let bob = app.person("bob@example.com", false).await;
    app.key(bob, "notes:read").await.get(&url).await.expect(200);
}

#[tokio::test]
async fn a_daily_quota_outlives_a_restart_and_begins_anew_at_midnight() {
    for backend in Backend::ALL {
        let app = TestApp::start_with(backend, &[("KEYWAY_LIMITS__CREDENTIAL_DAILY", "5")]).await;
        let ada = app.person("ada@example.com", false).await;
        let key = app.key(ada, "notes:read").await;
        let url = app.api("/v1/whoami");
        for left in (2..5).rev() {
            let caller = key.get(&url).await.expect(200).json();
            assert_eq!(caller["limits"]["credential_day"]["remaining"], left, "{backend:?}");
        }
        let app = app.restart().await;
        let url = app.api("/v1/whoami");
        key.get(&url).await.expect(200);
        let fifth = key.get(&url).await.expect(200);
        assert_eq!(fifth.header("ratelimit-remaining"), Some("0"), "{backend:?}");
        let refused = key.get(&url).await.expect(429);
        let now = app.clock.now();
        let wait = Day::of(now).end().since(now);
        assert_eq!(refused.header("retry-after"), Some(wait.as_seconds().to_string().as_str()));
        assert_eq!(refused.json()["code"], "quota_exceeded");
        insta::allow_duplicates! {
            insta::assert_snapshot!(refused.snapshot(&[(&app.api, "[api]"), (&app.portal, "[portal]")]), @r#"
            429 Too Many Requests
            cache-control: no-store
            content-type: application/problem+json
            ratelimit: "credential-day";r=0;t=54000
            ratelimit-limit: 5
            ratelimit-policy: "credential";q=100;w=10, "credential-day";q=5;w=86400, "owner";q=200;w=10
            ratelimit-remaining: 0
            ratelimit-reset: 54000
            retry-after: 54000
            vary: Origin
            x-request-id: [request id]

            {
              "check": "limit",
              "code": "quota_exceeded",
              "detail": "The quota of 5 calls a day is spent.",
              "explain": "[portal]/requests/[request id]",
              "remedy": "Wait 54000 s: this credential's own quota of 5 calls a day is spent.",
              "request_id": "[request id]",
              "status": 429,
              "title": "Too many calls",
              "type": "urn:keyway:problem:quota_exceeded"
            }
            "#);
        }
        app.advance(Duration::seconds(wait.as_seconds() - 1));
        key.get(&url).await.expect(429);
        app.advance(Duration::seconds(1));
        let first = key.get(&url).await.expect(200).json();
        assert_eq!(first["limits"]["credential_day"]["remaining"], 4, "{backend:?}");
        app.stop().await;
    }
}

#[tokio::test]
async fn an_owners_monthly_quota_is_one_for_all_its_credentials_and_apart_for_test() {
    let app = TestApp::start_with(Backend::Sqlite, &[("KEYWAY_LIMITS__OWNER_MONTHLY", "3")]).await;
    let ada = app.person("ada@example.com", false).await;
    let (first, second) = (app.key(ada, "notes:read").await, app.key(ada, "notes:read").await);
    let pair = app.pair(ada, "notes:read").await;
    let url = app.api("/v1/whoami");
    first.get(&url).await.expect(200);
    second.get(&url).await.expect(200);
    pair.get(&url).await.expect(200);
    let refused = second.get(&url).await.expect(429);
    let end = Day::of(app.clock.now()).month().end().since(app.clock.now());
    assert_eq!(refused.header("retry-after"), Some(end.as_seconds().to_string().as_str()));
    pair.get(&url).await.expect(429);
    // Test and live are apart.
    let test = app.key_with(ada, "notes:read", |raw| raw.environment = "test".into()).await;
    test.get(&url).await.expect(200);
}

#[tokio::test]
async fn a_key_may_have_less_of_its_own_and_gives_none_away() {
    let app = TestApp::start_with(Backend::Sqlite, &[("KEYWAY_LIMITS__OWNER_DAILY", "10")]).await;
    let ada = app.person("ada@example.com", false).await;
    let few = app.key_with(ada, "notes:read", |raw| raw.quota_day = "2".into()).await;
    let url = app.api("/v1/whoami");
    few.get(&url).await.expect(200);
    few.get(&url).await.expect(200);
    few.get(&url).await.expect(429);
    // What a key makes draws on that key's quota.
    let maker = app.key(ada, "keys:write notes:read").await;
    let mut body = serde_json::json!({"name": "Child", "scopes": ["notes:read"], "quota_day": 1});
    maker.post_json(&app.url("/api/v1/keys"), &body).await.expect(422);
    body.as_object_mut().unwrap().remove("quota_day");
    maker.post_json(&app.url("/api/v1/keys"), &body).await.expect(201);
}
