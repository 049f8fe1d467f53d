//! `keyway config check` and `keyway config example`.

use serde::Serialize;

use crate::args::{Common, Config as Which};
use crate::config::{Mode, example};
use crate::output::Output;

#[derive(Serialize)]
struct Checked {
    ok: bool,
    public_url: String,
    database: String,
    data_dir: String,
    apis: Vec<String>,
}

/// Does what was asked for.
///
/// # Errors
/// When the settings are wrong.
pub fn run(which: &Which, common: &Common, output: Output) -> anyhow::Result<()> {
    match which {
        Which::Example => output.print(example::TEXT, str::to_owned),
        Which::Check => {
            let config = super::load(common, Mode::Server)?;
            let checked = Checked {
                ok: true,
                public_url: config.public_url.to_string(),
                database: config.database.to_string(),
                data_dir: config.data_dir.display().to_string(),
                apis: config.catalogue.apis().iter().map(|api| api.audience.to_string()).collect(),
            };
            output.print(&checked, |c| {
                format!(
                    "The settings are in order.\n  portal    {}\n  database  {}\n  data      {}\n  APIs      {}",
                    c.public_url,
                    c.database,
                    c.data_dir,
                    c.apis.join(", ")
                )
            })
        }
    }
}
