//! The commands, one file each.

mod database;
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
