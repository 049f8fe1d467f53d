//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};

/// A self-hosted developer portal: API keys, JWTs and OAuth tokens, one guard.
///
/// Without a command: `keyway dev`. Settings: `keyway config example`.
#[derive(Parser, Debug)]
#[command(name = "keyway", version, max_term_width = 110)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What all commands take.
#[derive(Group, Debug, Clone)]
pub struct Common {
    /// The settings file [default: keyway.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the database, the master key, mails and notes are kept [default: var].
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// sqlite://PATH or postgres://HOST/NAME [default: keyway.db in the data folder].
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// The portal's address as browsers see it [default: http://localhost:8080].
    #[arg(long, global = true, value_name = "URL")]
    pub public_url: Option<String>,
    /// Print results as JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

impl Common {
    /// As settings: path and value.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        [("data_dir", &self.data_dir), ("database_url", &self.database_url), ("public_url", &self.public_url)]
            .into_iter()
            .filter_map(|(path, value)| value.clone().map(|value| (path, value)))
            .collect()
    }
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Portal and sample API in one process, on this machine only.
    Dev(Dev),
    /// Read, check and explain the settings.
    #[command(subcommand)]
    Config(Config),
}

#[derive(Group, Debug, Default)]
pub struct Dev {
    /// Read templates and static files from this folder at each request.
    #[arg(long, value_name = "DIR")]
    pub web_dir: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Config {
    /// Check the settings without starting anything.
    Check,
    /// Print a settings file with all defaults.
    Example,
}
