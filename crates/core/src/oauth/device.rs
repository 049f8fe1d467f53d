//! The device authorization grant (RFC 8628): user codes, and how long and how often a device asks.

use std::fmt;
use std::str::FromStr;

use crate::clock::Duration;
use crate::random::Random;

/// How long a device code lives, and its user code with it.
pub const DEVICE_CODE_LIFETIME: Duration = Duration::minutes(10);
/// How long a device waits between two polls, and by how much longer each time it did not (RFC 8628 §3.5).
pub const DEVICE_POLL_INTERVAL: Duration = Duration::seconds(5);

/// Characters in a user code.
const LEN: usize = 8;
/// Consonants that are not mistaken for one another and spell no word (RFC 8628 §6.1): 20^8 is 34.5 bits.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// What a person types to tell which device they mean, as `BCDF-GHJK`. Short: guesses at it have to be limited, and
/// it is kept under a keyed digest only.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode([u8; LEN]);

impl UserCode {
    /// A new one.
    pub fn generate(random: &dyn Random) -> Self {
        let mut code = [b'B'; LEN];
        let mut bytes = [0_u8; 1];
        for place in &mut code {
            loop {
                random.fill(&mut bytes);
                let [byte] = bytes;
                // 240 is the largest multiple of 20 in a byte: above it a remainder would favour some letters.
                if byte < 240 {
                    *place = ALPHABET.get(usize::from(byte % 20)).copied().unwrap_or(b'B');
                    break;
                }
            }
        }
        Self(code)
    }

    /// The letters alone, as they are digested.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As shown: two groups of four.
    pub fn shown(&self) -> String {
        let letters: String = self.0.iter().map(|byte| char::from(*byte)).collect();
        let (left, right) = letters.split_at(LEN / 2);
        format!("{left}-{right}")
    }
}

/// Not a user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code has eight letters, as BCDF-GHJK")]
pub struct InvalidUserCode;

/// As typed by a person: in either case, with whatever stands between the letters (RFC 8628 §6.1).
impl FromStr for UserCode {
    type Err = InvalidUserCode;
    fn from_str(s: &str) -> Result<Self, InvalidUserCode> {
        if s.len() > 64 {
            return Err(InvalidUserCode);
        }
        let letters: Vec<u8> =
            s.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_uppercase()).collect();
        let known = letters.iter().all(|letter| ALPHABET.contains(letter));
        letters.try_into().ok().filter(|_| known).map(Self).ok_or(InvalidUserCode)
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = UserCode::generate(&SeededRandom::new(1));
        let shown = code.shown();
        assert_eq!(shown.len(), 9);
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('-', "")] {
            assert_eq!(typed.parse(), Ok(code.clone()), "{typed}");
        }
        assert!(!format!("{code:?}").contains(&shown[..4]));
    }

    #[test]
    fn what_is_no_code_is_told() {
        for typed in ["", "BCDF", "BCDF-GHJA", "BCDF-GHJ1", "BCDF-GHJKL", &"B".repeat(100)] {
            assert_eq!(typed.parse::<UserCode>(), Err(InvalidUserCode), "{typed}");
        }
    }

    #[test]
    fn every_letter_comes_up() {
        let random = SeededRandom::new(1);
        let seen: std::collections::BTreeSet<u8> =
            (0..100).flat_map(|_| UserCode::generate(&random).0).collect();
        assert_eq!(seen.len(), ALPHABET.len());
    }
}
