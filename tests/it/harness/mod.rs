//! What tests are made of: servers, actors, answers, processes.

pub mod actors;
pub mod app;
pub mod apps;
pub mod browser;
pub mod html;
pub mod process;
pub mod raw;
pub mod reply;
