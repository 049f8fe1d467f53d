//! The portal's logo, from a file of the operator's: checked and kept when it is read, and sent like other static files.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Bytes; a page is to stay below 60 kB with everything on it.
const MOST: u64 = 32 * 1024;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// An SVG or PNG picture, shown beside the portal's name. Serialised as the name of its static file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    name: &'static str,
    bytes: Arc<[u8]>,
}

/// Why a file is no logo.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLogo {
    /// The file is not there, or not ours to read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Every page would carry it.
    #[error("{0} is larger than {MOST} bytes")]
    TooLarge(PathBuf),
    /// By its content, not by its name.
    #[error("{0} is neither an SVG nor a PNG picture")]
    Unknown(PathBuf),
}

impl Logo {
    /// From a file of at most 32 KiB.
    pub fn read(path: &Path) -> Result<Self, InvalidLogo> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes))
            .map_err(|source| InvalidLogo::Unreadable { path: path.to_owned(), source })?;
        if bytes.len() as u64 > MOST {
            return Err(InvalidLogo::TooLarge(path.to_owned()));
        }
        let name = static_name(&bytes).ok_or_else(|| InvalidLogo::Unknown(path.to_owned()))?;
        Ok(Self { name, bytes: bytes.into() })
    }

    /// As it stands under `/static/`.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Serialize for Logo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// By what the file begins with.
fn static_name(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(PNG) {
        return Some("logo.png");
    }
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}').trim_start();
    let begins = ["<svg", "<?xml", "<!--", "<!DOCTYPE svg"].iter().any(|start| text.starts_with(start));
    (begins && text.contains("<svg")).then_some("logo.svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_known_by_its_content_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let read = |content: &[u8]| {
            let path = folder.path().join("logo");
            std::fs::write(&path, content).unwrap();
            Logo::read(&path)
        };
        let svg = "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>".as_bytes();
        assert_eq!(read(svg).unwrap().name(), "logo.svg");
        assert_eq!(read(&[PNG, b"rest".as_slice()].concat()).unwrap().name(), "logo.png");
        for bad in
            [b"".as_slice(), b"<html><svg>", b"GIF89a", b"\xff\xfe<svg>", b"<?xml version=\"1.0\"?><html/>"]
        {
            assert!(matches!(read(bad), Err(InvalidLogo::Unknown(_))), "{bad:?}");
        }
        assert!(matches!(read(&[b'<'; 32 * 1024 + 1]), Err(InvalidLogo::TooLarge(_))));
        assert!(matches!(Logo::read(Path::new("/nowhere/logo.svg")), Err(InvalidLogo::Unreadable { .. })));
    }
}
