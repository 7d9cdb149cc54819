//! Strict JSON.

use std::collections::HashMap;
use std::ops::Range;

use super::text::check_size;
use super::{CollectionStyle, Content, Document, Node, ScalarStyle, Stream};
use crate::{Limits, ParseError, Position};

/// Parses one JSON value as RFC 8259 has it, without a byte order mark.
///
/// Keys that repeat are refused, and so are escapes of single surrogates. Strings are
/// [double-quoted](ScalarStyle::DoubleQuoted) scalars, everything else is [plain](ScalarStyle::Plain).
pub fn parse_json(text: &str, limits: &Limits) -> Result<Stream, ParseError> {
    check_size(text.len(), limits)?;
    let mut parser = Json {
        text,
        offset: 0,
        seen: Seen {
            offset: 0,
            position: Position::START,
        },
        limits,
        nodes: 0,
    };
    let root = parser.document()?;
    let document = Document {
        position: root.position,
        root: Some(root),
        comments: Vec::new(),
    };
    Ok(Stream {
        documents: vec![document],
        comments: Vec::new(),
    })
}

struct Json<'text> {
    text: &'text str,
    offset: usize,
    seen: Seen,
    limits: &'text Limits,
    nodes: usize,
}

/// The last place whose position is known; positions are asked for in order.
#[derive(Clone, Copy)]
struct Seen {
    offset: usize,
    position: Position,
}

/// A collection whose end has not come.
struct Open {
    node: Node,
    key: Option<Node>,
    keys: HashMap<String, Position>,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    CommaOrEnd,
}

impl<'text> Json<'text> {
    fn document(&mut self) -> Result<Node, ParseError> {
        let mut open: Vec<Open> = Vec::new();
        let mut expected = Expected::Value;
        loop {
            self.skip_space();
            let complete = match (expected, self.peek()) {
                (_, None) => return self.fail("the text ends too early"),
                (Expected::CommaOrEnd, Some(b',')) => {
                    self.offset += 1;
                    let in_map = open
                        .last()
                        .is_some_and(|open| matches!(open.node.content, Content::Mapping { .. }));
                    expected = if in_map { Expected::Key } else { Expected::Value };
                    continue;
                }
                (Expected::CommaOrEnd | Expected::ValueOrEnd, Some(b']')) => self.close(&mut open, b']')?,
                (Expected::CommaOrEnd | Expected::KeyOrEnd, Some(b'}')) => self.close(&mut open, b'}')?,
                (Expected::CommaOrEnd, Some(_)) => {
                    return self.fail("expected a comma or the end of the collection");
                }
                (Expected::Key | Expected::KeyOrEnd, Some(b'"')) => {
                    self.key(&mut open)?;
                    expected = Expected::Value;
                    continue;
                }
                (Expected::Key | Expected::KeyOrEnd, Some(_)) => {
                    return self.fail("expected a key in double quotes");
                }
                (Expected::Value | Expected::ValueOrEnd, Some(start @ (b'[' | b'{'))) => {
                    open.push(self.open(start, open.len())?);
                    expected = if start == b'[' {
                        Expected::ValueOrEnd
                    } else {
                        Expected::KeyOrEnd
                    };
                    continue;
                }
                (Expected::Value | Expected::ValueOrEnd, Some(_)) => self.scalar()?,
            };
            match open.last_mut() {
                Some(parent) => parent.add(complete),
                None => return self.end(complete),
            }
            expected = Expected::CommaOrEnd;
        }
    }

    fn end(&mut self, root: Node) -> Result<Node, ParseError> {
        self.skip_space();
        match self.peek() {
            None => Ok(root),
            Some(_) => self.fail("there is more after the value"),
        }
    }

    fn open(&mut self, start: u8, depth: usize) -> Result<Open, ParseError> {
        let content = if start == b'[' {
            Content::Sequence {
                items: Vec::new(),
                style: CollectionStyle::Flow,
            }
        } else {
            Content::Mapping {
                entries: Vec::new(),
                style: CollectionStyle::Flow,
            }
        };
        let node = self.node(self.offset..self.offset + 1, content)?;
        let limit = self.limits.depth();
        if depth >= limit {
            return Err(ParseError::TooDeep {
                position: node.position,
                limit,
            });
        }
        self.offset += 1;
        Ok(Open {
            node,
            key: None,
            keys: HashMap::new(),
        })
    }

    fn close(&mut self, open: &mut Vec<Open>, end: u8) -> Result<Node, ParseError> {
        let matching = match open.last().map(|open| &open.node.content) {
            Some(Content::Sequence { .. }) => end == b']',
            Some(Content::Mapping { .. }) => end == b'}',
            _ => false,
        };
        match open.pop() {
            Some(mut closed) if matching => {
                self.offset += 1;
                closed.node.span.end = self.offset;
                Ok(closed.node)
            }
            _ => self.fail("the wrong bracket closes the collection"),
        }
    }

