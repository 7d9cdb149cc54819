//! Keys and values of ini files, as gopkg.in/ini.v1 reads them (`readKeyName` and `readValue` in its parser.go).

use std::ops::Range;

use zeroize::Zeroizing;

use super::{COMMENT_MARKS, DELIMITERS};

const TRIPLE_QUOTE: &str = "\"\"\"";
const BACKTICK: &str = "`";

/// A key at the start of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    /// Bytes of the key as it is written.
    pub(super) length: usize,
    /// Where what is behind the delimiter starts.
    pub(super) value_at: usize,
}

/// A value behind a delimiter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    /// Its bytes, quotes included, without blanks around.
    pub(super) span: Range<usize>,
    /// The comment behind it, from its mark on.
    pub(super) comment: Option<Range<usize>>,
    /// Bytes up to the line behind it.
    pub(super) consumed: usize,
}

pub(super) fn read_key(line: &str) -> Result<Key<'_>, &'static str> {
    const NO_DELIMITER: &str = "it has neither a section, nor a comment, nor a key with = or :";
    let quote = if line.starts_with(TRIPLE_QUOTE) && line.len() > 6 {
        TRIPLE_QUOTE
    } else if line.starts_with('"') {
        "\""
    } else if line.starts_with(BACKTICK) {
        BACKTICK
    } else {
        ""
    };
    let inner = line.get(quote.len()..).unwrap_or_default();
    let (name_end, length) = if quote.is_empty() {
        let end = line.find(DELIMITERS).ok_or(NO_DELIMITER)?;
        (end, end)
    } else {
        let end = inner.find(quote).ok_or("the quotes of its key are not closed")?;
        (end, quote.len() + end + quote.len())
    };
    let delimiter = line
        .get(length..)
        .and_then(|rest| rest.find(DELIMITERS))
        .ok_or(NO_DELIMITER)?;
    match inner.get(..name_end).unwrap_or_default().trim() {
        "" => Err("its key is empty"),
        // Numbered by the reader, and written back as a comment by sops.
        "-" => Err("its key is a dash, which sops loses"),
        name => Ok(Key {
            name,
            length: line.get(..length).unwrap_or_default().trim_end().len(),
            value_at: length + delimiter + 1,
        }),
    }
}

/// Reads a value out of the text that starts behind a delimiter.
pub(super) fn read(rest: &str) -> Result<Value, &'static str> {
    let line_end = end_of_line(rest, 0);
    let line = rest.get(..line_end).unwrap_or_default();
    let start = line.len() - line.trim_start().len();
    let content = line.trim();
    if content.is_empty() {
        let at = line.find(['\n', '\r']).unwrap_or(line.len());
        return Ok(Value {
            text: String::new(),
            span: at..at,
            comment: None,
            consumed: line_end,
        });
    }
    // The line break counts for the length, as in ini.v1.
    let written = line.get(start..).unwrap_or_default();
    if written.starts_with(TRIPLE_QUOTE) && written.len() > 3 {
        return quoted(rest, start, TRIPLE_QUOTE);
    }
    if written.starts_with(BACKTICK) {
        return quoted(rest, start, BACKTICK);
    }
    if let Some(first) = content.strip_suffix('\\') {
        return Ok(continued(rest, start, first, line_end));
    }
    let comment_at = content.find(COMMENT_MARKS);
    let value = content
        .get(..comment_at.unwrap_or(content.len()))
        .unwrap_or_default()
        .trim_end();
    let text = ['\'', '"']
        .into_iter()
        .find_map(|quote| surrounded(value, quote))
        .unwrap_or(value);
    Ok(Value {
        text: text.to_owned(),
        span: start..start + value.len(),
        comment: comment_at.map(|at| start + at..start + content.len()),
        consumed: line_end,
    })
}

/// What is between quotes, up to the last one of the line; or over several lines, up to the first line that has one.
fn quoted(rest: &str, start: usize, quote: &str) -> Result<Value, &'static str> {
    let inner_start = start + quote.len();
    let mut from = inner_start;
    let mut to = end_of_line(rest, start);
    loop {
        let line = rest.get(from..to).unwrap_or_default();
        let is_first = from == inner_start;
        if let Some(at) = line.rfind(quote) {
            let behind = line.get(at + quote.len()..).unwrap_or_default();
            // A backslash at the end of a later line takes the next line in, quotes and all.
            if is_first || !behind.trim().ends_with('\\') {
                let end = from + at;
                let comment = behind.find(COMMENT_MARKS).filter(|_| !is_first).map(|mark| {
                    let comment = behind.get(mark..).unwrap_or_default().trim_end();
                    let comment_start = end + quote.len() + mark;
                    comment_start..comment_start + comment.len()
                });
                return Ok(Value {
                    text: rest.get(inner_start..end).unwrap_or_default().to_owned(),
                    span: start..end + quote.len(),
                    comment,
                    consumed: to,
                });
            }
        }
        if to >= rest.len() {
            return Err("the quotes of its value are not closed");
        }
        from = to;
        to = end_of_line(rest, to);
    }
}

