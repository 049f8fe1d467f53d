//! What texts of people may hold where others read them.

/// Whether a character changes how its neighbours are read: control characters, line and paragraph separators, and
/// the marks of direction, which could make a page or mail read another way than it is written.
pub const fn misleads(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_all_scripts_are_plain_and_what_turns_them_round_is_not() {
        for plain in ["Ada Lovelace", "Ἀδελφός", "עדה", "أدا", "艾达 🔑 \u{a0}", "e\u{301}"]
        {
            assert!(!plain.chars().any(misleads), "{plain}");
        }
        for strange in
            ["\0", "\t", "\n", "\r", "\u{1b}", "\u{7f}", "\u{85}", "\u{202e}", "\u{2067}", "\u{2028}"]
        {
            assert!(strange.chars().any(misleads), "{strange:?}");
        }
    }
}
