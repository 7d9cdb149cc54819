//! The ini store (stores/ini/store.go), which reads as gopkg.in/ini.v1 does: sections of `key = value` or `key: value`,
//! quotes, values and continuations over several lines, comments from `#` or `;` on, also behind a value.
//!
//! Keys above the first section are in one named `DEFAULT`, which is there in any case. Sections may repeat.

mod value;

use std::ops::Range;

use manifest_yaml::syntax::{CollectionStyle, Comment, Content, Document, Node, Placement, Stream};
use manifest_yaml::{Limits, Position};

use super::{Counter, SyntaxError, flat};
use crate::metadata::SOPS_KEY;
pub(crate) use value::written;

/// The section of keys that are above all sections.
pub(crate) const DEFAULT_SECTION: &str = "DEFAULT";

/// What parts a key from its value.
const DELIMITERS: [char; 2] = ['=', ':'];

/// What starts a comment.
const COMMENT_MARKS: [char; 2] = ['#', ';'];

pub(super) fn parse(text: &str, limits: &Limits) -> Result<Stream, SyntaxError> {
    let mut parser = Parser {
        text,
        offset: if text.starts_with('\u{feff}') { 3 } else { 0 },
        counter: Counter::new(text, limits)?,
        sections: Vec::new(),
        above: None,
    };
    parser.begin_section(DEFAULT_SECTION, 0..0)?;
    parser.lines()?;
    let position = Position::START;
    let root = Node {
        span: 0..text.len(),
        position,
        tag: None,
        anchor: None,
        content: Content::Mapping {
            entries: parser
                .sections
                .into_iter()
                .map(Section::into_entry)
                .collect::<Result<_, _>>()?,
            style: CollectionStyle::Block,
        },
        comments: Vec::new(),
    };
    Ok(Stream::from_documents(vec![Document {
        root: Some(root),
        position,
        comments: Vec::new(),
    }]))
}

/// A section whose end has not come.
struct Section {
    name: Node,
    entries: Vec<(Node, Node)>,
    comments: Vec<Comment>,
    end: usize,
}

struct Parser<'a> {
    text: &'a str,
    offset: usize,
    counter: Counter<'a>,
    sections: Vec<Section>,
    /// The comments since the last key or section; they belong to the next one.
    above: Option<Range<usize>>,
}

impl<'a> Parser<'a> {
    fn lines(&mut self) -> Result<(), SyntaxError> {
        while self.offset < self.text.len() {
            let start = self.offset;
            let line = self.next_line();
            let content = line.trim();
            let content_start = start + (line.len() - line.trim_start().len());
            if content.is_empty() {
                continue;
            }
            if content.starts_with(COMMENT_MARKS) {
                let first = self.above.as_ref().map_or(content_start, |above| above.start);
                self.above = Some(first..content_start + content.len());
            } else if content.starts_with('[') {
                self.section(content_start, content)?;
            } else {
                self.entry(content_start, start + line.len())?;
            }
        }
        // sops loses the comments below the last key; they are as secret as others.
        self.comments_above()
    }

