//! The tag and the anchor before a node.

use std::ops::Range;

use super::layout::{Layout, Place};
use super::{Anchor, Content, Node, Tag};
use crate::Position;

/// The tag and anchor before a node.
#[derive(Default)]
pub(super) struct Properties {
    pub(super) tag: Option<Tag>,
    pub(super) anchor: Option<Anchor>,
    start: Option<Place>,
}

impl Properties {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.tag.is_none() && self.anchor.is_none()
    }

    /// Takes in that one of them starts here.
    pub(super) fn start(&mut self, place: Place) {
        if self.start.is_none_or(|start| place.offset < start.offset) {
            self.start = Some(place);
        }
    }

    /// Where they end, or `before` if there are none.
    pub(super) fn end(&self, before: Place, layout: Layout<'_>) -> Place {
        let tag = self.tag.as_ref().map_or(0, |tag| tag.span.end);
        let anchor = self.anchor.as_ref().map_or(0, |anchor| anchor.span.end);
        let Some(start) = self.start else { return before };
        start.after(layout.slice(start.offset..tag.max(anchor)))
    }

    /// The node that they belong to; its range starts with the first of them.
    pub(super) fn make(self, (range, position): (Range<usize>, Position), content: Content) -> Node {
        let (start, position) = self
            .start
            .map_or((range.start, position), |start| (start.offset, start.position));
        Node {
            span: start..range.end.max(start),
            position,
            tag: self.tag,
            anchor: self.anchor,
            content,
            comments: Vec::new(),
        }
    }
}
