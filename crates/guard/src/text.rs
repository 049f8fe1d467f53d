//! Short texts put together without the heap.

use std::fmt;

use smallvec::SmallVec;

/// A text whose first 96 bytes lie where it does: the value of a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(SmallVec<[u8; 96]>);

impl Text {
    /// What `value` shows.
    pub fn of(value: impl fmt::Display) -> Self {
        let mut text = Self::default();
        // Writing into memory does not fail.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{value}"));
        text
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
