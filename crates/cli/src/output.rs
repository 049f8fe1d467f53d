//! What commands print: JSON with `--json`, else a few lines for people. Results go to the standard output, errors
//! as one line to the standard error stream.

use std::io::{self, Write};

use serde::Serialize;

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// As one JSON value.
    pub json: bool,
}

impl Output {
    /// Prints `value` as JSON, or the lines that `text` makes of it.
    ///
    /// # Errors
    /// When the standard output is closed.
    pub fn print<T: Serialize + ?Sized>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, value)?;
            out.write_all(b"\n")?;
        } else {
            let text = text(value);
            out.write_all(text.as_bytes())?;
            if !text.is_empty() && !text.ends_with('\n') {
                out.write_all(b"\n")?;
            }
        }
        Ok(out.flush()?)
    }
}

/// Prints lines that are not a result: banners, hints. A closed stream is nobody's loss.
pub fn say(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()));
}

/// Prints lines beside a result, where they do not mix with it.
pub fn say_beside(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// The whole chain of causes in one line.
pub fn report(error: &anyhow::Error) {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Many errors repeat their cause in their own message.
        if !line.ends_with(&cause) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&cause);
        }
    }
    let line = line.replace(['\n', '\r'], " ");
    drop(writeln!(io::stderr(), "keyway: {line}"));
}

/// Rows as columns, for people.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut out = String::new();
        for (cell, width) in cells.zip(&widths) {
            out.push_str(&format!("{cell:width$}  "));
        }
        out.trim_end().to_owned() + "\n"
    };
    let mut out = line(&mut head.iter().copied());
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "first".to_owned()], vec!["long".to_owned(), "second".to_owned()]];
        assert_eq!(table(&["id", "name"], &rows), "id    name\na     first\nlong  second\n");
    }
}
