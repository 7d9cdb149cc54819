//! The file formats that hold sealed values, and the one tree that all of them are read into.

pub(crate) mod dotenv;
pub(crate) mod flat;
pub(crate) mod ini;

use manifest_yaml::syntax::{Comment, Content, Document, Node, ScalarStyle, Stream, parse_json, parse_yaml};
use manifest_yaml::{Limits, ParseError, Position};
use thiserror::Error;

/// How a file is written: one of the stores of sops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML, several documents included.
    Yaml,
    /// JSON: one object.
    Json,
    /// Lines of `KEY=value`; the block is flattened to keys that start with `sops_`.
    Dotenv,
    /// Sections of `key = value`; the block is flattened to a section `[sops]`.
    Ini,
    /// Any bytes. Sealed, the file is a JSON object that holds them as `data`.
    Binary,
}

/// A file's text, taken apart: its documents with the place of every node in the text, and the `sops` block, if there
/// is one, as an entry of each document's root.
///
/// Sealed files of every format are such trees. So are plain files, but for binary ones: those have no structure.
pub struct Tree {
    format: Format,
    stream: Stream,
}

/// Why a text is not of its format. It holds no value out of the text; keys may be named.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// It is no YAML or JSON, or crosses a limit.
    #[error(transparent)]
    Document(ParseError),
    /// A line that is not of the format.
    #[error("failed to read the line at {position}: {problem}")]
    Line {
        /// Where the line is at fault.
        position: Position,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A flattened entry of the block that contradicts another one, or has no place in it.
    #[error("failed to read the entry of the sops block at {position}: {problem}")]
    Block {
        /// The entry.
        position: Position,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl SyntaxError {
    /// Where the text is at fault.
    pub fn position(&self) -> Position {
        match self {
            Self::Document(error) => error.position(),
            Self::Line { position, .. } | Self::Block { position, .. } => *position,
        }
    }
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Yaml, Self::Json, Self::Dotenv, Self::Ini, Self::Binary];

    /// The format of a file by the end of its name (`FormatForPath` in cmd/sops/formats). It is case-sensitive; what
    /// sops does not know is binary.
    pub fn of_path(path: &str) -> Self {
        match path.rsplit_once('.') {
            Some((_, "yaml" | "yml")) => Self::Yaml,
            Some((_, "json")) => Self::Json,
            Some((_, "env")) => Self::Dotenv,
            Some((_, "ini")) => Self::Ini,
            _ => Self::Binary,
        }
    }

    /// The name that `--input-type` and `--output-type` of sops have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
            Self::Binary => "binary",
        }
    }

    /// Takes a text apart. In the binary format it has to be a sealed one.
    pub fn parse(self, text: &str, limits: &Limits) -> Result<Tree, SyntaxError> {
        let stream = match self {
            Self::Yaml => parse_yaml(text, limits).map_err(SyntaxError::Document)?,
            Self::Json | Self::Binary => parse_json(text, limits).map_err(SyntaxError::Document)?,
            Self::Dotenv => dotenv::parse(text, limits)?,
            Self::Ini => ini::parse(text, limits)?,
        };
        Ok(Tree { format: self, stream })
    }

    /// Whether a text that cannot be taken apart has a line that only the block of a sealed file has. Of the formats
    /// that are YAML or JSON this cannot be said: it is false.
    pub fn has_sealed_line(self, text: &str) -> bool {
        match self {
            Self::Dotenv => text.lines().any(|line| line.starts_with("sops_mac=ENC[")),
            Self::Ini => text.lines().any(|line| line.trim() == "[sops]"),
            Self::Yaml | Self::Json | Self::Binary => false,
        }
    }

    /// The key of the block in a document's root. In dotenv it stands for all keys that start with it, so that no other
    /// key is taken for it: `sops` itself is a key like any other there.
    fn block_key(self) -> &'static str {
        match self {
            Self::Dotenv => dotenv::BLOCK_PREFIX,
            Self::Yaml | Self::Json | Self::Ini | Self::Binary => "sops",
        }
    }
}

impl Tree {
    /// How the text is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The documents in order. All formats but YAML have exactly one.
    pub fn documents(&self) -> &[Document] {
        self.stream.documents()
    }

    /// The comments after the end of the last document.
    pub fn comments(&self) -> &[Comment] {
        self.stream.comments()
    }