/// Lines that end with a backslash, put together without the blanks around them. Quotes and comments count for nothing.
fn continued(rest: &str, start: usize, first: &str, mut consumed: usize) -> Value {
    let mut text = first.to_owned();
    let mut end = start + first.len() + 1;
    while consumed < rest.len() {
        let next_end = end_of_line(rest, consumed);
        let line = rest.get(consumed..next_end).unwrap_or_default();
        let content = line.trim();
        let content_start = consumed + line.len() - line.trim_start().len();
        consumed = next_end;
        if content.is_empty() {
            break;
        }
        text.push_str(content);
        end = content_start + content.len();
        if !text.ends_with('\\') {
            break;
        }
        text.pop();
    }
    Value {
        text,
        span: start..end,
        comment: None,
        consumed,
    }
}

fn end_of_line(text: &str, offset: usize) -> usize {
    let rest = text.get(offset..).unwrap_or_default();
    offset + rest.find('\n').map_or(rest.len(), |at| at + 1)
}

/// What is inside a pair of quotes that is the only one (`hasSurroundedQuote`).
fn surrounded(value: &str, quote: char) -> Option<&str> {
    let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains(quote)).then_some(inner)
}

/// A value as it is to be written on the line of its key: in the first form that reads back the same. `None` if there
/// is no such form.
pub(crate) fn written(value: &str) -> Option<Zeroizing<String>> {
    ["", "\"", "'", BACKTICK, TRIPLE_QUOTE]
        .into_iter()
        .find_map(|quote| {
            let mut form = Zeroizing::new(String::with_capacity(value.len() + 2 * quote.len() + 1));
            form.push_str(quote);
            form.push_str(value);
            form.push_str(quote);
            form.push('\n');
            let mut read = read(&form).ok()?;
            let text = Zeroizing::new(std::mem::take(&mut read.text));
            let is_same = *text == value && read.comment.is_none() && read.consumed == form.len();
            form.pop();
            is_same.then_some(form)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_read_as_ini_v1_reads_them() {
        let table = [
            ("", "", None),
            ("  \n", "", None),
            (" v \r\n", "v", None),
            ("a#b\n", "a", Some("#b")),
            ("v ; c \n", "v", Some("; c")),
            ("'q' ; c", "q", Some("; c")),
            ("\"a'b\"", "a'b", None),
            ("\"a\" b\"", "\"a\" b\"", None),
            ("`a;b` ; dropped", "a;b", None),
            ("`a` b` c", "a` b", None),
            ("\"\"\"a\nb\"\"\" # c\nk=v", "a\nb", Some("# c")),
            ("`a\n b` \\\nc`\n", "a\n b` \\\nc", None),
            ("a \\\n  b # c\\\n\nk=v", "a b # c", None),
            ("a\\\nb\nk=v", "ab", None),
            ("# c\n", "", Some("# c")),
            ("\"", "\"", None),
            ("\"\"\"", "\"\"\"", None),
        ];
        for (rest, text, comment) in table {
            let value = read(rest).unwrap();
            let found = value.comment.clone().map(|range| &rest[range]);
            assert_eq!((value.text.as_str(), found), (text, comment), "{rest:?}");
        }
        for rest in ["`a\nb\n", "\"\"\"a"] {
            assert!(read(rest).is_err(), "{rest:?}");
        }
    }

    #[test]
    fn keys_are_read_as_ini_v1_reads_them() {
        let table = [
            ("k = v", Ok(("k", 1, 3))),
            ("k:v=w", Ok(("k", 1, 2))),
            ("a b=v", Ok(("a b", 3, 4))),
            ("`a=b` = v", Ok(("a=b", 5, 7))),
            ("\"a:b\":v", Ok(("a:b", 5, 6))),
            ("\"\"\"a\"\"\"=v", Ok(("a", 7, 8))),
        ];
        for (line, expected) in table {
            let found = read_key(line).map(|key| (key.name, key.length, key.value_at));
            assert_eq!(found, expected, "{line}");
        }
        for line in ["k", "=v", " = v", "- = v", "\"k = v", "`` = v", "`k` v"] {
            assert!(read_key(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in "[ab \"'`#;\\\\\n\r=]{0,12}") {
            if let Some(form) = written(&value) {
                let text = format!("{}\nnext = 1\n", *form);
                let value_read = read(&text).unwrap();
                prop_assert_eq!(value_read.text, value);
                prop_assert_eq!(value_read.consumed, form.len() + 1);
            }
        }
    }
}
