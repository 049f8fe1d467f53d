//! The settings file to start from: every setting with its default, commented out.

/// As `keyway config example` prints it.
pub const TEXT: &str = include_str!("example.toml");
