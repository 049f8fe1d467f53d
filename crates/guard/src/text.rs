//! Short texts put together without the heap.

use std::fmt;
use std::ops::Range;

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

    /// Adds `text`.
    pub(crate) fn push(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Adds a number, and says where it stands.
    pub(crate) fn number(&mut self, number: u64) -> Range<usize> {
        let start = self.len();
        self.push(itoa::Buffer::new().format(number));
        start..self.len()
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.len()
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
        self.push(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_added_as_they_are_written() {
        for number in [0, 7, 10, 99, 100, 1_234_567, u64::MAX] {
            let mut text = Text::of("x");
            let at = text.number(number);
            assert_eq!(text.as_bytes()[at], *number.to_string().as_bytes());
        }
    }
}
