//! The commands, one file each.

mod client;
mod database;
mod doctor;
pub(crate) mod key;
mod key_import;
pub mod login;
mod login_device;
mod master_key;
mod registration_token;
pub mod servers;
mod settings;
mod signing_key;
mod token;
pub(crate) mod user;

use crate::args::{Args, Command, Common};
use crate::config::{Config, Mode, Sources};
use crate::house::{House, Missing};
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
            let result = match args.device {
                true => servers::in_runtime(login_device::login(&request)),
                false => servers::in_runtime(login::login(&request)),
            }?;
            // The token response is what the command is for, so it is JSON either way.
            Output { json: true }.print(&result, |_| String::new())
        }
        Command::Logout => {
            let config = load(common, Mode::Command)?;
            servers::in_runtime(login::logout(config.public_url.as_str(), None))
        }
        Command::SampleApi(args) => servers::sample_api(load(common, Mode::Server)?, &args),
        Command::Doctor => {
            let config = load(common, Mode::Server)?;
            servers::in_runtime(doctor::run(&config, output))
        }
        Command::Migrate => database::migrate(&load(common, Mode::Command)?, output),
        Command::Backup { file } => database::backup(&load(common, Mode::Command)?, &file, output),
        Command::Restore { file, replace } => {
            database::restore(&load(common, Mode::Command)?, &file, replace, output)
        }
        Command::User(which) => {
            in_house(common, |house| async move { user::run(&house, which, output).await })
        }
        Command::Client(which) => {
            in_house(common, |house| async move { client::run(&house, which, output).await })
        }
        Command::Key(which) => in_house(common, |house| async move { key::run(&house, which, output).await }),
        Command::Token(which) => in_house(common, |house| async move { token::run(&house, which).await }),
        Command::SigningKey(which) => {
            in_house(common, |house| async move { signing_key::run(&house, which, output).await })
        }
        Command::MasterKey(which) => {
            in_house(common, |house| async move { master_key::run(&house, &which, output).await })
        }
    }
}

/// Runs `work` on the database that the settings name, beside any servers on it.
fn in_house<F: Future<Output = anyhow::Result<()>>>(
    common: &Common,
    work: impl FnOnce(House) -> F,
) -> anyhow::Result<()> {
    let config = load(common, Mode::Command)?;
    servers::in_runtime(async {
        let house = House::open(config, Missing::default()).await?;
        let done = work(house.clone()).await;
        house.close().await;
        done
    })
}

/// The settings for a command.
fn load(common: &Common, mode: Mode) -> anyhow::Result<Config> {
    let mut sources = Sources::from_process(common.flags());
    if let Some(file) = &common.config {
        sources.file = Some(file.clone());
    }
    Config::load(&sources, mode)
}
