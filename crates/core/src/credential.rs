//! How a credential looks: `<brand>_<kind>_` + 32 random base62 characters (190.5 bits) + 6 base62 characters of
//! the CRC32 of all that precedes. The checksum is for typos and leak scanners, not for security.
//!
//! Published pattern, never changed: `[a-z][a-z0-9]{1,15}_(live|test|at|rt|ac|dc|cs|ml|ia|ra)_[0-9A-Za-z]{38}`.

use std::fmt;
use std::str::FromStr;

use crate::change::UnknownName;
use crate::random::Random;
use crate::secret::PlainSecret;

/// Random characters in a credential; 62^32 is 190.5 bits.
pub const RANDOM_LEN: usize = 32;
/// Checksum characters at the end.
pub const CHECKSUM_LEN: usize = 6;
/// The longest credential that is looked at; JWTs included.
pub const MAX_LEN: usize = 8 * 1024;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The product's name at the front of every credential: 2 to 16 of `[a-z0-9]`, a letter first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand(String);

impl Brand {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Brand {
    fn default() -> Self {
        Self("keyway".to_owned())
    }
}

impl FromStr for Brand {
    type Err = InvalidBrand;
    fn from_str(s: &str) -> Result<Self, InvalidBrand> {
        let letters = s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let first = s.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if letters && first && (2..=16).contains(&s.len()) {
            Ok(Self(s.to_owned()))
        } else {
            Err(InvalidBrand)
        }
    }
}

/// A text that cannot be a brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a brand is 2 to 16 lower-case letters and digits, a letter first")]
pub struct InvalidBrand;

/// What a Keyway-shaped secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `live`: an API key for production data.
    LiveKey,
    /// `test`: an API key for test data.
    TestKey,
    /// `at`: an opaque access token.
    AccessToken,
    /// `rt`: a refresh token.
    RefreshToken,
    /// `ac`: an authorization code.
    AuthorizationCode,
    /// `dc`: a device code.
    DeviceCode,
    /// `cs`: a client secret.
    ClientSecret,
    /// `ml`: a one-time link in a mail or a terminal.
    MailLink,
    /// `ia`: an initial access token for client registration.
    InitialAccess,
    /// `ra`: a registration access token.
    RegistrationAccess,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::LiveKey,
        Self::TestKey,
        Self::AccessToken,
        Self::RefreshToken,
        Self::AuthorizationCode,
        Self::DeviceCode,
        Self::ClientSecret,
        Self::MailLink,
        Self::InitialAccess,
        Self::RegistrationAccess,
    ];

    /// As it stands in the credential.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LiveKey => "live",
            Self::TestKey => "test",
            Self::AccessToken => "at",
            Self::RefreshToken => "rt",
            Self::AuthorizationCode => "ac",
            Self::DeviceCode => "dc",
            Self::ClientSecret => "cs",
            Self::MailLink => "ml",
            Self::InitialAccess => "ia",
            Self::RegistrationAccess => "ra",
        }
    }
}

impl FromStr for Kind {
    type Err = UnknownName;
    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == s).ok_or(UnknownName)
    }
}

/// A new secret of `kind`.
pub fn generate(brand: &Brand, kind: Kind, random: &dyn Random) -> PlainSecret {
    let mut text = format!("{}_{}_", brand.as_str(), kind.as_str());
    text.reserve(RANDOM_LEN + CHECKSUM_LEN);
    let mut left = RANDOM_LEN;
    let mut bytes = [0_u8; 64];
    while left > 0 {
        random.fill(&mut bytes);
        // 248 is the largest multiple of 62 in a byte: above it a remainder would favour some characters.
        for character in bytes.iter().filter(|b| **b < 248).take(left) {
            text.push(char::from(base62(u32::from(*character))));
        }
        left = RANDOM_LEN.saturating_sub(text.len() - brand.as_str().len() - kind.as_str().len() - 2);
    }
    zeroize::Zeroize::zeroize(&mut bytes);
    let sum = checksum(text.as_bytes());
    text.extend(sum.map(char::from));
    PlainSecret::new(text)
}

