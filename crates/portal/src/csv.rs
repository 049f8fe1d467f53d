//! Tables for spreadsheets, with cells that no spreadsheet takes for a formula.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use keyway_core::text::misleads;

/// A table that grows by lines.
#[derive(Debug, Default)]
pub struct Csv(String);

impl Csv {
    /// With the names of the columns.
    pub fn new(columns: &[&str]) -> Self {
        let mut table = Self::default();
        table.line(columns);
        table
    }

    /// One more line. Each cell is quoted; one that a spreadsheet would calculate gets an apostrophe before it, and
    /// control characters become spaces.
    pub fn line(&mut self, cells: &[&str]) {
        for (index, cell) in cells.iter().enumerate() {
            self.0.push_str(if index == 0 { "\"" } else { ",\"" });
            if cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
                self.0.push('\'');
            }
            for letter in cell.chars() {
                match letter {
                    '"' => self.0.push_str("\"\""),
                    letter if misleads(letter) => self.0.push(' '),
                    letter => self.0.push(letter),
                }
            }
            self.0.push('"');
        }
        self.0.push_str("\r\n");
    }

    /// As a file that is saved under `name`, and kept nowhere on its way.
    pub fn download(self, name: &str) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(self.finish())
    }

    /// The text.
    fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_breaks_out_of_its_quotes() {
        let mut table = Csv::new(&["name", "note"]);
        table.line(&["=1+1", "say \"hello\", twice"]);
        table.line(&[" @SUM(A1)", "two\r\nlines"]);
        table.line(&["\t-1", "a-b"]);
        assert_eq!(
            table.finish(),
            "\"name\",\"note\"\r\n\"'=1+1\",\"say \"\"hello\"\", twice\"\r\n\"' @SUM(A1)\",\"two  lines\"\r\n\
             \"' -1\",\"a-b\"\r\n"
        );
    }
}
