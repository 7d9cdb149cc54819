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
