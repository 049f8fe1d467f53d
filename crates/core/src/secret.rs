//! Plain secrets and what is stored of them: two types that never turn into each other by accident.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret as its holder knows it: no `Display`, a redacted `Debug`, erased when dropped.
#[derive(Clone)]
pub struct PlainSecret(Zeroizing<String>);

impl PlainSecret {
    /// Takes a secret in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }
    /// The secret itself: for the one answer or page that shows it, and for hashing and sealing.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// What is stored of it.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(self.expose().as_bytes())
    }
    /// The last four characters, for lists.
    pub fn last4(&self) -> &str {
        let start = self.0.char_indices().rev().nth(3).map_or(0, |(i, _)| i);
        self.0.get(start..).unwrap_or_default()
    }
}

impl fmt::Debug for PlainSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainSecret(…)")
    }
}

/// SHA-256 of a high-entropy secret: what is stored and looked up. Equality takes constant time.
#[derive(Clone, Copy)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
    /// From stored bytes; `None` unless there are 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
    /// From 64 hexadecimal digits of either case.
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut out = [0_u8; 32];
        for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
            let high = char::from(*pair.first()?).to_digit(16)?;
            let low = char::from(*pair.last()?).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(out))
    }
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretDigest {}

impl std::hash::Hash for SecretDigest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // The first half of a SHA-256 is spread as well as the whole.
        state.write(self.0.first_chunk::<16>().map_or(&[], |half| half.as_slice()));
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(…)")
    }
}

/// Compares two byte strings in time that depends on their lengths alone.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = PlainSecret::new("keyway_live_abc");
        assert!(!format!("{secret:?} {:?}", secret.digest()).contains("abc"));
        assert_eq!(secret.last4(), "_abc");
    }

    #[test]
    fn hex_of_either_case_is_read() {
        let digest = SecretDigest::of(b"a");
        let hex: String = digest.as_bytes().iter().map(|b| format!("{b:02X}")).collect();
        assert_eq!(SecretDigest::from_hex(&hex), Some(digest));
        assert_eq!(SecretDigest::from_hex(&hex[1..]), None);
        assert_eq!(SecretDigest::from_hex(&hex.replace('A', "ä")), None);
    }
}
