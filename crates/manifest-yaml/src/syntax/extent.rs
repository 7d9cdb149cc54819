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
    let entry = entries.get(index)?;
    let before = index
        .checked_sub(1)
        .and_then(|before| entries.get(before))
        .map(end_of);
    let start = start_of(text, before.unwrap_or(map.span.start), &entry.0);
    let end = end_of(entry);
    let next = entries
        .get(index.saturating_add(1))
        .map(|(key, _)| start_of(text, end, key));
    match style {
        CollectionStyle::Flow => match (next, before) {
            (Some(next), _) => Some(start..next),
            (None, Some(before)) => Some(before..end),
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

fn end_of((key, value): &(Node, Node)) -> usize {
    value.span.end.max(key.span.end)
}

/// Where an entry starts, the `?` before its key included; nothing of the entry is before `from`.
fn start_of(text: &str, from: usize, key: &Node) -> usize {
    let start = key.span.start;
    let Some(between) = text.get(from..start) else {
        return start;
    };
    let Some(before) = between.trim_end().strip_suffix('?') else {
        return start;
    };
    // A question mark at the end of a comment has the comment before it.
    let line = before.rsplit(['\n', '\r']).next().unwrap_or(before);
    if line
        .chars()
        .all(|character| matches!(character, ' ' | '\t' | '-' | ',' | '{' | '\u{feff}'))
    {
        from.saturating_add(before.len())
    } else {
        start
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
