//! The pattern of the route that a request has matched.

use std::cell::RefCell;

use actix_web::HttpRequest;

/// The most patterns that are remembered.
const MOST: usize = 256;

/// Remembers the patterns that are a path as it stands: putting a pattern together means matching the path once more.
#[derive(Debug, Default)]
pub(super) struct Routes(RefCell<Vec<Box<str>>>);

impl Routes {
    /// What `then` makes of the pattern; of nothing, where no route matched.
    pub(super) fn with<T>(&self, request: &HttpRequest, then: impl FnOnce(&str) -> T) -> T {
        let path = request.path();
        // A route with a parameter may have the same path.
        let plain = request.match_info().iter().next().is_none();
        if plain && self.0.borrow().iter().any(|known| **known == *path) {
            return then(path);
        }
        let pattern = request.match_pattern().unwrap_or_default();
        let mut known = self.0.borrow_mut();
        if plain && pattern == path && known.len() < MOST {
            known.push(path.into());
        }
        then(&pattern)
    }
}