    fn key(&mut self, open: &mut [Open]) -> Result<(), ParseError> {
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.fail("expected a colon after the key");
        }
        self.offset += 1;
        let Some(parent) = open.last_mut() else {
            return Ok(());
        };
        let name = key.as_scalar().unwrap_or_default();
        if let Some(first) = parent.keys.insert(name.to_owned(), key.position) {
            return Err(ParseError::DuplicateKey {
                position: key.position,
                key: name.to_owned(),
                first,
            });
        }
        parent.key = Some(key);
        Ok(())
    }

    fn scalar(&mut self) -> Result<Node, ParseError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.offset;
                let length = number_length(self.rest());
                if length == 0 {
                    return self.fail("this is no number");
                }
                self.offset += length;
                self.plain(start)
            }
            _ => {
                let start = self.offset;
                let word = ["null", "true", "false"]
                    .into_iter()
                    .find(|word| self.rest().starts_with(word));
                let Some(word) = word else {
                    return self.fail("expected a value");
                };
                self.offset += word.len();
                self.plain(start)
            }
        }
    }

    /// A scalar from a place up to here, which must be followed by something that is not part of a word.
    fn plain(&mut self, start: usize) -> Result<Node, ParseError> {
        if self
            .peek()
            .is_some_and(|next| !matches!(next, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'))
        {
            return self.fail("unexpected character after a value");
        }
        let text = self.text.get(start..self.offset).unwrap_or_default().to_owned();
        self.node(
            start..self.offset,
            Content::Scalar {
                text,
                style: ScalarStyle::Plain,
            },
        )
    }

    fn string(&mut self) -> Result<Node, ParseError> {
        let start = self.offset;
        self.offset += 1;
        let mut text = String::new();
        loop {
            let run = self.rest();
            let stop = run.find(|character: char| matches!(character, '"' | '\\') || character < ' ');
            let Some(stop) = stop else {
                self.offset = self.text.len();
                return self.fail("the string has no end");
            };
            text.push_str(run.get(..stop).unwrap_or_default());
            self.offset += stop;
            match self.peek() {
                Some(b'"') => {
                    self.offset += 1;
                    break;
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return self.fail("a control character in a string must be escaped"),
            }
        }
        self.node(
            start..self.offset,
            Content::Scalar {
                text,
                style: ScalarStyle::DoubleQuoted,
            },
        )
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let character = match self.text.as_bytes().get(self.offset + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.fail("unknown escape"),
        };
        self.offset += 2;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, ParseError> {
        let Some(first) = self.code_unit(self.offset) else {
            return self.fail("an escape needs four hexadecimal digits");
        };
        let second = self.code_unit(self.offset + 6);
        let (units, length) = match (first, second) {
            (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) => (vec![first, second], 12),
            _ => (vec![first], 6),
        };
        match char::decode_utf16(units).next() {
            Some(Ok(character)) => {
                self.offset += length;
                Ok(character)
            }
            _ => self.fail("an escaped surrogate is without its other half"),
        }
    }

    /// The code unit of a `\uXXXX` at an offset.
    fn code_unit(&self, offset: usize) -> Option<u16> {
        let digits = self.text.get(offset..)?.strip_prefix("\\u")?.get(..4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u16::from_str_radix(digits, 16).ok()
    }

    fn node(&mut self, span: Range<usize>, content: Content) -> Result<Node, ParseError> {
        let position = self.position(span.start);
        self.nodes += 1;
        if self.nodes > self.limits.max_nodes {
            return Err(ParseError::TooManyNodes {
                position,
                limit: self.limits.max_nodes,
            });
        }
        Ok(Node {
            span,
            position,
            tag: None,
            anchor: None,
            content,
            comments: Vec::new(),
        })
    }

    fn position(&mut self, offset: usize) -> Position {
        if let Some(passed) = self.text.get(self.seen.offset..offset) {
            self.seen = Seen {
                offset,
                position: self.seen.position.after(passed),
            };
        }
        self.seen.position
    }

    fn fail<T>(&mut self, problem: &'static str) -> Result<T, ParseError> {
        Err(ParseError::Json {
            position: self.position(self.offset),
            problem,
        })
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.offset += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn rest(&self) -> &'text str {
        self.text.get(self.offset..).unwrap_or_default()
    }
}

impl Open {
    fn add(&mut self, child: Node) {
        match &mut self.node.content {
            Content::Sequence { items, .. } => items.push(child),
            Content::Mapping { entries, .. } => entries.extend(self.key.take().map(|key| (key, child))),
            Content::Scalar { .. } | Content::Alias(_) => {}
        }
    }
}

/// The bytes of the number that a text starts with: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
fn number_length(text: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let mut rest = match (unsigned.strip_prefix('0'), digits(unsigned)) {
        (Some(rest), _) => rest,
        (None, 0) => return 0,
        (None, whole) => unsigned.get(whole..).unwrap_or_default(),
    };
    if let Some(fraction) = rest.strip_prefix('.') {
        match digits(fraction) {
            0 => return 0,
            count => rest = fraction.get(count..).unwrap_or_default(),
        }
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        match digits(exponent) {
            0 => return 0,
            count => rest = exponent.get(count..).unwrap_or_default(),
        }
    }
    text.len() - rest.len()
}
