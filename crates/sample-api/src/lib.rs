//! sample-api