fn base62(n: u32) -> u8 {
    ALPHABET.get((n % 62) as usize).copied().unwrap_or(b'0')
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut n = crc32fast::hash(body);
    let mut out = [b'0'; CHECKSUM_LEN];
    for place in out.iter_mut().rev() {
        *place = base62(n);
        n /= 62;
    }
    out
}

/// A foreign key shape that is let past the checksum (imported keys).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignFormat {
    /// What such keys begin with; at least 2 characters.
    pub prefix: String,
    /// The fewest characters in all.
    pub min_length: usize,
}

/// The shapes that are accepted: our brand, earlier brands, foreign formats.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    /// The brand that new credentials get.
    pub brand: Brand,
    /// Brands that were used before.
    pub earlier_brands: Vec<Brand>,
    /// Imported keys issued elsewhere.
    pub foreign: Vec<ForeignFormat>,
}

/// What a text presented as a credential is, judged by its shape alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An API key with a right checksum, or of a foreign format.
    ApiKey,
    /// An opaque access token with a right checksum.
    AccessToken,
    /// Three base64url parts: a JWT, unverified.
    Jwt,
    /// Shaped as one of ours, but the checksum is wrong: a typo or a guess.
    BadChecksum,
    /// A secret of ours that is no credential for an API (a refresh token, a client secret, …).
    WrongKind(Kind),
    /// Nothing that could be a credential here.
    Unknown,
}

impl Shapes {
    /// Judges `text` by its shape. Costs no look-up and allocates nothing.
    pub fn classify(&self, text: &str) -> Shape {
        if text.len() > MAX_LEN {
            return Shape::Unknown;
        }
        if let Some((kind, intact)) = self.own(text) {
            return match (kind, intact) {
                (_, false) => Shape::BadChecksum,
                (Kind::LiveKey | Kind::TestKey, true) => Shape::ApiKey,
                (Kind::AccessToken, true) => Shape::AccessToken,
                (other, true) => Shape::WrongKind(other),
            };
        }
        if self.foreign.iter().any(|f| text.len() >= f.min_length && text.starts_with(&f.prefix)) {
            return Shape::ApiKey;
        }
        if is_jws_compact(text) { Shape::Jwt } else { Shape::Unknown }
    }

    /// The kind of a secret of ours and whether its checksum is right; `None` if it is not ours.
    pub fn own(&self, text: &str) -> Option<(Kind, bool)> {
        let rest = std::iter::once(&self.brand)
            .chain(&self.earlier_brands)
            .find_map(|brand| text.strip_prefix(brand.as_str())?.strip_prefix('_'))?;
        let (kind, tail) = rest.split_once('_')?;
        let kind = kind.parse().ok()?;
        Some((kind, intact(text, tail)))
    }

    /// Whether `text` is a whole secret of `kind`.
    pub fn is(&self, text: &str, kind: Kind) -> bool {
        self.own(text) == Some((kind, true))
    }
}

fn intact(text: &str, tail: &str) -> bool {
    if tail.len() != RANDOM_LEN + CHECKSUM_LEN || !tail.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    text.as_bytes().split_last_chunk::<CHECKSUM_LEN>().is_some_and(|(body, sum)| checksum(body) == *sum)
}

/// RFC 7515 §7.1: three base64url parts. The signature may not be empty: unsecured tokens are never ours.
fn is_jws_compact(text: &str) -> bool {
    let mut parts = 0;
    for part in text.split('.') {
        parts += 1;
        if parts > 3 || part.is_empty() {
            return false;
        }
        if !part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return false;
        }
    }
    parts == 3
}

/// What lists show of a secret: brand, kind and the first four random characters.
pub fn display_prefix(secret: &PlainSecret) -> String {
    let text = secret.expose();
    let head = text.match_indices('_').nth(1).map_or(0, |(at, _)| at + 1);
    text.chars().take(head + 4).collect()
}