    /// The `sops` entry of a document: its key and its value.
    ///
    /// Where the block is flattened, the nodes of the entry are made up, but for its scalars: those stand for what is
    /// written, and have its spans.
    pub fn find_block<'a>(&self, document: &'a Document) -> Option<(&'a Node, &'a Node)> {
        let entries = document.root.as_ref()?.as_entries()?;
        entries
            .iter()
            .find(|(key, _)| self.is_block_key(key))
            .map(|(key, block)| (key, block))
    }

    /// Whether a key of a document's root is that of the block.
    pub fn is_block_key(&self, key: &Node) -> bool {
        key.as_scalar() == Some(self.format.block_key())
    }
}

/// Counts nodes and bytes against the limits, for the formats that are read line by line.
struct Counter<'a> {
    text: &'a str,
    limits: &'a Limits,
    nodes: usize,
    /// The last place whose position is known; positions are asked for in order, mostly.
    seen: (usize, Position),
}

impl<'a> Counter<'a> {
    fn new(text: &'a str, limits: &'a Limits) -> Result<Self, SyntaxError> {
        if text.len() > limits.max_bytes {
            return Err(SyntaxError::Document(ParseError::TooLarge {
                position: Position::START,
                bytes: text.len(),
                limit: limits.max_bytes,
            }));
        }
        Ok(Self {
            text,
            limits,
            nodes: 0,
            seen: (0, Position::START),
        })
    }

    fn position(&mut self, offset: usize) -> Position {
        let (seen, position) = self.seen;
        let Some(passed) = self.text.get(seen..offset) else {
            return Position::of_offset(self.text, offset);
        };
        let found = position.after(passed);
        self.seen = (offset, found);
        found
    }

    fn count(&mut self, position: Position) -> Result<(), SyntaxError> {
        self.nodes += 1;
        if self.nodes > self.limits.max_nodes {
            return Err(SyntaxError::Document(ParseError::TooManyNodes {
                position,
                limit: self.limits.max_nodes,
            }));
        }
        Ok(())
    }

    /// A scalar that is a string, whatever it looks like.
    fn string(&mut self, text: String, span: std::ops::Range<usize>) -> Result<Node, SyntaxError> {
        let position = self.position(span.start);
        self.count(position)?;
        Ok(Node {
            span,
            position,
            tag: None,
            anchor: None,
            content: Content::Scalar {
                text,
                style: ScalarStyle::DoubleQuoted,
            },
            comments: Vec::new(),
        })
    }

    fn line_error(&mut self, offset: usize, problem: &'static str) -> SyntaxError {
        SyntaxError::Line {
            position: self.position(offset),
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_known_by_the_extension() {
        for (path, expected) in [
            ("a/b.yaml", Format::Yaml),
            ("b.enc.yml", Format::Yaml),
            ("b.json", Format::Json),
            ("b.YAML", Format::Binary),
            ("b.env", Format::Dotenv),
            (".env", Format::Dotenv),
            ("b.env.local", Format::Binary),
            ("b.ini", Format::Ini),
            ("yaml", Format::Binary),
            ("b.txt", Format::Binary),
        ] {
            assert_eq!(Format::of_path(path), expected, "{path}");
        }
    }

    #[test]
    fn a_broken_sealed_file_is_still_seen_to_be_sealed() {
        for (format, text, expected) in [
            (Format::Dotenv, "no entry\nsops_mac=ENC[AES256_GCM,…]\n", true),
            (Format::Dotenv, "no entry\nA=sops_mac=ENC[\n", false),
            (Format::Ini, "no entry\n [sops]\r\n", true),
            (Format::Ini, "no entry\n", false),
            (Format::Yaml, "[sops]: {\n", false),
        ] {
            assert!(format.parse(text, &Limits::default()).is_err(), "{text}");
            assert_eq!(format.has_sealed_line(text), expected, "{text}");
        }
    }

    #[test]
    fn limits_hold_in_formats_of_lines() {
        let limits = Limits {
            max_nodes: 4,
            max_bytes: 20,
            ..Limits::default()
        };
        for format in [Format::Dotenv, Format::Ini] {
            assert!(format.parse("a=b\n", &limits).is_ok());
            assert!(matches!(
                format.parse("a=b\nc=d\ne=f\n", &limits).err(),
                Some(SyntaxError::Document(ParseError::TooManyNodes { limit: 4, .. }))
            ));
            assert!(matches!(
                format.parse("a=bbbbbbbbbbbbbbbbbbbbbbbb\n", &limits).err(),
                Some(SyntaxError::Document(ParseError::TooLarge { limit: 20, .. }))
            ));
        }
    }
}
