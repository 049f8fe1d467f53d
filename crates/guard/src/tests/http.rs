//! The middleware: headers and bodies as they go out.

use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use keyway_core::facts::State;
use serde_json::Value;

use super::*;
use crate::actix::{Principal, RequestIds, any_credential, configure_errors, cors, open, resource, scopes};

async fn whoami(caller: Principal) -> HttpResponse {
    HttpResponse::Ok().body(caller.credential().to_string())
}

async fn created(_: Principal, body: web::Json<Value>) -> HttpResponse {
    HttpResponse::Created().json(body.into_inner())
}

async fn called(house: &House, request: TestRequest) -> ServiceResponse<BoxBody> {
    let guard = house.guard.clone();
    let app = init_service(
        App::new().service(
            web::scope("")
                .wrap(cors("http://portal.example"))
                .wrap(RequestIds::new(guard.clone()))
                .configure(configure_errors)
                .service(resource("/ping", "GET").route(web::get().to(HttpResponse::Ok).wrap(open())))
                .service(
                    web::scope("/v1")
                        .wrap(guard.middleware())
                        .service(
                            resource("/whoami", "GET").route(web::get().to(whoami).wrap(any_credential())),
                        )
                        .service(
                            resource("/notes", "GET, POST")
                                .route(web::post().to(created).wrap(scopes(["notes:write"]))),
                        )
                        .service(resource("/forgotten", "GET").route(web::get().to(HttpResponse::Ok))),
                ),
        ),
    )
    .await;
    call_service(&app, request.peer_addr("192.0.2.1:4000".parse().unwrap()).to_request()).await
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

async fn body(answer: ServiceResponse<BoxBody>) -> Value {
    serde_json::from_slice(&to_bytes(answer.into_body()).await.unwrap()).unwrap()
}

fn with(key: &PlainSecret, path: &str) -> TestRequest {
    TestRequest::with_uri(path).insert_header(("X-API-Key", key.expose()))
}

#[actix_web::test]
async fn an_accepted_call_carries_its_limits_and_its_id() {
    let house = House::new();
    let answer = called(&house, with(&house.key(), "/v1/whoami")).await;
    let headers = answer.headers();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(headers, "ratelimit-policy"), "\"credential\";q=100;w=10, \"owner\";q=200;w=10");
    assert_eq!(header(headers, "ratelimit"), "\"credential\";r=99;t=1");
    assert_eq!(header(headers, "ratelimit-limit"), "100");
    assert_eq!(header(headers, "ratelimit-remaining"), "99");
    assert_eq!(header(headers, "ratelimit-reset"), "1");
    assert_eq!(header(headers, "x-request-id").len(), 36);
}

#[actix_web::test]
async fn a_call_without_a_credential_is_told_how_to_get_in() {
    let house = House::new();
    let answer = called(&house, TestRequest::with_uri("/v1/whoami")).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(header(answer.headers(), "content-type"), "application/problem+json");
    assert_eq!(
        header(answer.headers(), "www-authenticate"),
        "Bearer realm=\"http://api.example\", \
         resource_metadata=\"http://api.example/.well-known/oauth-protected-resource\""
    );
    let id = header(answer.headers(), "x-request-id").to_owned();
    let problem = body(answer).await;
    assert_eq!(problem["code"], "missing_credential");
    assert_eq!(problem["request_id"], id);
}

#[actix_web::test]
async fn a_refused_credential_says_why() {
    let house = House::new();
    let key = house.key_with(|facts| facts.state = State::Revoked);
    let answer = called(&house, with(&key, "/v1/whoami")).await;
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().get("ratelimit").is_none());
    assert!(header(answer.headers(), "www-authenticate").contains("error=\"invalid_token\""));
    let problem = body(answer).await;
    assert_eq!((&problem["code"], &problem["check"]), (&"revoked".into(), &"not_revoked".into()));
}

