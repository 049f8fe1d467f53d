//! The commands that run servers, and what belongs to them.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand, ValueEnum};

#[derive(Group, Debug, Default)]
pub struct Dev {
    /// Fill in two people, a team, credentials in every state and 30 days of calls, once.
    #[arg(long)]
    pub demo_data: bool,
    /// Read templates and static files from this folder at each request.
    #[arg(long, value_name = "DIR")]
    pub web_dir: Option<PathBuf>,
}

#[derive(Group, Debug)]
pub struct Portal {
    /// Bring the database's schema up to date first.
    #[arg(long)]
    pub migrate: bool,
    /// Print the link that makes the first administrator, unless there ever was one.
    #[arg(long)]
    pub bootstrap: bool,
    /// Read templates and static files from this folder at each request.
    #[arg(long, value_name = "DIR")]
    pub web_dir: Option<PathBuf>,
}

#[derive(Group, Debug)]
pub struct SampleApi {
    /// Where credentials are verified.
    #[arg(long, value_enum, default_value_t = Verify::Store)]
    pub verify: Verify,
    /// Bring the database's schema up to date first (with --verify store).
    #[arg(long)]
    pub migrate: bool,
}

/// Where the sample API learns about credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verify {
    /// In the portal's database.
    Store,
    /// From the portal over HTTP, as a resource server: KEYWAY_CLIENT_ID, KEYWAY_CLIENT_SECRET.
    Remote,
}

#[derive(Subcommand, Debug)]
pub enum Config {
    /// Check the settings without starting anything.
    Check,
    /// Print a settings file with all defaults.
    Example,
}
