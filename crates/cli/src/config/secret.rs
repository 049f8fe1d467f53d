//! Secrets among the settings: each by value, or in a file named by the setting with `_file`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use keyway_core::secret::PlainSecret;
use serde::{Deserialize, Deserializer};

/// A secret as written in the file or the environment.
#[derive(Clone, Debug)]
pub struct SecretText(PlainSecret);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(PlainSecret::new(text)))
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(PlainSecret::new(text))
    }
}

/// The longest secret file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The one way of the two in which the secret `name` was given.
pub fn resolve(
    name: &str,
    value: Option<&SecretText>,
    file: Option<&PathBuf>,
) -> anyhow::Result<Option<PlainSecret>> {
    match (value, file) {
        (Some(_), Some(_)) => bail!("both {name} and {name}_file are set: keep one"),
        (Some(SecretText(secret)), None) => Ok(Some(secret.clone())),
        (None, Some(path)) => read(path).with_context(|| format!("{name}_file")).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path) -> anyhow::Result<PlainSecret> {
    let size = std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
    if size > MAX_FILE {
        bail!("{} is larger than {MAX_FILE} bytes", path.display());
    }
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(PlainSecret::new(text))
}
