//! Pages and mails: Tera templates, styles and icons, embedded in the binary or read from a folder.
//!
//! To add a page: a template under `web/templates/pages` that names its variables in its first comment, and its
//! states under `web/samples` at the same path; a test renders every state.

mod branding;
mod chrome;
mod files;
mod filters;
mod logo;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use keyway_core::Timestamp;
use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, Value};

pub use branding::{Accent, Branding, InvalidAccent};
pub use chrome::{Chrome, ChromeUser, Flash, FlashKind};
pub use files::StaticFile;
use files::{Files, Source};
pub(crate) use filters::count;
pub use logo::{InvalidLogo, Logo};

/// Why a page or mail could not be made. All of them are the portal's own faults: a page author's, or the folder's.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A template does not parse, or names another that is not there.
    #[error("the templates do not load: {0}")]
    Templates(#[source] tera::Error),
    /// A variable is missing, a context is no map, or there is no such template.
    #[error("the template {name} does not render: {source}")]
    Page {
        /// Which template.
        name: String,
        /// Tera's report.
        source: tera::Error,
    },
    /// A file of the folder cannot be read as UTF-8 text.
    #[error("{path}: {source}")]
    Folder {
        /// Which file or folder.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A mail template must be a subject, an empty line, and a body.
    #[error("the mail template {0} has no subject line")]
    Subject(String),
}

/// A mail, ready to be sent: the same words twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML with its styles inline, as mail programs want it.
    pub html: String,
}

/// Renders pages and mails, and knows the static files they ask for.
#[derive(Clone)]
pub struct Renderer {
    source: Source,
    branding: Branding,
    loaded: Arc<Loaded>,
}

struct Loaded {
    tera: Tera,
    files: Arc<Files>,
}

impl Renderer {
    /// From what was embedded when the binary was built.
    pub fn embedded(branding: Branding) -> Result<Self, RenderError> {
        Self::new(Source::Embedded, branding)
    }

    /// From a folder like `web`, read again for every page: for development.
    pub fn from_dir(path: impl Into<PathBuf>, branding: Branding) -> Result<Self, RenderError> {
        Self::new(Source::Folder(path.into()), branding)
    }

    fn new(source: Source, branding: Branding) -> Result<Self, RenderError> {
        let loaded = Arc::new(load(&source, &branding)?);
        Ok(Self { source, branding, loaded })
    }

    /// A page: `template` as `pages/keys/list.html`, `context` a struct or map of what its first comment lists.
    pub fn render(
        &self,
        template: &str,
        context: impl Serialize,
        chrome: &Chrome,
    ) -> Result<String, RenderError> {
        let chrome = chrome.view(&self.branding);
        self.with_context(template, &context, "chrome", &chrome)
    }

    /// A mail: `name` as `verify`, for `mails/verify.html` and `mails/verify.txt`.
    pub fn mail(&self, name: &str, context: impl Serialize, now: Timestamp) -> Result<Mail, RenderError> {
        let about = chrome::MailView { brand: &self.branding, now };
        let text = self.with_context(&format!("mails/{name}.txt"), &context, "chrome", &about)?;
        let html = self.with_context(&format!("mails/{name}.html"), &context, "chrome", &about)?;
        let (subject, text) = text.split_once("\n\n").ok_or_else(|| RenderError::Subject(name.to_owned()))?;
        if subject.is_empty() || subject.contains(['\n', '\r']) {
            return Err(RenderError::Subject(name.to_owned()));
        }
        Ok(Mail { subject: subject.to_owned(), text: text.to_owned(), html })
    }

    /// A file under `/static/`, by its plain or its fingerprinted name.
    pub fn static_file(&self, path: &str) -> Option<StaticFile> {
        match &self.source {
            Source::Embedded => self.loaded.files.get(path),
            Source::Folder(_) => Files::load(&self.source, &self.branding).ok()?.get(path),
        }
    }

    /// What the portal is called and looks like.
    pub fn branding(&self) -> &Branding {
        &self.branding
    }

    fn with_context(
        &self,
        name: &str,
        context: &impl Serialize,
        key: &'static str,
        extra: &impl Serialize,
    ) -> Result<String, RenderError> {
        let failed = |source| RenderError::Page { name: name.to_owned(), source };
        let mut context = Context::from_serialize(context).map_err(failed)?;
        context.insert_value(key, Value::try_from_serializable(extra).map_err(failed)?);
        let loaded = match &self.source {
            Source::Embedded => Arc::clone(&self.loaded),
            Source::Folder(_) => Arc::new(load(&self.source, &self.branding)?),
        };
        loaded.tera.render(name, &context).map_err(failed)
    }
}

fn load(source: &Source, branding: &Branding) -> Result<Loaded, RenderError> {
    let files = Arc::new(Files::load(source, branding)?);
    let mut tera = Tera::default();
    filters::register(&mut tera);
    let assets = Arc::clone(&files);
    tera.register_function("asset", move |args: Kwargs, _: &State<'_>| {
        let path: &str = args.must_get("path")?;
        assets.url(path).ok_or_else(|| tera::Error::message(format!("no static file {path}")))
    });
    tera.add_raw_templates(source.texts("templates")?).map_err(RenderError::Templates)?;
    Ok(Loaded { tera, files })
}
