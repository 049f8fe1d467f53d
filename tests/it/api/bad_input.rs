use reqwest::Method;
use serde_json::json;

use crate::harness::actors::Actor;
use crate::harness::app::{Backend, TestApp};

#[tokio::test]
async fn bad_bodies_and_unknown_ids_get_a_4xx() {
    let app = TestApp::start(Backend::Sqlite).await;
    let ada = app.person("ada@example.com", false).await;
    let bob = app.person("bob@example.com", false).await;
    let notes = app.key(ada, "notes:read notes:write notes:delete").await;
    let keys = app.key(ada, "keys:read keys:write").await;
    let other = app.key(bob, "notes:read").await;
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "{\"title\":1}",
        "{\"name\":\"k\"}",
        "{\"name\":\"\",\"scopes\":[]}",
        "{\"unknown\":1}",
        "{\"name\":\"k\",\"scopes\":[\"nothing\"]}",
        "{\"title\":\"\\u0000\",\"body\":\"\"}",
    ];
    for (actor, url) in [(&notes, app.api("/v1/notes")), (&keys, app.url("/api/v1/keys"))] {
        for body in bodies {
            let request = actor.http().post(&url).header("content-type", "application/json").body(body);
            let reply = actor.send(request).await;
            assert!(reply.status.is_client_error(), "{url} {body}: {} {}", reply.status, reply.body);
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{url} {body}");
        }
        let huge = json!({ "title": "t", "body": "x".repeat(1_000_000) });
        actor.post_json(&url, &huge).await.expect(413);
        let text = actor.http().post(&url).header("content-type", "text/plain").body("{}");
        actor.send(text).await.expect(415);
        for id in ["x", "0199c000-0000-7000-8000-000000000001", other.id.as_str()] {
            actor.get(&format!("{url}/{id}")).await.expect(404);
            actor.delete(&format!("{url}/{id}")).await.expect(404);
        }
        actor.json(Method::PUT, &url, &json!({})).await.expect(405);
    }
    other.get(&app.api("/v1/whoami")).await.expect(200);
}
