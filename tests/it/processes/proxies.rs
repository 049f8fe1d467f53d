//! What a proxy in front of an API asks: `/guard/check` on its own listener.

use reqwest::header::HeaderMap;

use crate::harness::actors::http;
use crate::harness::process::{Dev, Process, free_port, run_json};

async fn check(guard: &str, api: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap) {
    let url = format!("{guard}/guard/check?audience={api}&scope=notes:read&route=/v1/notes");
    let request =
        headers.iter().fold(http().get(url), |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone())
}

#[tokio::test]
async fn a_proxy_asks_on_loopback_freely_and_elsewhere_as_a_resource_server() {
    let port = free_port();
    let dev = Dev::start_with(&[("KEYWAY_GUARD_ADDR", &format!("127.0.0.1:{port}"))]).await;
    let (guard, api) = (format!("http://127.0.0.1:{port}"), dev.api.as_str());
    run_json(&mut dev.command(&["user", "create", "--email", "ada@example.com", "--json"]));
    let create =
        ["key", "create", "--user", "ada@example.com", "--name", "proxy", "--scope", "notes:read", "--json"];
    let made = run_json(&mut dev.command(&create));
    let key = made["key"].as_str().unwrap();
    let (status, told) = check(&guard, api, &[("x-api-key", key)]).await;
    assert_eq!(status, 200);
    assert_eq!(told["x-keyway-scopes"], "notes:read");
    assert_eq!(told["x-keyway-credential"], made["id"].as_str().unwrap());
    assert_eq!(check(&guard, api, &[]).await.0, 401);

    let register = ["client", "create", "--name", "Proxy", "--resource-server", "--audience", api, "--json"];
    let server = run_json(&mut dev.command(&register));
    let (port, portal) = (free_port(), free_port());
    let mut command = dev.command(&["portal"]);
    command.env("KEYWAY_PORTAL_ADDR", format!("127.0.0.1:{portal}"));
    command.env("KEYWAY_GUARD_ADDR", format!("0.0.0.0:{port}"));
    let mut other = Process::start(command);
    other.ready(&format!("http://127.0.0.1:{portal}/readyz")).await;
    let guard = format!("http://127.0.0.1:{port}");
    let field = |name: &str| server[name].as_str().unwrap().to_owned();
    let proof = format!("{}:{}", field("client_id"), field("client_secret"));
    let (status, told) = check(&guard, api, &[("x-api-key", key)]).await;
    assert_eq!((status, told["x-keyway-subject"].as_bytes()), (500, &b""[..]), "nobody said who asks");
    assert_eq!(check(&guard, api, &[("x-api-key", key), ("x-keyway-resource-server", &proof)]).await.0, 200);
    let management = format!("{}/api/v1", dev.portal);
    let headers = [("x-api-key", key), ("x-keyway-resource-server", proof.as_str())];
    assert_eq!(check(&guard, &management, &headers).await.0, 500, "it is a resource server of another API");
}
