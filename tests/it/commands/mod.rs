//! The commands, as a person at a terminal runs them.

mod beside;
mod database;
mod demo_data;
mod settings;
