//! What was written: the syntax tree of a YAML or JSON text.
//!
//! It keeps what a value forgets: byte ranges, styles, tags, anchors and comments. Scalars are not typed yet (see
//! [`resolve_scalar`](crate::resolve_scalar)) and aliases are not followed (see [`Document::anchors`]); but a tree
//! that was parsed can be walked with its aliases expanded, recursively and within the limits it was parsed with:
//! no alias is part of what it names, and the expanded size and depth were counted.

mod collection;
mod comments;
mod extent;
mod json;
mod layout;
mod properties;
mod text;
mod yaml;

use std::collections::HashMap;
use std::ops::Range;

use crate::Position;
pub(crate) use text::check_size;

pub use extent::entry_extent;
pub use json::parse_json;
pub use yaml::parse_yaml;

/// All documents of a text.
pub struct Stream {
    documents: Vec<Document>,
    comments: Vec<Comment>,
}

/// One document of a stream.
pub struct Document {
    /// Its content; `None` where nothing is written, as between two `---`.
    pub root: Option<Node>,
    /// Where it starts: at `---` if that is written, else at its content.
    pub position: Position,
    /// The comments that are in no collection: around a root that is a scalar, or less indented than the root.
    pub comments: Vec<Comment>,
}

/// A scalar, a collection or an alias, with everything written about it.
pub struct Node {
    /// Its bytes in the text. They start at its tag or anchor if it has one, take in the header of a block
    /// scalar, and end before the line break after it; to replace them is to replace the node whole. A value that
    /// is left out has an empty range, after its `:` or `-`.
    pub span: Range<usize>,
    /// Where `span` starts.
    pub position: Position,
    /// Its tag, if one is written.
    pub tag: Option<Tag>,
    /// Its anchor, if one is written.
    pub anchor: Option<Anchor>,
    /// What it is.
    pub content: Content,
    /// The comments directly in this collection, in the order of the text: above, beside and after its entries,
    /// but not inside collections that its entries hold. Always empty for scalars and aliases.
    pub comments: Vec<Comment>,
}

/// What a node is.
pub enum Content {
    /// A scalar.
    Scalar {
        /// Its text, with quotes, escapes, folding and indentation undone.
        text: String,
        /// How it is written.
        style: ScalarStyle,
    },
    /// A list.
    Sequence {
        /// Its items.
        items: Vec<Node>,
        /// How it is written.
        style: CollectionStyle,
    },
    /// A map. Its keys may be any node, and in YAML may repeat.
    Mapping {
        /// Its keys and values.
        entries: Vec<(Node, Node)>,
        /// How it is written.
        style: CollectionStyle,
    },
    /// A reference to an anchored node before it.
    Alias(AnchorId),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes: the one style whose text decides its type. In JSON: everything but strings.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// How a list or a map is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectionStyle {
    /// By lines and indentation.
    Block,
    /// By brackets.
    Flow,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The tag after `%TAG` and percent escapes, with `!!` for `tag:yaml.org,2002:`, as go-yaml's `shortTag` has it:
    /// `!!str`, `!local`, `tag:example.com,2000:x`. A lone `!` is a tag too.
    pub name: String,
    /// Where it is written.
    pub span: Range<usize>,
}

/// An anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// What aliases refer to.
    pub id: AnchorId,
    /// Its name, without `&`.
    pub name: String,
    /// Where it is written.
    pub span: Range<usize>,
}

/// One anchor of one document; names may repeat, ids do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnchorId(usize);

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// What follows `#`, spaces included.
    pub text: String,
    /// Its bytes, from `#` to before the line break.
    pub span: Range<usize>,
    /// Where `#` is.
    pub position: Position,
    /// What it stands beside.
    pub placement: Placement,
}

/// Where a comment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// On a line of its own.
    Above,
    /// On the line of something, at its right.
    Right,
}

/// The anchored nodes of a document.
pub struct Anchors<'a>(HashMap<AnchorId, &'a Node>);

impl Stream {
    /// A stream that another reader than ours made: of a format that has the same tree. What [`parse_yaml`] and
    /// [`parse_json`] promise about depth and aliases, that reader has to keep.
    pub fn from_documents(documents: Vec<Document>) -> Self {
        Self {
            documents,
            comments: Vec::new(),
        }
    }

    /// The documents in order, empty ones included.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The documents in order, to change them before they are [resolved](crate::resolve).
    pub fn into_documents(self) -> Vec<Document> {
        self.documents
    }

    /// The comments after the end of the last document, or of a text without any.
    pub fn comments(&self) -> &[Comment] {
        &self.comments
    }
}

impl Document {
    /// The anchored nodes, to follow aliases with.
    pub fn anchors(&self) -> Anchors<'_> {
        let mut anchors = HashMap::new();
        let mut pending: Vec<&Node> = self.root.iter().collect();
        while let Some(node) = pending.pop() {
            if let Some(anchor) = &node.anchor {
                anchors.insert(anchor.id, node);
            }
            match &node.content {
                Content::Sequence { items, .. } => pending.extend(items),
                Content::Mapping { entries, .. } => {
                    pending.extend(entries.iter().flat_map(|(key, value)| [key, value]));
                }
                Content::Scalar { .. } | Content::Alias(_) => {}
            }
        }
        Anchors(anchors)
    }
}

impl<'a> Anchors<'a> {
    /// The node that a node stands for: itself, or what it is an alias of. `None` for an alias of another document.
    pub fn follow(&self, node: &'a Node) -> Option<&'a Node> {
        match &node.content {
            Content::Alias(id) => self.0.get(id).copied(),
            _ => Some(node),
        }
    }
}

impl Node {
    /// The text, if it is a scalar.
    pub fn as_scalar(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    pub fn as_entries(&self) -> Option<&[(Node, Node)]> {
        match &self.content {
            Content::Mapping { entries, .. } => Some(entries),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_items(&self) -> Option<&[Node]> {
        match &self.content {
            Content::Sequence { items, .. } => Some(items),
            _ => None,
        }
    }
}