    /// The line at the offset, its line break included; the offset is then behind it.
    fn next_line(&mut self) -> &'a str {
        let rest = self.text.get(self.offset..).unwrap_or_default();
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        self.offset += line.len();
        line
    }

    /// `[name]`, up to the last bracket of the line.
    fn section(&mut self, start: usize, line: &'a str) -> Result<(), SyntaxError> {
        let Some(end) = line.rfind(']') else {
            return Err(self
                .counter
                .line_error(start, "its section has no closing bracket"));
        };
        let name = line.get(1..end).unwrap_or_default();
        if name.is_empty() {
            return Err(self.counter.line_error(start, "its section has no name"));
        }
        // What is above the block belongs to it for sops, which drops it there.
        let is_block = name == SOPS_KEY;
        if is_block {
            self.comments_above()?;
        }
        self.begin_section(name, start..start + end + 1)?;
        self.comments_above()?;
        let behind = line.get(end + 1..).unwrap_or_default();
        if let Some(at) = behind.find(COMMENT_MARKS) {
            self.comment(start + end + 1 + at..start + line.len(), Placement::Right)?;
        }
        Ok(())
    }

    fn begin_section(&mut self, name: &str, span: Range<usize>) -> Result<(), SyntaxError> {
        let end = span.end;
        let name = self.counter.string(name.to_owned(), span)?;
        self.sections.push(Section {
            name,
            entries: Vec::new(),
            comments: Vec::new(),
            end,
        });
        Ok(())
    }

    /// `key = value`, and the lines that its value goes on in.
    fn entry(&mut self, start: usize, line_end: usize) -> Result<(), SyntaxError> {
        let line = self.text.get(start..line_end).unwrap_or_default();
        let key = value::read_key(line).map_err(|problem| self.counter.line_error(start, problem))?;
        let value_start = start + key.value_at;
        let rest = self.text.get(value_start..).unwrap_or_default();
        let value = value::read(rest).map_err(|problem| self.counter.line_error(start, problem))?;
        self.offset = value_start + value.consumed;
        self.comments_above()?;
        let shifted = |range: Range<usize>| value_start + range.start..value_start + range.end;
        let key_node = self
            .counter
            .string(key.name.to_owned(), start..start + key.length)?;
        let value_node = self.counter.string(value.text, shifted(value.span))?;
        if let Some(comment) = value.comment {
            self.comment(shifted(comment), Placement::Right)?;
        }
        let end = self.offset;
        if let Some(section) = self.sections.last_mut() {
            section.entries.push((key_node, value_node));
            section.end = end;
        }
        Ok(())
    }

    fn comments_above(&mut self) -> Result<(), SyntaxError> {
        match self.above.take() {
            Some(span) => self.comment(span, Placement::Above),
            None => Ok(()),
        }
    }

    /// Lines of comments, as one: its text is without the marks and blanks that the first line starts with
    /// (`stripCommentChar`), but with those of the others.
    fn comment(&mut self, span: Range<usize>, placement: Placement) -> Result<(), SyntaxError> {
        let position = self.counter.position(span.start);
        self.counter.count(position)?;
        let written = self.text.get(span.clone()).unwrap_or_default();
        let lines: Vec<&str> = written
            .split('\n')
            .map(str::trim_start)
            .filter(|line| !line.is_empty())
            .collect();
        let lines = lines.join("\n");
        let mark = comment_mark(&lines);
        let text = lines.get(mark.len()..).unwrap_or_default().trim_end().to_owned();
        if let Some(section) = self.sections.last_mut() {
            section.end = section.end.max(span.end);
            section.comments.push(Comment {
                text,
                span,
                position,
                placement,
            });
        }
        Ok(())
    }
}

/// The mark of a comment and everything that sops strips with it: blanks, and repetitions.
pub(crate) fn comment_mark(comment: &str) -> &str {
    let text = match comment.chars().next() {
        Some(mark) if COMMENT_MARKS.contains(&mark) => comment.trim_start_matches([mark, ' ']),
        _ => comment,
    };
    comment.get(..comment.len() - text.len()).unwrap_or_default()
}

/// Whether a key reads back as it is where it is written without quotes.
pub(crate) fn is_plain_key(key: &str) -> bool {
    let line = format!("{key} = ");
    !key.starts_with(COMMENT_MARKS)
        && !key.starts_with('[')
        && !key.contains(['\n', '\r'])
        && value::read_key(&line).is_ok_and(|read| read.name == key)
}

impl Section {
    fn into_entry(self) -> Result<(Node, Node), SyntaxError> {
        let span = self.name.span.start..self.end;
        let position = self.name.position;
        if self.name.as_scalar() == Some(SOPS_KEY) {
            let flattened = self.entries.into_iter().map(|(key, mut value)| {
                if let Content::Scalar { text, .. } = &mut value.content {
                    // `EscapeNewlines` in stores/metadata.go
                    *text = text.replace("\\n", "\n");
                }
                (key.as_scalar().unwrap_or_default().to_owned(), value)
            });
            let block = flat::unflatten(flattened.collect())?;
            if let Some(mut block) = block {
                block.span = span;
                block.position = position;
                return Ok((self.name, block));
            }
            return Ok((self.name, mapping(span, position, Vec::new(), Vec::new())));
        }
        Ok((self.name, mapping(span, position, self.entries, self.comments)))
    }
}

fn mapping(
    span: Range<usize>,
    position: Position,
    entries: Vec<(Node, Node)>,
    comments: Vec<Comment>,
) -> Node {
    Node {
        span,
        position,
        tag: None,
        anchor: None,
        content: Content::Mapping {
            entries,
            style: CollectionStyle::Block,
        },
        comments,
    }
}
