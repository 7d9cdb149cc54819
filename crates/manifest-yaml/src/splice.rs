//! Edits that leave every other byte as it is.

use std::ops::Range;

use thiserror::Error;
use zeroize::Zeroizing;

/// A replacement of some bytes of a text. An empty range inserts.
pub struct Edit {
    /// The bytes to replace.
    pub range: Range<usize>,
    /// What to put there.
    pub replacement: Zeroizing<String>,
}

/// Why edits cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpliceError {
    /// A range ends before it starts, or beyond the text.
    #[error("failed to edit bytes {}..{}: the text has {length}", .range.start, .range.end)]
    OutOfBounds {
        /// The range.
        range: Range<usize>,
        /// Bytes in the text.
        length: usize,
    },
    /// A range cuts a character in two.
    #[error("failed to edit bytes {}..{}: they cut a character in two", .range.start, .range.end)]
    InsideCharacter {
        /// The range.
        range: Range<usize>,
    },
    /// Two edits change the same bytes.
    #[error("failed to edit bytes {}..{}: another edit ends at {former_end}", .range.start, .range.end)]
    Overlap {
        /// The range of the later edit.
        range: Range<usize>,
        /// Where the earlier one ends.
        former_end: usize,
    },
}

/// Makes all edits at once; their ranges refer to the text before any of them. Insertions at one place come in the
/// order they were given, before a replacement that starts there. The result is allocated once and never grown.
pub fn splice(text: &str, mut edits: Vec<Edit>) -> Result<Zeroizing<String>, SpliceError> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut former_end = 0;
    let mut capacity = text.len();
    for Edit { range, replacement } in &edits {
        if range.start > range.end || range.end > text.len() {
            return Err(SpliceError::OutOfBounds {
                range: range.clone(),
                length: text.len(),
            });
        }
        if !text.is_char_boundary(range.start) || !text.is_char_boundary(range.end) {
            return Err(SpliceError::InsideCharacter { range: range.clone() });
        }
        if range.start < former_end {
            return Err(SpliceError::Overlap {
                range: range.clone(),
                former_end,
            });
        }
        former_end = range.end;
        capacity = capacity.saturating_add(replacement.len());
    }
    let mut spliced = Zeroizing::new(String::with_capacity(capacity));
    let mut copied = 0;
    for Edit { range, replacement } in &edits {
        spliced.push_str(text.get(copied..range.start).unwrap_or_default());
        spliced.push_str(replacement);
        copied = range.end;
    }
    spliced.push_str(text.get(copied..).unwrap_or_default());
    Ok(spliced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(edits: &[(Range<usize>, &str)]) -> Vec<Edit> {
        let make = |(range, replacement): &(Range<usize>, &str)| Edit {
            range: range.clone(),
            replacement: Zeroizing::new((*replacement).to_owned()),
        };
        edits.iter().map(make).collect()
    }

    fn spliced(text: &str, list: &[(Range<usize>, &str)]) -> Result<String, SpliceError> {
        splice(text, edits(list)).map(|text| text.to_string())
    }

    #[test]
    fn edits_in_any_order_refer_to_the_old_text() {
        assert_eq!(
            spliced("abcdef", &[(4..5, "55"), (0..1, ""), (2..2, "-")]).as_deref(),
            Ok("b".to_owned() + "-cd55f").as_deref()
        );
        assert_eq!(
            spliced("ab", &[(1..1, "1"), (1..2, "x"), (1..1, "2")]).as_deref(),
            Ok("a12x")
        );
        assert_eq!(spliced("ab", &[]).as_deref(), Ok("ab"));
        assert_eq!(spliced("", &[(0..0, "x")]).as_deref(), Ok("x"));
    }

    #[test]
    fn refusals() {
        assert_eq!(
            spliced("abc", &[(0..2, "x"), (1..3, "y")]),
            Err(SpliceError::Overlap {
                range: 1..3,
                former_end: 2
            })
        );
        assert_eq!(
            spliced("abc", &[(2..4, "")]),
            Err(SpliceError::OutOfBounds {
                range: 2..4,
                length: 3
            })
        );
        #[allow(clippy::reversed_empty_ranges)] // that is the case
        let reversed = 2..1;
        assert_eq!(
            spliced("abc", &[(reversed.clone(), "")]),
            Err(SpliceError::OutOfBounds {
                range: reversed,
                length: 3
            })
        );
        assert_eq!(
            spliced("é", &[(1..2, "")]),
            Err(SpliceError::InsideCharacter { range: 1..2 })
        );
    }

    #[test]
    fn the_result_is_not_grown() {
        let list = edits(&[(0..1, "a longer replacement"), (2..3, "")]);
        let result = splice("abc", list).unwrap();
        assert!(
            result.len() <= result.capacity()
                && result.capacity() <= "abc".len() + "a longer replacement".len()
        );
    }
}
