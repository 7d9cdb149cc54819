//! Why a text is refused.

use thiserror::Error;

use crate::Position;

/// Why a text is not a document we take.
///
/// Every variant says where. None holds a value out of the text, since the text may hold secrets; keys may be
/// named.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The text is larger than [`Limits::max_bytes`](crate::Limits::max_bytes).
    #[error("failed to read a document of {bytes} bytes: the limit is {limit}")]
    TooLarge {
        /// Always the start.
        position: Position,
        /// Size of the text.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes are not UTF-8. UTF-16, which YAML would allow, is refused too.
    #[error("failed to read the text at {position}: not UTF-8")]
    NotUtf8 {
        /// The first byte that is not.
        position: Position,
    },
    /// A character that go-yaml's reader refuses (readerc.go), or a byte order mark after the start.
    #[error("failed to read the text at {position}: control character U+{code:04X}")]
    ControlCharacter {
        /// Where it is.
        position: Position,
        /// Its code point.
        code: u32,
    },
    /// A line break that YAML 1.1 knows and YAML 1.2 does not: readers disagree on what the text says.
    #[error(
        "failed to read the text at {position}: U+{code:04X} is a line break to some readers only; write it as an escape in double quotes"
    )]
    AmbiguousLineBreak {
        /// Where it is.
        position: Position,
        /// Its code point.
        code: u32,
    },
    /// A tab in the indentation of an entry. YAML forbids it; some readers count it as one column.
    #[error("failed to parse YAML at {position}: a tab in the indentation")]
    TabIndentation {
        /// The entry.
        position: Position,
    },
    /// The text is not YAML.
    #[error("failed to parse YAML at {position}: {problem}")]
    Yaml {
        /// Where the parser stopped.
        position: Position,
        /// What it found, in general words.
        problem: String,
    },
    /// The text is not JSON as RFC 8259 has it.
    #[error("failed to parse JSON at {position}: {problem}")]
    Json {
        /// Where the parser stopped.
        position: Position,
        /// What it found, in general words.
        problem: &'static str,
    },
    /// More levels than [`Limits::max_depth`](crate::Limits::max_depth).
    #[error("failed to parse at {position}: more than {limit} levels deep")]
    TooDeep {
        /// The first collection, or alias to one, that is too deep.
        position: Position,
        /// The limit.
        limit: usize,
    },
    /// More nodes than [`Limits::max_nodes`](crate::Limits::max_nodes).
    #[error("failed to parse at {position}: more than {limit} nodes and comments")]
    TooManyNodes {
        /// The first node too many.
        position: Position,
        /// The limit.
        limit: usize,
    },
    /// More documents than [`Limits::max_documents`](crate::Limits::max_documents).
    #[error("failed to parse at {position}: more than {limit} documents")]
    TooManyDocuments {
        /// The first document too many.
        position: Position,
        /// The limit.
        limit: usize,
    },
    /// Aliases would add more than [`Limits::max_alias_nodes`](crate::Limits::max_alias_nodes) nodes, or more
    /// text than [`Limits::max_bytes`](crate::Limits::max_bytes).
    #[error(
        "failed to expand the alias at {position}: aliases of this text add more than the limit of {limit_nodes} nodes or {limit_bytes} bytes"
    )]
    TooMuchAliasing {
        /// The alias that crosses the limit.
        position: Position,
        /// The limit on nodes.
        limit_nodes: usize,
        /// The limit on scalar text.
        limit_bytes: usize,
    },
    /// An alias stands inside the node it names.
    #[error("failed to expand the alias at {position}: it is part of what it refers to")]
    RecursiveAlias {
        /// The alias.
        position: Position,
    },
    /// A key is twice in a map, once it is read as Kubernetes or SOPS reads it.
    #[error("failed to read the map at {position}: the key {key:?} is already at {first}")]
    DuplicateKey {
        /// The second key.
        position: Position,
        /// The key as a string.
        key: String,
        /// The first key.
        first: Position,
    },
    /// A key that cannot be made a string: a collection, null, or an integer above `i64::MAX`; for SOPS,
    /// anything that is not a string.
    #[error("failed to read the map at {position}: {kind} cannot be a key")]
    UnsupportedKey {
        /// The key.
        position: Position,
        /// What it is.
        kind: &'static str,
    },
    /// `<<` with something else than a map or a list of maps.
    #[error("failed to merge at {position}: `<<` takes a map or a list of maps")]
    InvalidMerge {
        /// The value of `<<`.
        position: Position,
    },
    /// `<<` after a key that it also brings. kubectl lets the merged value win, kustomize the written one.
    #[error(
        "failed to merge at {position}: `<<` brings the key {key:?}, which is already at {first}, and readers disagree on which counts; put `<<` first"
    )]
    AmbiguousMerge {
        /// The `<<` key.
        position: Position,
        /// The key.
        key: String,
        /// Where it is written.
        first: Position,
    },
    /// A tag promises a type that the scalar is not.
    #[error("failed to read the scalar at {position} as {tag}")]
    TagMismatch {
        /// The scalar.
        position: Position,
        /// The tag's short form.
        tag: String,
    },
    /// `!!binary` with something that is not base64 (RFC 4648 §4).
    #[error("failed to read the scalar at {position} as !!binary: not base64")]
    InvalidBase64 {
        /// The scalar.
        position: Position,
    },
    /// `!!binary` with bytes that no JSON string can hold.
    #[error(
        "failed to read the scalar at {position} as !!binary: its bytes are not UTF-8, so JSON cannot hold them; quote the base64 and drop the tag where the field takes base64"
    )]
    BinaryNotUtf8 {
        /// The scalar.
        position: Position,
    },
    /// An infinity or a NaN, which JSON does not have; or a JSON number beyond the range of a 64-bit float.
    #[error("failed to read the number at {position}: JSON has no infinity and no NaN")]
    NotFinite {
        /// The scalar.
        position: Position,
    },
}

impl ParseError {
    /// Where the text is at fault.
    pub fn position(&self) -> Position {
        match self {
            Self::TooLarge { position, .. }
            | Self::NotUtf8 { position }
            | Self::ControlCharacter { position, .. }
            | Self::AmbiguousLineBreak { position, .. }
            | Self::TabIndentation { position }
            | Self::Yaml { position, .. }
            | Self::Json { position, .. }
            | Self::TooDeep { position, .. }
            | Self::TooManyNodes { position, .. }
            | Self::TooManyDocuments { position, .. }
            | Self::TooMuchAliasing { position, .. }
            | Self::RecursiveAlias { position }
            | Self::DuplicateKey { position, .. }
            | Self::UnsupportedKey { position, .. }
            | Self::InvalidMerge { position }
            | Self::AmbiguousMerge { position, .. }
            | Self::TagMismatch { position, .. }
            | Self::InvalidBase64 { position }
            | Self::BinaryNotUtf8 { position }
            | Self::NotFinite { position } => *position,
        }
    }
}
