//! What people type about themselves: addresses, names, passwords.

use std::fmt;

use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_core::text::misleads;

/// The longest address (RFC 5321 §4.5.3.1.3).
pub const MAX_EMAIL: usize = 254;
/// The longest name, in characters.
pub const MAX_NAME: usize = 100;
/// The shortest password, in characters.
pub const MIN_PASSWORD: usize = 10;
/// The longest password, in characters.
pub const MAX_PASSWORD: usize = 256;

/// An e-mail address in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Enter an e-mail address, as you@example.com, of at most 254 characters.")]
pub struct InvalidEmail;

impl Email {
    /// Reads what was typed: spaces around it and capitals do not count.
    ///
    /// # Errors
    /// [`InvalidEmail`] unless mail could be sent there.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim().to_lowercase();
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        let plain =
            |part: &str| !part.is_empty() && part.chars().all(|c| !c.is_control() && !c.is_whitespace());
        let bounded = text.len() <= MAX_EMAIL && local.len() <= 64;
        let sane = plain(local) && plain(domain) && !domain.contains('@');
        // What mail cannot be addressed to is of no use.
        if bounded && sane && text.parse::<lettre::Address>().is_ok() {
            Ok(Self(text))
        } else {
            Err(InvalidEmail)
        }
    }
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// What tries are counted by, whether or not the address has an account: the address is not stored for it.
    pub fn counted(&self) -> String {
        let digest = SecretDigest::of(self.0.as_bytes());
        digest.as_bytes().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name as pages show it.
///
/// # Errors
/// A sentence about what is wrong.
pub fn name(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("Enter a name.");
    }
    if text.chars().count() > MAX_NAME {
        return Err("A name has at most 100 characters.");
    }
    if text.chars().any(misleads) {
        return Err("A name has no control characters.");
    }
    Ok(text.to_owned())
}

/// A new password for an account.
///
/// # Errors
/// A sentence about what is wrong.
pub fn new_password(text: &str, email: &str) -> Result<PlainSecret, &'static str> {
    let length = text.chars().count();
    if length < MIN_PASSWORD {
        return Err("A password has at least 10 characters.");
    }
    if length > MAX_PASSWORD {
        return Err("A password has at most 256 characters.");
    }
    let plain = text.trim().to_lowercase();
    let (local, _) = email.split_once('@').unwrap_or((email, ""));
    if plain == email || (local.len() >= MIN_PASSWORD && plain == local) {
        return Err("Choose a password that is not your e-mail address.");
    }
    let first = plain.chars().next();
    if plain.chars().all(|c| Some(c) == first) || COMMON.lines().any(|common| common == plain) {
        return Err("This password is among the first that are tried. Choose another.");
    }
    Ok(PlainSecret::new(text))
}

/// Passwords of at least ten characters that lists of leaked ones begin with, in lower case.
const COMMON: &str = include_str!("common_passwords.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised_and_bounded() {
        assert_eq!(Email::parse("  Ada@Example.COM ").map(|e| e.to_string()), Ok("ada@example.com".into()));
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in
            ["", "ada", "@example.com", "ada@", "a@b@c", "a b@example.com", "a\u{7}@example.com", &long]
        {
            assert_eq!(Email::parse(bad), Err(InvalidEmail), "{bad}");
        }
    }

    #[test]
    fn weak_passwords_are_refused() {
        for bad in ["short", "password123", "Password123", "aaaaaaaaaaaa", "ada@example.com", "1234567890"] {
            assert!(new_password(bad, "ada@example.com").is_err(), "{bad}");
        }
        assert!(new_password(&"x1".repeat(129), "a@b").is_err());
        assert!(new_password("correct horse", "ada@example.com").is_ok());
    }

    #[test]
    fn names_have_no_control_characters() {
        assert_eq!(name(" Ada "), Ok("Ada".into()));
        for bad in ["", " ", "a\tb\u{0}", "a\nb"] {
            assert!(name(bad).is_err());
        }
        assert!(name(&"ä".repeat(101)).is_err());
        assert!(name(&"ä".repeat(100)).is_ok());
    }
}
