//! Every route, with what it needs beside it.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, ServiceConfig};
use keyway_guard::Guard;
use keyway_guard::actix::{any_credential, configure_errors, json_config, open, resource, scopes};

use crate::{documents, notes, whoami};

pub(crate) fn configure(config: &mut ServiceConfig, guard: &Guard) {
    config
        // First: it is asked for most.
        .service(
            web::scope("/v1")
                .wrap(guard.middleware())
                .configure(configure_errors)
                .service(
                    resource("/whoami", "GET").route(web::get().to(whoami::whoami).wrap(any_credential())),
                )
                .service(
                    resource("/notes", "GET, POST")
                        .app_data(json_config(notes::MAX_JSON))
                        .route(web::get().to(notes::routes::list).wrap(scopes(["notes:read"])))
                        .route(web::post().to(notes::routes::create).wrap(scopes(["notes:write"]))),
                )
                .service(
                    resource("/notes/{id}", "GET, PUT, DELETE")
                        .app_data(json_config(notes::MAX_JSON))
                        .route(web::get().to(notes::routes::read).wrap(scopes(["notes:read"])))
                        .route(web::put().to(notes::routes::replace).wrap(scopes(["notes:write"])))
                        .route(web::delete().to(notes::routes::delete).wrap(scopes(["notes:delete"]))),
                ),
        )
        .service(resource("/ping", "GET").route(web::get().to(ping).wrap(open())))
        .service(resource("/openapi.json", "GET").route(web::get().to(documents::openapi).wrap(open())))
        .service(
            resource("/.well-known/oauth-protected-resource", "GET")
                .route(web::get().to(documents::protected_resource).wrap(open())),
        );
}

async fn ping() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(serde_json::json!({ "pong": true }))
}
