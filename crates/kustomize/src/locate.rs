//! Finding the line of a field, for errors.

use manifest_yaml::Limits;
use manifest_yaml::syntax::{Content, Node, parse_yaml};

/// The line at which a field of the one document of a file stands, from 1; nothing where it cannot be told.
///
/// The field is written as errors write it: `labels[0].pairs`. What is missing in the file has the line of what it
/// would be in.
pub(crate) fn line_of(bytes: &[u8], field: &str) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?;
    let stream = parse_yaml(text, &Limits::default()).ok()?;
    match stream.documents() {
        [document] => Some(walk(document.root.as_ref()?, field)),
        _ => None,
    }
}

fn walk(node: &Node, field: &str) -> u32 {
    let line = node.position.line;
    let field = field.strip_prefix('.').unwrap_or(field);
    match &node.content {
        Content::Mapping { entries, .. } => {
            let named = |key: &Node| {
                let key = key.as_scalar()?;
                let (named, rest) = field.split_at_checked(key.len())?;
                let is_whole = rest.is_empty() || rest.starts_with(['.', '[']);
                (is_whole && named.eq_ignore_ascii_case(key)).then_some(rest)
            };
            let found = entries
                .iter()
                .filter_map(|(key, value)| Some((key, value, named(key)?)))
                .min_by_key(|(_, _, rest)| rest.len());
            match found {
                None => line,
                Some((key, _, "")) => key.position.line,
                Some((_, value, rest)) => walk(value, rest),
            }
        }
        Content::Sequence { items, .. } => {
            let item = field.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            match item.and_then(|(index, rest)| Some((items.get(index.parse::<usize>().ok()?)?, rest))) {
                Some((item, rest)) => walk(item, rest),
                None => line,
            }
        }
        Content::Scalar { .. } | Content::Alias(_) => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_fields() {
        let text =
            b"namespace: a\nlabels:\n- pairs:\n    app.kubernetes.io/name: x\n  fields:\n  - path: a\n";
        for (field, line) in [
            ("namespace", 1),
            ("Namespace", 1),
            ("labels", 2),
            ("labels[0]", 3),
            ("labels[0].pairs", 3),
            ("labels[0].pairs.app.kubernetes.io/name", 4),
            ("labels[0].fields[0].path", 6),
            ("labels[0].fields[0].missing", 6),
            ("missing", 1),
        ] {
            assert_eq!(line_of(text, field), Some(line), "{field}");
        }
        assert_eq!(line_of(b"a: 1\n---\nb: 1", "a"), None);
        assert_eq!(line_of(b"{", "a"), None);
    }
}
