//! What a call costs on the heap. Its own binary: it counts what the whole process takes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail, and says why")]

#[expect(dead_code, reason = "a source that never fails is enough here")]
mod memory;

use std::alloc::System;

use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpResponse, web};
use keyway_guard::actix::{Principal, RequestIds, scopes};
use memory::House;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Accepted calls are counted, and not written down one by one.
fn house() -> House {
    House::new(|settings| settings.records_per_second = 0)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn list(_: Principal) -> HttpResponse {
    HttpResponse::Ok().body("[]")
}

/// The allocations of one call that was made before.
macro_rules! taken {
    ($app:expr, $key:expr) => {{
        let mut taken = 0;
        for _ in 0..3 {
            let request = TestRequest::get().uri("/v1/notes");
            let request = request.insert_header(("Authorization", format!("Bearer {}", $key))).to_request();
            let heap = Region::new(HEAP);
            let answer = $app.call(request).await.unwrap();
            taken = heap.change().allocations;
            assert_eq!(answer.status(), 200);
        }
        taken
    }};
}

/// One test: what runs beside it would be counted too.
#[test]
fn a_call_with_a_credential_seen_before_takes_nothing_and_its_answer_little() {
    runtime().block_on(async {
        let house = house();
        for credential in [&house.key, &house.token, &house.jwt, &house.counted] {
            let header = format!("Bearer {credential}");
            for _ in 0..2 {
                assert!(house.call(&header).await.refusal().is_none());
            }
            let heap = Region::new(HEAP);
            for _ in 0..100 {
                assert!(house.call(&header).await.refusal().is_none());
            }
            assert_eq!(heap.change().allocations, 0);
        }
        let spent = format!("Bearer {}", house.spent);
        assert!(house.call(&spent).await.refusal().is_none());
        house.verify(&house.jwt);
        let heap = Region::new(HEAP);
        assert!(house.call(&spent).await.refusal().is_some());
        // Its record: who, where, why, and what was lacking.
        assert!(heap.change().allocations <= 5, "{:?}", heap.change());
    });
    // Against the same route without a guard, for what the guard's part of the answer takes.
    let (bare, guarded) = actix_web::rt::System::new().block_on(async {
        let house = house();
        let bare = init_service(App::new().service(
            web::scope("/v1").route("/notes", web::get().to(|| async { HttpResponse::Ok().body("[]") })),
        ))
        .await;
        let bare = taken!(bare, house.key);
        let guarded = init_service(
            App::new().wrap(RequestIds::new(house.guard.clone())).service(
                web::scope("/v1")
                    .wrap(house.guard.middleware())
                    .route("/notes", web::get().to(list).wrap(scopes(["notes:read"]))),
            ),
        )
        .await;
        (bare, taken!(guarded, house.key))
    });
    let taken = guarded - bare;
    println!("an answer takes {bare} allocations bare, {taken} more behind the guard");
    assert!(taken <= 19, "{taken}");
}
