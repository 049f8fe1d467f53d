use std::collections::HashMap;

use actix_web::App;
use actix_web::body::to_bytes;
use actix_web::test::{TestRequest, call_service, init_service};
use keyway_core::source::{Pending, SourceError};

use super::*;
use crate::tests::{API, House};

struct One(Result<Option<&'static str>, SourceError>);

impl ResourceServers for One {
    fn audience<'a>(
        &'a self,
        id: &'a str,
        secret: &'a keyway_core::secret::PlainSecret,
    ) -> Pending<'a, Option<keyway_core::audience::Audience>> {
        let good = id == "server" && secret.expose() == "secret";
        Box::pin(async move { Ok(self.0.clone()?.filter(|_| good).map(|api| api.parse().unwrap())) })
    }
}

/// Status, headers and body of what is answered to `headers` at `/guard/check?query`.
async fn asked(
    forward: ForwardAuth,
    query: &str,
    headers: &[(&'static str, &str)],
) -> (u16, HashMap<String, String>, String) {
    let forward = web::Data::new(forward);
    let app = init_service(App::new().configure(|config| configure(config, forward))).await;
    let mut request =
        TestRequest::with_uri(&format!("/guard/check?{query}")).peer_addr("127.0.0.1:4000".parse().unwrap());
    for header in headers {
        request = request.append_header(*header);
    }
    let answer = call_service(&app, request.to_request()).await;
    let status = answer.status().as_u16();
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let headers: HashMap<_, _> =
        answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    for name in HEADERS {
        assert!(headers.contains_key(name), "{name} is set on every answer");
    }
    let body = to_bytes(answer.into_body()).await.unwrap();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

fn open(house: &House) -> ForwardAuth {
    ForwardAuth::on_loopback(vec![house.guard.clone()])
}

const READ: &str = "audience=http://api.example&scope=notes:read";

#[actix_web::test]
async fn a_good_credential_is_told_and_a_scope_that_is_missing_refused() {
    let house = House::new();
    let key = house.key();
    let header = [("x-api-key", key.expose())];
    let (status, told, _) = asked(open(&house), READ, &header).await;
    assert_eq!(
        (status, told["x-keyway-scopes"].as_str(), told["x-keyway-method"].as_str()),
        (200, "notes:read", "api_key")
    );
    assert_eq!((told["x-keyway-status"].as_str(), told["x-keyway-code"].as_str()), ("200", ""));
    assert!(told.contains_key("ratelimit") && !told["x-keyway-subject"].is_empty());

    let write = format!("{READ}+notes:write");
    let (status, told, body) = asked(open(&house), &write, &header).await;
    assert_eq!(
        (status, told["x-keyway-code"].as_str(), told["x-keyway-subject"].as_str()),
        (403, "insufficient_scope", "")
    );
    assert!(
        body.contains("notes:write") && told["www-authenticate"].contains("insufficient_scope"),
        "{body}"
    );
}

#[actix_web::test]
async fn nginx_gets_the_two_codes_that_it_knows_and_the_true_one_beside_them() {
    let house = House::new();
    let key = house.key_with(|facts| facts.budgets.own = "1/h burst=1".parse().unwrap());
    let header = [("authorization", format!("Bearer {}", key.expose()))];
    let header = [(header[0].0, header[0].1.as_str())];
    let query = format!("{READ}&codes=nginx");
    assert_eq!(asked(open(&house), &query, &header).await.0, 200);
    let (status, told, _) = asked(open(&house), &query, &header).await;
    assert_eq!(
        (status, told["x-keyway-status"].as_str(), told["retry-after"].as_str()),
        (403, "429", "3600")
    );
    assert_eq!(asked(open(&house), READ, &header).await.0, 429);
    assert_eq!(asked(open(&house), &query, &[]).await.0, 401);
}

#[actix_web::test]
async fn what_is_demanded_comes_from_the_query_alone_and_is_complete() {
    let house = House::new();
    let key = house.key();
    let header =
        [("x-api-key", key.expose()), ("x-keyway-scopes", "notes:write"), ("x-keyway-audience", API)];
    for query in [
        "",
        "audience=http://api.example",
        "scope=notes:read",
        "audience=http://other.example&scope=notes:read",
        "audience=http://api.example&scope=a&scope=b",
        "audience=http://api.example&scope=notes:read&scopes=notes:write",
        "audience=http://api.example&scope=notes:read&codes=apache",
    ] {
        let (status, told, _) = asked(open(&house), query, &header).await;
        assert_eq!((status, told["x-keyway-subject"].as_str()), (500, ""), "{query}");
    }
    assert_eq!(asked(open(&house), "audience=http://api.example&scope=", &header).await.0, 200);
}

#[actix_web::test]
async fn the_clients_address_is_the_one_that_the_proxy_saw() {
    let house = House::new();
    let key = house.key_with(|facts| facts.addresses = "203.0.113.0/24".parse().unwrap());
    let from = |hops: &'static str| [("x-api-key", key.expose()), ("x-forwarded-for", hops)];
    assert_eq!(asked(open(&house), READ, &from("203.0.113.9")).await.0, 200);
    assert_eq!(
        asked(open(&house), READ, &from("203.0.113.9, 198.51.100.1")).await.0,
        403,
        "the client wrote the first"
    );
    assert_eq!(asked(open(&house), READ, &from("nonsense")).await.0, 403);
}

#[actix_web::test]
async fn a_credential_in_the_clients_address_is_refused() {
    let house = House::new();
    let key = house.key();
    let target = format!("/v1/notes?api_key={}", key.expose());
    let headers = [("x-api-key", key.expose()), ("x-forwarded-uri", target.as_str())];
    let (status, told, _) = asked(open(&house), READ, &headers).await;
    assert_eq!((status, told["x-keyway-code"].as_str()), (400, "credential_in_query"));
}

#[actix_web::test]
async fn beyond_loopback_a_resource_server_alone_is_answered_and_for_its_own_api() {
    let house = House::new();
    let key = house.key();
    let ask = |who: &'static str, knows: Result<Option<&'static str>, SourceError>| {
        let forward =
            ForwardAuth::for_resource_servers(vec![house.guard.clone()], std::sync::Arc::new(One(knows)));
        let key = key.clone();
        async move { asked(forward, READ, &[("x-api-key", key.expose()), (SECRET_HEADER, who)]).await.0 }
    };
    assert_eq!(ask("server:secret", Ok(Some(API))).await, 200);
    assert_eq!(ask("server:wrong", Ok(Some(API))).await, 500);
    assert_eq!(ask("", Ok(Some(API))).await, 500);
    assert_eq!(ask("server:secret", Ok(Some("http://other.example"))).await, 500);
    assert_eq!(ask("server:secret", Ok(None)).await, 500);
    assert_eq!(ask("server:secret", Err(SourceError::Unavailable("down".into()))).await, 503);
}