/// Masks everything in `text` that looks like a credential of any brand, or like a JWT: for logs and records.
pub fn mask(text: &str) -> std::borrow::Cow<'_, str> {
    let wordy = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let secret = |word: &str| {
        let own = word.rsplit_once('_').is_some_and(|(_, tail)| tail.len() >= RANDOM_LEN);
        own || (word.len() > 60 && is_jws_compact(word))
    };
    if !text.split(|c| !wordy(c)).any(secret) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !wordy(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if secret(word) {
            out.extend(word.chars().take(12));
            out.push('…');
            out.push_str(PlainSecret::new(word).last4());
        } else {
            out.push_str(word);
        }
        let gap = after.find(wordy).unwrap_or(after.len());
        let (between, next) = after.split_at(gap);
        out.push_str(between);
        rest = next;
    }
    out.into()
}

impl fmt::Display for Brand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    fn key(kind: Kind) -> PlainSecret {
        generate(&Brand::default(), kind, &SeededRandom::new(7))
    }

    #[test]
    fn every_kind_is_recognised_and_a_changed_character_is_not() {
        let shapes = Shapes::default();
        for kind in Kind::ALL {
            let text = key(kind).expose().to_owned();
            assert_eq!(shapes.own(&text), Some((kind, true)), "{text}");
            for at in text.len() - 38..text.len() {
                let mut other = text.clone().into_bytes();
                other[at] = if other[at] == b'x' { b'y' } else { b'x' };
                let other = String::from_utf8(other).unwrap();
                assert_eq!(shapes.own(&other), Some((kind, false)));
            }
        }
    }

    #[test]
    fn a_credential_matches_the_published_pattern() {
        let text = key(Kind::LiveKey).expose().to_owned();
        assert_eq!(text.len(), "keyway_live_".len() + 38);
        assert!(text.starts_with("keyway_live_"));
    }

    #[test]
    fn only_api_credentials_are_accepted_at_an_api() {
        let shapes = Shapes::default();
        assert_eq!(shapes.classify(key(Kind::TestKey).expose()), Shape::ApiKey);
        assert_eq!(shapes.classify(key(Kind::AccessToken).expose()), Shape::AccessToken);
        assert_eq!(shapes.classify(key(Kind::RefreshToken).expose()), Shape::WrongKind(Kind::RefreshToken));
        assert_eq!(shapes.classify("eyJhbGciOiJub25lIn0.e30."), Shape::Unknown);
        assert_eq!(shapes.classify("a.b.c"), Shape::Jwt);
        assert_eq!(shapes.classify("sk_live_0123456789"), Shape::Unknown);
        let foreign = ForeignFormat { prefix: "sk_live_".into(), min_length: 18 };
        let shapes = Shapes { foreign: vec![foreign], ..Shapes::default() };
        assert_eq!(shapes.classify("sk_live_0123456789"), Shape::ApiKey);
    }

    #[test]
    fn an_earlier_brand_stays_accepted() {
        let old: Brand = "acme".parse().unwrap();
        let text = generate(&old, Kind::LiveKey, &SeededRandom::new(1));
        assert_eq!(Shapes::default().classify(text.expose()), Shape::Unknown);
        let shapes = Shapes { earlier_brands: vec![old], ..Shapes::default() };
        assert_eq!(shapes.classify(text.expose()), Shape::ApiKey);
    }

    #[test]
    fn secrets_in_running_text_are_masked() {
        let secret = key(Kind::LiveKey);
        let line = format!("GET /x?k={} \"agent\"", secret.expose());
        let masked = mask(&line);
        assert!(!masked.contains(secret.expose()));
        assert!(masked.contains(secret.last4()) && masked.contains("\"agent\""));
        assert_eq!(mask("curl/8.5.0 ordinary"), "curl/8.5.0 ordinary");
    }

    #[test]
    fn the_prefix_for_lists_tells_four_random_characters() {
        let secret = key(Kind::LiveKey);
        assert_eq!(display_prefix(&secret), secret.expose()[..16].to_owned());
    }
}
