//! The whole of a map entry.

use std::ops::Range;

use super::{CollectionStyle, Content, Node};

/// What to take out of a text to take an entry out of a map, so that what remains is still well-formed.
///
/// In a block map these are whole lines, the last line break included: the entry with its last line's comment, but
/// without comments and blank lines around it. The first entry of a map that starts behind a `-` or `---` goes up to
/// the next entry, so that the next one takes its place. In a flow map, and so in JSON, it includes the comma and
/// the space up to the neighbour. `None` if the node is no map or has no such entry.
///
/// A block map without entries has no form: the only entry's lines are given, and the caller decides on the rest.
pub fn entry_extent(text: &str, map: &Node, index: usize) -> Option<Range<usize>> {
    let Content::Mapping { entries, style } = &map.content else {
        return None;
    };
    let (key, value) = entries.get(index)?;
    let next = entries
        .get(index.saturating_add(1))
        .map(|(key, _)| with_indicator(text, key));
    let start = with_indicator(text, key);
    let end = value.span.end.max(key.span.end);
    match style {
        CollectionStyle::Flow => match (next, index.checked_sub(1).and_then(|before| entries.get(before))) {
            (Some(next), _) => Some(start..next),
            (None, Some((key, value))) => Some(value.span.end.max(key.span.end)..end),
            (None, None) => Some(start..end),
        },
        CollectionStyle::Block => {
            let line_start = text
                .get(..start)?
                .rfind(['\n', '\r'])
                .map_or(0, |line_break| line_break + 1);
            let line_end = end.saturating_add(line_length(text.get(end..)?));
            if text
                .get(line_start..start)?
                .trim_start_matches('\u{feff}')
                .trim_start()
                .is_empty()
            {
                Some(after_byte_order_mark(text, line_start)..line_end)
            } else {
                Some(start..next.unwrap_or(end))
            }
        }
    }
}

/// Where a key starts, the `?` before it included.
fn with_indicator(text: &str, key: &Node) -> usize {
    let start = key.span.start;
    let before = text.get(..start).unwrap_or_default().trim_end();
    match before.strip_suffix('?') {
        Some(rest) if rest.is_empty() || rest.ends_with([' ', '\t', '\n', '\r', '{', ',', '[', '-']) => {
            rest.len()
        }
        _ => start,
    }
}

fn after_byte_order_mark(text: &str, line_start: usize) -> usize {
    match text.get(line_start..) {
        Some(line) if line.starts_with('\u{feff}') => line_start + '\u{feff}'.len_utf8(),
        _ => line_start,
    }
}

/// The bytes up to the end of the line, line break included.
fn line_length(rest: &str) -> usize {
    match rest.find(['\n', '\r']) {
        None => rest.len(),
        Some(at) if rest.get(at..).is_some_and(|end| end.starts_with("\r\n")) => at + 2,
        Some(at) => at + 1,
    }
}
