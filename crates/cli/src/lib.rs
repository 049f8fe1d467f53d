//! The `keyway` command: configuration, logging, wiring, and the commands.
//!
//! | module | what it does |
//! |---|---|
//! | [`args`] | the command line's grammar |
//! | [`config`] | settings from file, environment and flags, judged once |
//! | [`telemetry`] [`output`] | log lines; results and errors |
//! | [`home`] [`house`] | the data folder; the parts put together |
//! | [`demo`] | the demo identity provider beside `keyway dev` |
//! | [`demo_data`] | people, credentials and calls to look at, for `keyway dev --demo-data` |
//! | [`forward_auth`] [`metrics`] | the listeners for proxies and for Prometheus |
//! | [`remote`] | the sample API as a resource server |
//! | [`listeners`] [`servers`] [`tasks`] | sockets, servers, and what runs beside them |
//! | [`commands`] | the commands, one file each |
//!
//! To add a command: its arguments in [`args`], a file in [`commands`], a line in [`commands::run`]. Rules and
//! changes are not here: commands call the portal's flows, as its pages do.

pub mod args;
pub mod commands;
pub mod config;
pub mod demo;
pub mod demo_data;
pub mod forward_auth;
pub mod home;
pub mod house;
pub mod listeners;
pub mod metrics;
pub mod output;
pub mod remote;
pub mod servers;
pub mod tasks;
pub mod telemetry;
