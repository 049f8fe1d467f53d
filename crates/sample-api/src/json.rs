//! JSON objects of known shape: names and values that need no escapes are copied as they are.

use std::fmt::{Display, Write as _};

use keyway_core::ids::EntityId;

/// An object being written.
#[derive(Debug)]
pub(crate) struct Object {
    text: String,
}

impl Object {
    /// Without members, and with room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity);
        text.push('{');
        Self { text }
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }

    /// A member whose value has neither quotes nor backslashes nor control characters.
    pub(crate) fn plain(&mut self, name: &'static str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// A member as [`Self::plain`] takes it, written in place.
    pub(crate) fn shown(&mut self, name: &'static str, value: impl Display) {
        self.name(name);
        // Writing into memory does not fail.
        let _ = write!(self.text, "\"{value}\"");
    }

    /// A member that may be missing.
    pub(crate) fn plain_or_null(&mut self, name: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.plain(name, value),
            None => {
                self.name(name);
                self.text.push_str("null");
            }
        }
    }

    /// A member that is an id.
    pub(crate) fn id(&mut self, name: &'static str, id: EntityId) {
        self.plain(name, id.encode(&mut EntityId::buffer()));
    }

    /// A member that is a number.
    pub(crate) fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        self.text.push_str(itoa::Buffer::new().format(number));
    }

    /// A member that is a list of texts as [`Self::plain`] takes them.
    pub(crate) fn list<'v>(&mut self, name: &'static str, values: impl Iterator<Item = &'v str>) {
        self.name(name);
        self.text.push('[');
        for (at, value) in values.enumerate() {
            if at > 0 {
                self.text.push(',');
            }
            self.quoted(value);
        }
        self.text.push(']');
    }

    /// A member that is an object.
    pub(crate) fn object(&mut self, name: &'static str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        self.text.push('{');
        write(self);
        self.text.push('}');
    }

    fn name(&mut self, name: &'static str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        self.quoted(name);
        self.text.push(':');
    }

    fn quoted(&mut self, text: &str) {
        debug_assert!(!text.contains(|c: char| c == '"' || c == '\\' || c.is_control()), "{text}");
        self.text.push('"');
        self.text.push_str(text);
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let mut object = Object::with_capacity(0);
        object.plain("a", "b");
        object.shown("l", 1.5);
        object.plain_or_null("c", None);
        object.list("d", ["e", "f"].into_iter());
        object.list("g", std::iter::empty());
        object.object("h", |inner| {
            inner.number("i", u64::MAX);
            inner.number("j", 0);
        });
        object.object("k", |_| {});
        let expected = serde_json::json!({
            "a": "b", "l": "1.5", "c": null, "d": ["e", "f"], "g": [], "h": {"i": u64::MAX, "j": 0}, "k": {},
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&object.finish()).unwrap(), expected);
    }
}
