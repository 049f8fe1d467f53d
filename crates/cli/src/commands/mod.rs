//! The commands, one file each.

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
    match args.command {
        Some(Command::Config(which)) => settings::run(&which, common, output),
        Some(Command::Dev(_)) | None => anyhow::bail!("not wired"),
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
