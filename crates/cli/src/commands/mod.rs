//! The commands, one file each.

mod database;
pub mod login;
pub mod servers;
mod settings;

use crate::args::{Args, Command, Common};
use crate::config::{Config, Mode, Sources};
use crate::output::Output;

/// Does what was asked for.
///
/// # Errors
/// In one line for the person at the terminal.
pub fn run(args: Args) -> anyhow::Result<()> {
    let output = Output { json: args.common.json };
    let common = &args.common;
    let command = args.command.unwrap_or_else(|| Command::Dev(crate::args::Dev::default()));
    match command {
        Command::Config(which) => settings::run(&which, common, output),
        Command::Dev(args) => servers::dev(load(common, Mode::Dev)?, &args),
        Command::Portal(args) => servers::portal(load(common, Mode::Server)?, &args),
        Command::Login(args) => {
            let config = load(common, Mode::Command)?;
            let request = login::LoginRequest {
                public_url: config.public_url.to_string(),
                scopes: args.scope,
                resource: args.audience,
                open_browser: !args.no_browser,
            };
            let result = servers::in_runtime(login::login(&request))?;
            // The token response is what the command is for, so it is JSON either way.
            Output { json: true }.print(&result, |_| String::new())
        }
        Command::Logout => {
            let config = load(common, Mode::Command)?;
            servers::in_runtime(login::logout(config.public_url.as_str(), None))
        }
        Command::Migrate => database::migrate(&load(common, Mode::Command)?, output),
        Command::Backup { file } => database::backup(&load(common, Mode::Command)?, &file, output),
        Command::Restore { file, replace } => {
            database::restore(&load(common, Mode::Command)?, &file, replace, output)
        }
        _ => anyhow::bail!("not wired"),
    }
}

/// The settings for a command.
fn load(common: &Common, mode: Mode) -> anyhow::Result<Config> {
    let mut sources = Sources::from_process(common.flags());
    if let Some(file) = &common.config {
        sources.file = Some(file.clone());
    }
    Config::load(&sources, mode)
}
