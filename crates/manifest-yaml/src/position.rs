//! Where in a text something stands.

use std::fmt;

/// A place in a text, as editors and compilers count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1. Lines end with LF, CRLF or CR.
    pub line: u32,
    /// The column in Unicode characters, from 1.
    pub column: u32,
}

impl Position {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte offset in a text; an offset beyond the end counts as the end.
    ///
    /// It reads the text up to the offset: meant for errors, not for every node.
    pub fn of_offset(text: &str, offset: usize) -> Self {
        let end = text.floor_char_boundary(offset);
        Self::START.after(text.get(..end).unwrap_or(text))
    }

    /// The place after `passed`, which begins here. A CRLF that `passed` cuts in two counts twice.
    #[must_use]
    pub fn after(self, passed: &str) -> Self {
        let mut position = self;
        let mut previous = None;
        for character in passed.chars() {
            match character {
                '\n' if previous == Some('\r') => {}
                '\n' | '\r' => {
                    position.line = position.line.saturating_add(1);
                    position.column = 1;
                }
                _ => position.column = position.column.saturating_add(1),
            }
            previous = Some(character);
        }
        position
    }
}

/// `line:column`
impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_characters_and_lines_of_every_kind() {
        let text = "aé\r\nb\rc\nd";
        let position = |offset| Position::of_offset(text, offset).to_string();
        assert_eq!(position(0), "1:1");
        assert_eq!(position(3), "1:3");
        assert_eq!(position(2), "1:2", "inside a character counts as before it");
        assert_eq!(position(5), "2:1");
        assert_eq!(position(7), "3:1");
        assert_eq!(position(9), "4:1");
        assert_eq!(position(99), "4:2");
    }
}
