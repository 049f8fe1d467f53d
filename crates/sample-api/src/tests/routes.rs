//! What each route needs, and that the OpenAPI document says the same.

use actix_web::http::Method as Verb;
use actix_web::test::TestRequest;
use keyway_core::owner::Environment;
use serde_json::Value;

use super::world::{ALL, World, request};

/// All operations of the OpenAPI document: method, path, and the scope that it names.
fn operations() -> Vec<(Verb, String, Option<String>)> {
    let document: Value = serde_json::from_str(crate::documents::OPENAPI).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (name, operation) in item.as_object().unwrap() {
            let Ok(verb) = name.to_uppercase().parse::<Verb>() else { continue };
            if operation.get("responses").is_none() {
                continue;
            }
            let security = operation["security"].as_array().unwrap();
            assert_eq!(security.is_empty(), !path.starts_with("/v1/"), "{verb} {path}");
            let scope = security.iter().find_map(|way| way["oauth"].get(0)?.as_str());
            let path = path.replace("{id}", "01890000-0000-7000-8000-000000000000");
            found.push((verb, path, scope.map(str::to_owned)));
        }
    }
    assert_eq!(found.len(), 7);
    found
}

#[actix_web::test]
async fn every_operation_under_v1_needs_a_credential_and_the_scope_that_the_document_names() {
    let world = World::new();
    for (verb, path, scope) in operations() {
        if !path.starts_with("/v1/") {
            world.send(TestRequest::with_uri(&path).method(verb)).await.expect(200);
            continue;
        }
        let anonymous = TestRequest::with_uri(&path).method(verb.clone());
        let refused = world.send(anonymous).await;
        refused.refused(401, "missing_credential");
        assert!(refused.header("www-authenticate").unwrap().contains("resource_metadata="), "{path}");
        let Some(scope) = scope else {
            let bare = world.key(world.owner(), Environment::Live, "other:read");
            world.call(&bare, verb, &path).await.expect(200);
            continue;
        };
        let others: Vec<&str> = ALL.split(' ').filter(|other| *other != scope).collect();
        let lacking = world.key(world.owner(), Environment::Live, &others.join(" "));
        let problem = world.call(&lacking, verb.clone(), &path).await.refused(403, "insufficient_scope");
        assert_eq!(problem["scope"], *scope, "{verb} {path}");
        let having = world.key(world.owner(), Environment::Live, &scope);
        let answer = world.call(&having, verb.clone(), &path).await;
        assert!(![401, 403, 405, 500].contains(&answer.status), "{verb} {path}: {}", answer.text);
    }
}

#[actix_web::test]
async fn the_document_names_every_method_of_every_path() {
    let world = World::new();
    let key = world.any_key();
    let operations = operations();
    for (_, path, _) in &operations {
        let answer = world.call(&key, Verb::PATCH, path).await;
        answer.refused(405, "method_not_allowed");
        let mut named: Vec<&str> =
            operations.iter().filter(|(_, other, _)| other == path).map(|(verb, ..)| verb.as_str()).collect();
        let mut allowed: Vec<&str> = answer.header("allow").unwrap().split(", ").collect();
        named.sort_unstable();
        allowed.sort_unstable();
        assert_eq!(named, allowed, "{path}");
    }
}

#[actix_web::test]
async fn an_unknown_path_is_a_problem_everywhere() {
    let world = World::new();
    let key = world.any_key();
    world.call(&key, Verb::GET, "/nowhere").await.refused(404, "not_found");
    world.call(&key, Verb::GET, "/v1/nowhere").await.refused(404, "not_found");
    world.call(&key, Verb::GET, "/v1/notes/not-an-id").await.refused(404, "not_found");
    world.send(TestRequest::with_uri("/v1/nowhere")).await.refused(401, "missing_credential");
}

#[actix_web::test]
async fn whoami_tells_what_the_guard_knows() {
    let world = World::new();
    let owner = world.owner();
    let key = world.key(owner, Environment::Test, "notes:read");
    let first = world.call(&key, Verb::GET, "/v1/whoami").await.expect(200);
    let me = first.json();
    assert_eq!(me["method"], "api_key");
    assert_eq!(me["subject"], owner.to_string());
    assert_eq!(me["owner"], owner.to_string());
    assert_eq!(me["client"], Value::Null);
    assert_eq!(me["environment"], "test");
    assert_eq!(me["scopes"], serde_json::json!(["notes:read"]));
    assert_eq!(me["expires_at"], Value::Null);
    assert_eq!(me["checked_by"], "look-up");
    // A test key has a tenth: of 100 at once, 10.
    assert_eq!(me["limits"]["credential"]["remaining"], 9);
    assert_eq!(first.header("ratelimit-remaining"), Some("9"));
    assert_eq!(first.header("ratelimit-limit"), Some("10"));
    let second = world.call(&key, Verb::GET, "/v1/whoami").await.expect(200);
    assert_eq!(second.json()["checked_by"], "cache");
    assert_eq!(second.header("cache-control"), Some("no-store"));
}

#[actix_web::test]
async fn the_metadata_and_the_document_name_the_portal() {
    let world = World::new();
    let metadata =
        world.send(TestRequest::with_uri("/.well-known/oauth-protected-resource")).await.expect(200);
    let metadata = metadata.json();
    assert_eq!(metadata["resource"], "http://api.example");
    assert_eq!(metadata["authorization_servers"], serde_json::json!(["http://portal.example"]));
    assert_eq!(metadata["bearer_methods_supported"], serde_json::json!(["header"]));
    let document = world.send(TestRequest::with_uri("/openapi.json")).await.expect(200).json();
    let flow = &document["components"]["securitySchemes"]["oauth"]["flows"]["authorizationCode"];
    assert_eq!(flow["authorizationUrl"], "http://portal.example/oauth/authorize");
    assert_eq!(flow["tokenUrl"], "http://portal.example/oauth/token");
}

#[actix_web::test]
async fn the_portals_pages_alone_may_call_from_a_browser() {
    let world = World::new();
    let preflight = |origin: &str| {
        TestRequest::with_uri("/v1/notes")
            .method(Verb::OPTIONS)
            .insert_header(("origin", origin.to_owned()))
            .insert_header(("access-control-request-method", "POST"))
            .insert_header(("access-control-request-headers", "authorization,content-type"))
    };
    let allowed = world.send(preflight("http://portal.example")).await.expect(204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("http://portal.example"));
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("POST"));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("Authorization"));
    assert!(allowed.header("x-request-id").is_some());
    for stranger in ["http://evil.example", "http://portal.example.evil.example", "null"] {
        let refused = world.send(preflight(stranger)).await;
        assert_eq!(refused.header("access-control-allow-origin"), None, "{stranger}");
        assert_eq!(refused.status, 401);
    }
    let key = world.any_key();
    let call = request(&key, Verb::GET, "/v1/whoami").insert_header(("origin", "http://portal.example"));
    let answer = world.send(call).await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://portal.example"));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id"] {
        assert!(exposed.split(", ").any(|header| header == name), "{name}");
    }
    // A refusal can be read by the page as well.
    let refused = TestRequest::with_uri("/v1/whoami").insert_header(("origin", "http://portal.example"));
    let refused = world.send(refused).await;
    refused.refused(401, "missing_credential");
    assert_eq!(refused.header("access-control-allow-origin"), Some("http://portal.example"));
    assert_eq!(super::super::origin("https://keys.example/portal/"), "https://keys.example");
}
