use keyway_core::Duration;

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
