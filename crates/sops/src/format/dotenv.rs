//! The dotenv store (stores/dotenv/store.go): lines of `KEY=value`, in which `\n` stands for a line break.
//!
//! It is a plain format: no quotes, no escapes but this one, no spaces around `=`. A carriage return before the line
//! break is part of the value or the comment.

use std::borrow::Cow;
use std::ops::Range;

use manifest_yaml::Limits;
use manifest_yaml::syntax::{
    CollectionStyle, Comment, Content, Document, Node, Placement, ScalarStyle, Stream,
};
use zeroize::Zeroizing;

use super::{Counter, SyntaxError, flat};

/// What the keys of the flattened block start with (`SopsPrefix` in stores/metadata.go).
pub(crate) const BLOCK_PREFIX: &str = "sops_";

pub(super) fn parse(text: &str, limits: &Limits) -> Result<Stream, SyntaxError> {
    let mut counter = Counter::new(text, limits)?;
    let mut entries: Vec<(Node, Node)> = Vec::new();
    let mut block: Vec<(String, Node)> = Vec::new();
    let mut comments = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let span = start..start + line.len();
        start = span.end + 1;
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            let position = counter.position(span.start);
            counter.count(position)?;
            comments.push(Comment {
                text: comment.to_owned(),
                span,
                position,
                placement: Placement::Above,
            });
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(counter.line_error(span.start, "it is neither KEY=value nor a comment"));
        };
        let key_span = span.start..span.start + key.len();
        let key_node = counter.string(key.to_owned(), key_span.clone())?;
        let value = counter.string(unescaped(value).into_owned(), key_span.end + 1..span.end)?;
        match key.strip_prefix(BLOCK_PREFIX) {
            Some(field) => block.push((field.to_owned(), value)),
            None => entries.push((key_node, value)),
        }
    }
    if let Some(block) = flat::unflatten(block)? {
        let key = Node {
            span: block.span.clone(),
            position: block.position,
            tag: None,
            anchor: None,
            content: Content::Scalar {
                text: BLOCK_PREFIX.to_owned(),
                style: ScalarStyle::DoubleQuoted,
            },
            comments: Vec::new(),
        };
        entries.push((key, block));
    }
    let position = counter.position(0);
    let root = Node {
        span: 0..text.len(),
        position,
        tag: None,
        anchor: None,
        content: Content::Mapping {
            entries,
            style: CollectionStyle::Block,
        },
        comments,
    };
    Ok(Stream::from_documents(vec![Document {
        root: Some(root),
        position,
        comments: Vec::new(),
    }]))
}

/// A value as it is written; `None` for one that would not read back the same, since a backslash before an `n` has no
/// escape.
pub(crate) fn written(value: &str) -> Option<Zeroizing<String>> {
    if value.contains("\\n") {
        return None;
    }
    // A line break grows by a byte; more room than needed is better than an unwiped copy.
    let mut written = Zeroizing::new(String::with_capacity(value.len() * 2));
    for (index, line) in value.split('\n').enumerate() {
        if index > 0 {
            written.push_str("\\n");
        }
        written.push_str(line);
    }
    Some(written)
}

/// The lines of a flattened block in the text.
pub(crate) fn block_lines(text: &str) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        if line.starts_with(BLOCK_PREFIX) && line.contains('=') {
            lines.push(start..end);
        }
        start = end;
    }
    lines
}

fn unescaped(value: &str) -> Cow<'_, str> {
    if value.contains("\\n") {
        Cow::Owned(value.replace("\\n", "\n"))
    } else {
        Cow::Borrowed(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use manifest_yaml::Position;

    fn entries(text: &str) -> Vec<(String, String)> {
        let tree = Format::Dotenv.parse(text, &Limits::default()).unwrap();
        let root = tree.documents()[0].root.as_ref().unwrap();
        let entry = |(key, value): &(Node, Node)| {
            (
                key.as_scalar().unwrap().to_owned(),
                value.as_scalar().unwrap_or("…").to_owned(),
            )
        };
        root.as_entries().unwrap().iter().map(entry).collect()
    }

    #[test]
    fn lines_are_read_as_sops_reads_them() {
        let table: [(&str, &[(&str, &str)]); 6] = [
            ("A=1\n\nB=two=2\n", &[("A", "1"), ("B", "two=2")]),
            ("A=a\\nb", &[("A", "a\nb")]),
            (" A = 'q' \n", &[(" A ", " 'q' ")]),
            ("A=1\r\n", &[("A", "1\r")]),
            ("=x\nsops=y\n", &[("", "x"), ("sops", "y")]),
            ("sops_mac=m\nA=1\n", &[("A", "1"), ("sops_", "…")]),
        ];
        for (text, expected) in table {
            let expected: Vec<_> = expected
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(entries(text), expected, "{text:?}");
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for (text, line) in [("A=1\nB\n", 2), (" # no comment", 1), ("A=1\r\n\r\n", 2)] {
            let error = Format::Dotenv.parse(text, &Limits::default()).err().unwrap();
            assert_eq!(error.position(), Position { line, column: 1 }, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for value in ["", "a", "a\nb\n", "\r", "a\\b", "#a", "a=b"] {
            assert_eq!(unescaped(&written(value).unwrap()), value);
        }
        assert_eq!(written("a\\nb"), None);
    }
}
