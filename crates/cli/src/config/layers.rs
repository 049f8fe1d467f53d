//! The layers that settings come from, lowest first: defaults, file, environment, flags.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use figment::error::Kind;
use figment::providers::{Format, Toml};
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::sections::Written;

/// What the names of all variables begin with.
const PREFIX: &str = "KEYWAY_";
/// Variables that are not settings: the file's own name, and what the tests are told.
const NOT_SETTINGS: [&str; 3] = ["KEYWAY_CONFIG", "KEYWAY_TEST_", "KEYWAY_SOAK_"];
/// The settings file, if it is there.
const FILE: &str = "keyway.toml";
/// The largest settings file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Where settings come from, besides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A settings file that must be there; else `keyway.toml` in the working folder, if it is there.
    pub file: Option<PathBuf>,
    /// Environment variables with their values.
    pub environment: Vec<(String, String)>,
    /// Settings given as flags: path and value.
    pub flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// From the process's own environment.
    pub fn from_process(flags: Vec<(&'static str, String)>) -> Self {
        let environment: Vec<_> = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        let file = environment.iter().find(|(name, _)| name == "KEYWAY_CONFIG").map(|(_, path)| path.into());
        Self { file, environment, flags }
    }

    /// All layers as one.
    ///
    /// # Errors
    /// When the file cannot be read, or something in a layer is unknown or of the wrong type: named in one line.
    pub fn read(&self) -> anyhow::Result<Written> {
        let mut figment = Figment::new();
        if let Some(text) = self.file_text()? {
            figment = figment.merge(Toml::string(&text));
        }
        figment
            .merge(Pairs::environment(&self.environment))
            .merge(Pairs::flags(&self.flags))
            .extract()
            .map_err(|error| anyhow::anyhow!(self.describe(error)))
    }

    fn file_text(&self) -> anyhow::Result<Option<String>> {
        let path = self.file.as_deref().unwrap_or_else(|| Path::new(FILE));
        match std::fs::metadata(path) {
            Err(_) if self.file.is_none() => return Ok(None),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
            Ok(meta) if meta.len() > MAX_FILE => bail!("{} is larger than {MAX_FILE} bytes", path.display()),
            Ok(_) => {}
        }
        std::fs::read_to_string(path).with_context(|| path.display().to_string()).map(Some)
    }

    /// One line that names the setting as its layer spells it.
    fn describe(&self, error: figment::Error) -> String {
        let Some(error) = error.into_iter().next() else { return "the settings cannot be read".to_owned() };
        let mut path = error.path.clone();
        let (problem, field) = match &error.kind {
            Kind::UnknownField(name, known) => (unknown(name, known), None),
            Kind::MissingField(name) => ("is missing".to_owned(), Some(name.to_string())),
            Kind::UnknownVariant(value, known) => {
                (format!("{value:?} is none of {}", known.join(", ")), None)
            }
            other => (other.to_string(), None),
        };
        path.extend(field);
        if path.is_empty() {
            return problem;
        }
        let variable = format!("{PREFIX}{}", path.join("__").to_ascii_uppercase());
        let set_by_variable = |name: &str| name == variable || name.starts_with(&format!("{variable}__"));
        if self.environment.iter().any(|(name, _)| set_by_variable(name)) {
            format!("{variable}: {problem}")
        } else {
            format!("{}: {problem}", path.join("."))
        }
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    let near = known.iter().find(|k| k.contains(name) || name.contains(**k));
    match near {
        Some(near) => format!("there is no such setting; perhaps {near} is meant"),
        None => "there is no such setting (see `keyway config example`)".to_owned(),
    }
}

/// Pairs of path and value as a layer.
struct Pairs {
    name: &'static str,
    dict: Dict,
}

impl Pairs {
    fn environment(variables: &[(String, String)]) -> Self {
        let mut dict = Dict::new();
        for (name, value) in variables {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            // An empty variable is one that is not set.
            if value.is_empty() || NOT_SETTINGS.iter().any(|not| name.starts_with(not)) {
                continue;
            }
            add(&mut dict, &path.to_ascii_lowercase().replace("__", "."), parse(value));
        }
        Self { name: "environment", dict }
    }

    fn flags(flags: &[(&'static str, String)]) -> Self {
        let mut dict = Dict::new();
        for (path, value) in flags {
            add(&mut dict, path, Value::from(value.as_str()));
        }
        Self { name: "flags", dict }
    }
}

/// Numbers, booleans and lists are read as such; everything else is text as it stands.
fn parse(value: &str) -> Value {
    value.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
}

fn add(dict: &mut Dict, path: &str, value: Value) {
    if path.split('.').any(str::is_empty) {
        dict.insert(path.to_owned(), value);
        return;
    }
    if let Some(nested) = nest(path, value).into_dict() {
        let before = std::mem::take(dict);
        *dict = merge(before, nested);
    }
}

fn merge(mut into: Dict, from: Dict) -> Dict {
    for (key, value) in from {
        let merged = match (into.remove(&key), value) {
            (Some(Value::Dict(tag, old)), Value::Dict(_, new)) => Value::Dict(tag, merge(old, new)),
            (_, value) => value,
        };
        into.insert(key, merged);
    }
    into
}

impl Provider for Pairs {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }
    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}
