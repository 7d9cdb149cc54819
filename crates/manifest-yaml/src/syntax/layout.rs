//! Where things are in the text, beyond what the parser says.

use std::ops::Range;

use granit_parser::{Marker, Span};

use crate::Position;

/// A text, to look around in.
#[derive(Clone, Copy)]
pub(super) struct Layout<'text>(&'text str);

/// An offset with its position.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: usize,
    pub(super) position: Position,
}

impl<'text> Layout<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        Self(text)
    }

    /// What is between two offsets.
    pub(super) fn slice(self, range: Range<usize>) -> &'text str {
        self.0.get(range).unwrap_or_default()
    }

    pub(super) fn place(self, marker: &Marker) -> Place {
        Place {
            offset: marker.byte_offset().unwrap_or(self.0.len()),
            position: position(marker),
        }
    }

    pub(super) fn range(self, span: &Span) -> Range<usize> {
        self.place(&span.start).offset..self.place(&span.end).offset
    }

    /// The end of the last line of a block scalar that is not blank.
    pub(super) fn block_scalar_end(self, header: usize, limit: usize) -> usize {
        let header_end = self.line_end(header);
        let limit = limit.max(header_end);
        let written = self.slice(header..limit);
        let last = header.saturating_add(written.trim_end_matches([' ', '\t', '\r', '\n']).len());
        self.line_end(last.max(header)).min(limit)
    }

    fn line_end(self, from: usize) -> usize {
        let rest = self.slice(from..self.0.len());
        from.saturating_add(rest.find(['\r', '\n']).unwrap_or(rest.len()))
    }

    /// The first of `wanted` after a place, with only space, comments and the indicators of `passing` before it.
    pub(super) fn skip_to(self, from: Place, wanted: &[char], passing: &[char]) -> Option<Place> {
        let rest = self.0.get(from.offset..)?;
        let mut in_comment = false;
        let mut previous = ' ';
        for (offset, character) in rest.char_indices() {
            let space = matches!(previous, ' ' | '\t' | '\r' | '\n');
            match character {
                '\r' | '\n' => in_comment = false,
                _ if in_comment => {}
                '#' if space => in_comment = true,
                _ if wanted.contains(&character) => {
                    let passed = rest.get(..offset)?;
                    return Some(from.after(passed));
                }
                ' ' | '\t' => {}
                _ if passing.contains(&character) => {}
                _ => return None,
            }
            previous = character;
        }
        None
    }

    /// Whether a tab is before a place on its line.
    pub(super) fn is_after_tab(self, offset: usize) -> bool {
        let mut line = self
            .slice(0..offset)
            .chars()
            .rev()
            .take_while(|character| !matches!(character, '\n' | '\r'));
        line.any(|character| character == '\t')
    }
}

impl Place {
    /// The place after `passed`, which begins here.
    pub(super) fn after(self, passed: &str) -> Self {
        Self {
            offset: self.offset.saturating_add(passed.len()),
            position: self.position.after(passed),
        }
    }
}

pub(super) fn position(marker: &Marker) -> Position {
    let count = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position {
        line: count(marker.line()),
        column: count(marker.col().saturating_add(1)),
    }
}
