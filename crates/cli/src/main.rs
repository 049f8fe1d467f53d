//! The `keyway` command; everything is in the library beside it.

use std::process::ExitCode;

use clap::Parser;
use keyway_cli::{args::Args, commands, output};

fn main() -> ExitCode {
    match commands::run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::report(&error);
            ExitCode::FAILURE
        }
    }
}
