//! Where templates and static files come from, and the fingerprints by which browsers may keep the latter.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use rust_embed::{Embed, EmbeddedFile};
use sha2::{Digest, Sha256};

use super::{Branding, RenderError};

#[derive(Embed)]
#[folder = "../../web/templates/"]
struct Templates;

#[derive(Embed)]
#[folder = "../../web/static/"]
struct Static;

/// Where the web files are read from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The binary.
    Embedded,
    /// A folder with `templates` and `static` in it.
    Folder(PathBuf),
}

/// A static file as it is sent.
#[derive(Clone, Debug)]
pub struct StaticFile {
    /// The content.
    pub bytes: Cow<'static, [u8]>,
    /// Its media type, with the character set where it is text.
    pub content_type: &'static str,
    /// The start of its SHA-256 in hexadecimal; also its entity tag, without the quotes.
    pub fingerprint: String,
    /// Whether it was asked for by its fingerprinted name, and so never changes under it (keep it for a year).
    pub immutable: bool,
}

/// A path relative to its part of the web files, with `/`, and the content.
type Named = (String, Cow<'static, [u8]>);

/// All static files by their plain names.
pub(super) struct Files(BTreeMap<String, StaticFile>);

impl Files {
    pub(super) fn load(source: &Source, branding: &Branding) -> Result<Self, RenderError> {
        let mut files: BTreeMap<_, _> = source
            .bytes("static")?
            .into_iter()
            .map(|(name, bytes)| (name.clone(), file(&name, bytes)))
            .collect();
        // The accent is a setting; a style sheet of its own keeps inline styles out of every page.
        let brand = Cow::Owned(branding.style_sheet().into_bytes());
        files.insert("brand.css".to_owned(), file("brand.css", brand));
        if let Some(logo) = &branding.logo {
            files.insert(logo.name().to_owned(), file(logo.name(), Cow::Owned(logo.bytes().to_vec())));
        }
        Ok(Self(files))
    }

    /// By plain name (`app.css`) or fingerprinted name (`app.0f1e2d3c4b.css`).
    pub(super) fn get(&self, path: &str) -> Option<StaticFile> {
        if let Some(found) = self.0.get(path) {
            return Some(found.clone());
        }
        let (rest, extension) = path.rsplit_once('.')?;
        let (stem, fingerprint) = rest.rsplit_once('.')?;
        let found = self.0.get(&format!("{stem}.{extension}"))?;
        (found.fingerprint == fingerprint).then(|| StaticFile { immutable: true, ..found.clone() })
    }

    /// The address of a file by its plain name.
    pub(super) fn url(&self, name: &str) -> Option<String> {
        let fingerprint = &self.0.get(name)?.fingerprint;
        let (stem, extension) = name.rsplit_once('.')?;
        Some(format!("/static/{stem}.{fingerprint}.{extension}"))
    }
}

fn file(name: &str, bytes: Cow<'static, [u8]>) -> StaticFile {
    let mut fingerprint = String::with_capacity(10);
    for byte in Sha256::digest(&bytes).iter().take(5) {
        // Writing to a String cannot fail.
        let _ = write!(fingerprint, "{byte:02x}");
    }
    StaticFile { content_type: content_type(name), bytes, fingerprint, immutable: false }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

impl Source {
    /// Every file of a sub-folder.
    fn bytes(&self, part: &'static str) -> Result<Vec<Named>, RenderError> {
        match (self, part) {
            (Self::Folder(root), _) => {
                let mut found = Vec::new();
                walk(&root.join(part), "", &mut found)?;
                Ok(found)
            }
            (Self::Embedded, "templates") => Ok(embedded(Templates::iter(), Templates::get)),
            (Self::Embedded, _) => Ok(embedded(Static::iter(), Static::get)),
        }
    }

    /// The same as text.
    pub(super) fn texts(&self, part: &'static str) -> Result<Vec<(String, String)>, RenderError> {
        let text = |(name, bytes): Named| match String::from_utf8(bytes.into_owned()) {
            Ok(text) => Ok((name, text)),
            Err(e) => Err(failed(Path::new(&name))(std::io::Error::new(std::io::ErrorKind::InvalidData, e))),
        };
        self.bytes(part)?.into_iter().map(text).collect()
    }
}

fn embedded(
    names: impl Iterator<Item = Cow<'static, str>>,
    get: impl Fn(&str) -> Option<EmbeddedFile>,
) -> Vec<Named> {
    names.filter_map(|name| get(&name).map(|found| (name.into_owned(), found.data))).collect()
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> RenderError + '_ {
    move |source| RenderError::Folder { path: path.to_owned(), source }
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<Named>) -> Result<(), RenderError> {
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()).filter(|n| !n.starts_with('.')) else {
            continue;
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            walk(&path, &format!("{name}/"), found)?;
        } else {
            found.push((name, Cow::Owned(fs::read(&path).map_err(failed(&path))?)));
        }
    }
    Ok(())
}