#[actix_web::test]
async fn a_missing_scope_is_403_with_limits_whatever_the_body() {
    let house = House::new();
    let request =
        with(&house.key(), "/v1/notes").method(actix_web::http::Method::POST).set_payload("{not json");
    let answer = called(&house, request).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(header(answer.headers(), "ratelimit-remaining"), "99");
    assert!(header(answer.headers(), "www-authenticate").contains("scope=\"notes:write\""));
    assert_eq!(body(answer).await["scope"], "notes:write");
}

#[actix_web::test]
async fn over_the_limit_says_when_to_come_back() {
    let house = House::new();
    let key = house.key_with(|facts| facts.budgets.own = "60/min burst=1".parse().unwrap());
    called(&house, with(&key, "/v1/whoami")).await;
    let answer = called(&house, with(&key, "/v1/whoami")).await;
    assert_eq!(answer.status(), 429);
    assert_eq!(header(answer.headers(), "retry-after"), "1");
    assert_eq!(header(answer.headers(), "ratelimit"), "\"credential\";r=0;t=1");
    house.clock.advance(Duration::seconds(1));
    assert_eq!(called(&house, with(&key, "/v1/whoami")).await.status(), 200);
}

#[actix_web::test]
async fn a_route_that_names_nothing_answers_500() {
    let house = House::new();
    let answer = called(&house, with(&house.key(), "/v1/forgotten")).await;
    assert_eq!(answer.status(), 500);
    assert_eq!(body(answer).await["code"], "route_undeclared");
}

#[actix_web::test]
async fn unknown_paths_and_methods_are_problems_with_an_id() {
    let house = House::new();
    let answer = called(&house, TestRequest::with_uri("/nowhere")).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(body(answer).await["code"], "not_found");
    let answer = called(&house, TestRequest::delete().uri("/ping")).await;
    assert_eq!(answer.status(), 405);
    assert_eq!(header(answer.headers(), "allow"), "GET");
    assert!(body(answer).await["request_id"].is_string());
}

#[actix_web::test]
async fn a_body_that_cannot_be_read_is_a_problem_that_names_the_request() {
    let house = House::new();
    let key = house.key_with(|facts| facts.scopes = "notes:write".parse().unwrap());
    let post = |body: &'static str, kind: &'static str| {
        with(&key, "/v1/notes")
            .method(actix_web::http::Method::POST)
            .insert_header(("content-type", kind))
            .set_payload(body)
    };
    let answer = called(&house, post("{", "application/json")).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(header(answer.headers(), "ratelimit-remaining"), "99");
    assert!(body(answer).await["request_id"].is_string());
    assert_eq!(called(&house, post("{}", "text/plain")).await.status(), 415);
    let large = with(&key, "/v1/notes")
        .method(actix_web::http::Method::POST)
        .insert_header(("content-type", "application/json"))
        .set_payload(vec![b' '; 100_000]);
    assert_eq!(called(&house, large).await.status(), 413);
    assert_eq!(called(&house, post("{}", "application/json")).await.status(), 201);
}

#[actix_web::test]
async fn preflights_are_answered_for_the_portal_alone() {
    let house = House::new();
    let ask = |origin: &'static str| {
        TestRequest::with_uri("/v1/whoami")
            .method(actix_web::http::Method::OPTIONS)
            .insert_header(("origin", origin))
            .insert_header(("access-control-request-method", "GET"))
    };
    let answer = called(&house, ask("http://portal.example")).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(header(answer.headers(), "access-control-allow-origin"), "http://portal.example");
    let answer = called(&house, ask("http://evil.example")).await;
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().get("access-control-allow-origin").is_none());
    let read = with(&house.key(), "/v1/whoami").insert_header(("origin", "http://portal.example"));
    let answer = called(&house, read).await;
    assert!(header(answer.headers(), "access-control-expose-headers").contains("RateLimit-Remaining"));
}
