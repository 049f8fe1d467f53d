//! The developer portal: pages, OAuth endpoints, the management API.

pub mod flows;
pub mod oauth;
