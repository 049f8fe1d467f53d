//! `/settings/…`.

mod notifications;
mod password;
mod profile;
mod sessions;

use actix_web::web::ServiceConfig;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.configure(profile::configure).configure(password::configure).configure(sessions::configure);
    cfg.configure(notifications::configure);
}
