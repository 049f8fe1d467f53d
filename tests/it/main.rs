//! The whole product, tested from outside: over HTTP, by its pages, by its commands, as processes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail, and says why"
)]

mod api;
mod clients;
mod commands;
mod harness;
mod oauth;
mod pages;
mod processes;
