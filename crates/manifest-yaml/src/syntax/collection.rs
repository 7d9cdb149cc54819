//! Collections while they are read, and what they will come to.

use super::{CollectionStyle, Content, Node};

/// A collection whose end has not come.
pub(super) struct Collection {
    pub(super) node: Node,
    /// Where its entries begin on their lines, from 1.
    pub(super) column: u32,
    /// The key whose value has not come.
    pub(super) key: Option<Node>,
    /// The end of its last child so far.
    pub(super) end: usize,
    pub(super) expanded: Expanded,
}

/// What a node comes to with its aliases expanded.
#[derive(Clone, Copy, Default)]
pub(super) struct Expanded {
    pub(super) nodes: usize,
    pub(super) bytes: usize,
    pub(super) depth: usize,
}

impl Collection {
    pub(super) fn is_flow(&self) -> bool {
        matches!(
            self.node.content,
            Content::Sequence {
                style: CollectionStyle::Flow,
                ..
            } | Content::Mapping {
                style: CollectionStyle::Flow,
                ..
            }
        )
    }

    /// Whether the next node starts an entry of a block map.
    pub(super) fn awaits_block_key(&self) -> bool {
        let block = matches!(
            self.node.content,
            Content::Mapping {
                style: CollectionStyle::Block,
                ..
            }
        );
        block && self.key.is_none()
    }

    pub(super) fn add(&mut self, child: Node, expanded: Expanded) {
        self.end = self.end.max(child.span.end);
        self.expanded.nodes = self.expanded.nodes.saturating_add(expanded.nodes);
        self.expanded.bytes = self.expanded.bytes.saturating_add(expanded.bytes);
        self.expanded.depth = self.expanded.depth.max(expanded.depth.saturating_add(1));
        match &mut self.node.content {
            Content::Sequence { items, .. } => items.push(child),
            Content::Mapping { entries, .. } => match self.key.take() {
                None => self.key = Some(child),
                Some(key) => entries.push((key, child)),
            },
            Content::Scalar { .. } | Content::Alias(_) => {}
        }
    }
}
