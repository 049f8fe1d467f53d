//! The command line's grammar.

mod credentials;
mod people;
mod registration;
mod running;

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};

pub use credentials::{
    Client, ClientCreate, Format, GrantType, IdTokenAlgorithm, Key, KeyCreate, KeyPurpose, MasterKey, Method,
    SigningKey, Token, TokenMint,
};
pub use people::{Login, User, UserCreate};
pub use registration::{RegistrationToken, RegistrationTokenCreate};
pub use running::{Config, Dev, Portal, SampleApi, Verify};

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
    /// The portal alone, for others to reach.
    Portal(Portal),
    /// The sample API alone.
    SampleApi(SampleApi),
    /// Bring the database's schema up to date.
    Migrate,
    /// Look whether everything is as it must be.
    Doctor,
    /// Read, check and explain the settings.
    #[command(subcommand)]
    Config(Config),
    /// Sign in through the browser and print the tokens.
    Login(Login),
    /// End the tokens that `login` printed: reads the refresh token from the standard input.
    Logout,
    /// Accounts.
    #[command(subcommand)]
    User(User),
    /// API keys.
    #[command(subcommand)]
    Key(Key),
    /// OAuth clients and resource servers.
    #[command(subcommand)]
    Client(Client),
    /// JWTs.
    #[command(subcommand)]
    Token(Token),
    /// The keys that sign JWTs.
    #[command(subcommand)]
    SigningKey(SigningKey),
    /// The key that seals what must be read back.
    #[command(subcommand)]
    MasterKey(MasterKey),
    /// Write a copy of the database to a file, beside a running server (SQLite).
    Backup {
        /// The file to write; must not exist.
        file: PathBuf,
    },
    /// Put a backup in the place of the database (SQLite; no server may run).
    Restore {
        /// The file that `backup` wrote.
        file: PathBuf,
        /// Replace a database that is there.
        #[arg(long)]
        replace: bool,
    },
}
