//! The whole product, tested from outside: over HTTP, by its pages, by its commands, as processes.

mod api;
mod commands;
mod harness;
mod pages;
mod processes;
