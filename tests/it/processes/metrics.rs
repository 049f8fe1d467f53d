//! What Prometheus reads: `/metrics` on its own listener.

use crate::harness::actors::http;
use crate::harness::process::{Dev, free_port, run_json};

#[tokio::test]
async fn the_listener_for_metrics_tells_how_full_each_guard_is_and_nothing_that_is_secret() {
    let port = free_port();
    let dev = Dev::start_with(&[
        ("KEYWAY_METRICS_ADDR", &format!("127.0.0.1:{port}")),
        ("KEYWAY_GUARD_ADDR", &format!("127.0.0.1:{}", free_port())),
    ])
    .await;
    run_json(&mut dev.command(&["user", "create", "--email", "ada@example.com", "--json"]));
    let create = [
        "key",
        "create",
        "--user",
        "ada@example.com",
        "--name",
        "secretive",
        "--scope",
        "notes:read",
        "--json",
    ];
    let made = run_json(&mut dev.command(&create));
    let key = made["key"].as_str().unwrap();
    let called = http().get(format!("{}/v1/whoami", dev.api)).bearer_auth(key).send().await.unwrap();
    assert_eq!(called.status(), 200);

    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let answer = http().get(url("/metrics")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = answer.text().await.unwrap();
    let (api, management) = (&dev.api, format!("{}/api/v1", dev.portal));
    let line = format!(r#"keyway_guard_held{{audience="{api}",place="api",what="known"}} 1"#);
    assert!(text.lines().any(|l| l == line), "{text}");
    for (place, audience) in [("api", api), ("portal", &management), ("proxy", &management)] {
        for what in ["known", "unknown", "recent", "ended", "budgets", "guessers", "waiting_records"] {
            for name in ["held", "most"] {
                let start =
                    format!(r#"keyway_guard_{name}{{audience="{audience}",place="{place}",what="{what}"}} "#);
                assert!(text.contains(&start), "{start}\n{text}");
            }
        }
    }
    assert!(text.contains("keyway_portal_requests_total{"), "{text}");
    for secret in [key, made["id"].as_str().unwrap(), "ada@example.com", "secretive"] {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
    for path in ["/", "/sign-in", "/api/v1/keys", "/healthz"] {
        assert_eq!(http().get(url(path)).send().await.unwrap().status(), 404, "{path}");
    }
}
