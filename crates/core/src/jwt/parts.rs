//! The parts of other people's JWTs, as far as they are alike.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;

/// One or several values (RFC 7519 §4.1.3).
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl Audiences {
    /// As a list.
    pub(crate) fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

/// A part of a JWS: JSON in base64url (RFC 7515 §7.1).
pub(crate) fn read_part<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Whether a `typ` header names the media type `application/<expected>`, with or without its beginning (RFC 7515
/// §4.1.9); media types know no case (RFC 2045 §5.1).
pub(crate) fn is_type(typ: &str, expected: &str) -> bool {
    let bare = typ.get(.."application/".len()).filter(|p| p.eq_ignore_ascii_case("application/"));
    let typ = bare.and_then(|p| typ.get(p.len()..)).unwrap_or(typ);
    typ.eq_ignore_ascii_case(expected)
}

/// A NumericDate (RFC 7519 §2): seconds, perhaps with a fraction. `None` for what is no date that is meant.
pub(crate) fn numeric_date(seconds: f64) -> Option<Timestamp> {
    // Within these bounds, well past any date that is meant, a double holds whole seconds exactly.
    if !(0.0..1e11).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the bounds are checked above")]
    let micros = (seconds * 1e6) as i64;
    Some(Timestamp::from_micros(micros))
}
