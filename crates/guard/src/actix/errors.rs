//! actix-web's own errors as problems: bad JSON, forms, queries, paths, unknown paths, wrong methods.

use actix_web::error::{
    InternalError, JsonPayloadError, PathError, PayloadError, QueryPayloadError, UrlencodedError,
};
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::{self, FormConfig, JsonConfig, PathConfig, PayloadConfig, QueryConfig, ServiceConfig};
use actix_web::{Error, HttpResponse, Resource};

use super::answer::response;
use crate::problem::Problem;

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The error handlers and the 404 of an API; for an `App` or a scope. Bodies are read up to 64 kB, JSON only as
/// `application/json`.
pub fn configure_errors(config: &mut ServiceConfig) {
    config
        .app_data(json_config(MAX_BODY))
        .app_data(FormConfig::default().limit(MAX_BODY).error_handler(|error, _| raise(form(&error))))
        .app_data(QueryConfig::default().error_handler(|error, _| raise(query(&error))))
        .app_data(PathConfig::default().error_handler(|error, _| raise(path(&error))))
        .app_data(PayloadConfig::new(MAX_BODY))
        .default_service(web::to(not_found));
}

/// How JSON bodies are read, up to `limit` bytes: for the `app_data` of a resource that takes more than 64 kB.
pub fn json_config(limit: usize) -> JsonConfig {
    JsonConfig::default().limit(limit).error_handler(|error, _| raise(json(&error)))
}

/// A resource that answers other methods than `allowed` (`GET, POST`) with 405 and says which ones it has.
pub fn resource(path: &str, allowed: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move {
        let problem = Problem::new(405, "method_not_allowed", "This resource does not have that method")
            .detail(format!("It has {allowed}."));
        let mut answer = response(problem);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        answer
    }))
}

async fn not_found() -> HttpResponse {
    response(Problem::new(404, "not_found", "There is nothing at this address"))
}

fn raise(problem: Problem) -> Error {
    InternalError::from_response(problem.code(), response(problem)).into()
}

fn too_large(limit: usize) -> Problem {
    Problem::new(413, "body_too_large", "The body is too large")
        .detail(format!("At most {limit} bytes are read."))
}

fn invalid(title: &'static str, detail: String) -> Problem {
    Problem::new(400, "invalid_request", title).detail(detail)
}

fn json(error: &JsonPayloadError) -> Problem {
    match error {
        JsonPayloadError::OverflowKnownLength { limit, .. } | JsonPayloadError::Overflow { limit } => {
            too_large(*limit)
        }
        JsonPayloadError::ContentType => {
            Problem::new(415, "unsupported_media_type", "The body must be application/json")
        }
        JsonPayloadError::Deserialize(error) if error.is_data() => {
            Problem::new(422, "invalid_body", "The body does not have the expected form")
                .detail(error.to_string())
        }
        JsonPayloadError::Deserialize(error) => invalid("The body is not JSON", error.to_string()),
        JsonPayloadError::Payload(PayloadError::Overflow) => too_large(MAX_BODY),
        other => invalid("The body cannot be read", other.to_string()),
    }
}

fn form(error: &UrlencodedError) -> Problem {
    match error {
        UrlencodedError::Overflow { limit, .. } => too_large(*limit),
        UrlencodedError::ContentType => {
            Problem::new(415, "unsupported_media_type", "The body must be application/x-www-form-urlencoded")
        }
        other => invalid("The form cannot be read", other.to_string()),
    }
}

fn query(error: &QueryPayloadError) -> Problem {
    invalid("The query string cannot be read", error.to_string())
}

fn path(error: &PathError) -> Problem {
    match error {
        // An id of another form belongs to nothing.
        PathError::Deserialize(_) => Problem::new(404, "not_found", "There is nothing at this address"),
        other => invalid("The path cannot be read", other.to_string()),
    }
}
