//! From parser events to the tree.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter::Peekable;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScanError, Span, StrInput, StructureStyle};

use super::comments::PendingComments;
use super::text::check_yaml;
use super::{
    Anchor, AnchorId, CollectionStyle, Comment, Content, Document, Node, Placement, ScalarStyle, Stream, Tag,
};
use crate::{Limits, ParseError, Position};

/// Parses a YAML stream. A byte order mark at the start is allowed.
pub fn parse_yaml(text: &str, limits: &Limits) -> Result<Stream, ParseError> {
    check_yaml(text, limits)?;
    let depth = limits.depth();
    let options = granit_parser::options! {
        emit_anchor_events: true,
        // As libyaml and so go-yaml: `|` whose last line has no line break ends without one.
        block_scalar_eof_without_line_feed: true,
        // Comments count as nodes here.
        max_buffered_comment_events: limits.max_nodes,
        // One more than we allow, so that the error is ours and has the place.
        flow_nesting_limit: depth.saturating_add(1),
        block_nesting_limit: depth.saturating_add(1),
    };
    let mut builder = Builder::new(text, limits);
    let mut events = Parser::new_from_str_with_options(text, options).peekable();
    while let Some(next) = events.next() {
        let (event, span) = next.map_err(|error| builder.scan_error(&error))?;
        builder.take(event, span, &mut events)?;
    }
    Ok(Stream {
        documents: builder.documents,
        comments: builder.pending.take_all(),
    })
}

type Events<'text> = Peekable<Parser<'text, StrInput<'text>>>;

struct Builder<'text> {
    text: &'text str,
    limits: &'text Limits,
    documents: Vec<Document>,
    document: Option<Document>,
    open: Vec<Collection>,
    anchors: HashMap<usize, AnchorState>,
    pending: PendingComments,
    nodes: usize,
    through_aliases: Expanded,
    /// The end of what the events so far cover: before the next token there are only spaces and indicators.
    covered: Place,
}

/// An offset with its position.
#[derive(Clone, Copy)]
struct Place {
    offset: usize,
    position: Position,
}

/// A collection whose end has not come.
struct Collection {
    node: Node,
    /// Where its entries begin on their lines, from 1.
    column: u32,
    /// The key whose value has not come.
    key: Option<Node>,
    /// The end of its last child so far.
    end: usize,
    expanded: Expanded,
}

/// What a node comes to with its aliases expanded.
#[derive(Clone, Copy, Default)]
struct Expanded {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

enum AnchorState {
    Open,
    Complete(Expanded),
}

impl<'text> Builder<'text> {
    fn new(text: &'text str, limits: &'text Limits) -> Self {
        Self {
            text,
            limits,
            documents: Vec::new(),
            document: None,
            open: Vec::new(),
            anchors: HashMap::new(),
            pending: PendingComments::default(),
            nodes: 0,
            through_aliases: Expanded::default(),
            covered: Place {
                offset: 0,
                position: Position::START,
            },
        }
    }

    fn take(
        &mut self,
        event: Event<'text>,
        span: Span,
        events: &mut Events<'text>,
    ) -> Result<(), ParseError> {
        let before = self.covered;
        let place = self.place(&span.start);
        match event {
            Event::StreamStart | Event::StreamEnd | Event::Anchor(..) => {}
            Event::DocumentStart(..) => self.start_document(place.position)?,
            Event::DocumentEnd => self.end_document(),
            Event::Comment(text, placement) => {
                let comment = Comment {
                    text: text.into_owned(),
                    span: self.range(&span),
                    position: place.position,
                    placement: match placement {
                        granit_parser::Placement::Right => Placement::Right,
                        _ => Placement::Above,
                    },
                };
                self.comment(comment)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let properties = self.properties(tag.as_deref(), &span, anchor, events);
                let content = self.scalar(&text, style, &span);
                self.cover(&span.end);
                let node = self.place_scalar(before, &properties, &content, place, self.range(&span));
                let bytes = text.len();
                let node = properties.make(node, content);
                self.start_node(&node, None)?;
                self.complete(
                    node,
                    Expanded {
                        nodes: 1,
                        bytes,
                        depth: 0,
                    },
                );
            }
            Event::Alias(id) => {
                let node = Properties::default()
                    .make((self.range(&span), place.position), Content::Alias(AnchorId(id)));
                self.start_node(&node, None)?;
                let expanded = self.expand(id, place.position)?;
                self.complete(node, expanded);
            }
            Event::SequenceStart(style, anchor, tag) => {
                let properties = self.properties(tag.as_deref(), &span, anchor, events);
                let style = collection_style(style);
                let start = match style {
                    CollectionStyle::Block => self.first_dash(before, &properties, place),
                    CollectionStyle::Flow => place,
                };
                let content = Content::Sequence {
                    items: Vec::new(),
                    style,
                };
                self.open_collection(properties, content, start)?;
                if style == CollectionStyle::Block {
                    self.cover_to(start.offset.saturating_add(1));
                }
            }
            Event::MappingStart(style, anchor, tag) => {
                let properties = self.properties(tag.as_deref(), &span, anchor, events);
                let content = Content::Mapping {
                    entries: Vec::new(),
                    style: collection_style(style),
                };
                self.open_collection(properties, content, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close_collection(self.range(&span)),
            // An alias without an anchor is an error of the parser's already; other events do not exist yet.
            _ => {
                return Err(ParseError::Yaml {
                    position: place.position,
                    problem: "unsupported construct".to_owned(),
                });
            }
        }
        self.cover(&span.end);
        Ok(())
    }

    fn start_document(&mut self, position: Position) -> Result<(), ParseError> {
        if self.documents.len() >= self.limits.max_documents {
            return Err(ParseError::TooManyDocuments {
                position,
                limit: self.limits.max_documents,
            });
        }
        self.anchors.clear();
        self.document = Some(Document {
            root: None,
            position,
            comments: Vec::new(),
        });
        Ok(())
    }

    fn end_document(&mut self) {
        if let Some(mut document) = self.document.take() {
            document.comments.extend(self.pending.take_all());
            document.comments.sort_by_key(|comment| comment.span.start);
            self.documents.push(document);
        }
    }

    /// Gives a comment to the collection it is in, or keeps it until that is known.
    fn comment(&mut self, comment: Comment) -> Result<(), ParseError> {
        self.count(comment.position)?;
        match (self.open.last_mut(), comment.placement) {
            (Some(collection), Placement::Right) => collection.node.comments.push(comment),
            (Some(collection), Placement::Above) if collection.is_flow() => {
                collection.node.comments.push(comment);
            }
            _ => self.pending.push(comment),
        }
        Ok(())
    }

    /// What every node goes through before it is attached; `column` is that of a block collection.
    fn start_node(&mut self, node: &Node, column: Option<u32>) -> Result<(), ParseError> {
        self.count(node.position)?;
        let is_key = self.open.last().is_some_and(Collection::awaits_block_key);
        if is_key || column.is_some() {
            self.check_indentation(node.span.start, node.position)?;
        }
        if let Some(anchor) = &node.anchor {
            self.anchors.insert(anchor.id.0, AnchorState::Open);
        }
        // The comments above a node that is as far to the right as they are, or further to the left, are its own if it
        // is a collection with entries at their column, and its parent's if not.
        let parent = self.open.last_mut().map(|parent| &mut parent.node.comments);
        match (parent, column) {
            (Some(parent), None) => parent.extend(self.pending.take_all()),
            (Some(parent), Some(column)) => parent.extend(self.pending.take_left_of(column)),
            (None, None) => {}
            (None, Some(column)) => {
                let outside = self.pending.take_left_of(column);
                if let Some(document) = &mut self.document {
                    document.comments.extend(outside);
                }
            }
        }
        Ok(())
    }

    fn open_collection(
        &mut self,
        properties: Properties,
        content: Content,
        start: Place,
    ) -> Result<(), ParseError> {
        let limit = self.limits.depth();
        let flow = matches!(
            content,
            Content::Sequence {
                style: CollectionStyle::Flow,
                ..
            } | Content::Mapping {
                style: CollectionStyle::Flow,
                ..
            }
        );
        let node = properties.make((start.offset..start.offset, start.position), content);
        if self.open.len() >= limit {
            return Err(ParseError::TooDeep {
                position: node.position,
                limit,
            });
        }
        let column = start.position.column;
        self.start_node(&node, (!flow).then_some(column))?;
        let mut collection = Collection {
            column,
            key: None,
            end: start.offset,
            expanded: Expanded {
                nodes: 1,
                bytes: 0,
                depth: 1,
            },
            node,
        };
        if !flow {
            collection.node.comments.extend(self.pending.take_all());
        }
        self.open.push(collection);
        Ok(())
    }

    fn close_collection(&mut self, end: Range<usize>) {
        let Some(mut collection) = self.open.pop() else {
            return;
        };
        if collection.is_flow() {
            collection.node.span.end = end.end;
        } else {
            collection.node.span.end = collection.end;
            let own = match self.open.last() {
                // The items of a list may be as far left as the keys around it: then a comment there is about the
                // next key.
                Some(parent) if parent.column == collection.column && !parent.is_flow() => {
                    collection.column.saturating_add(1)
                }
                _ => collection.column,
            };
            let own = self.pending.take_from(own);
            collection.node.comments.extend(own);
        }
        collection.node.comments.sort_by_key(|comment| comment.span.start);
        self.complete(collection.node, collection.expanded);
    }

    /// Attaches a node whose end has come.
    fn complete(&mut self, node: Node, expanded: Expanded) {
        if let Some(anchor) = &node.anchor {
            self.anchors.insert(anchor.id.0, AnchorState::Complete(expanded));
        }
        match self.open.last_mut() {
            Some(parent) => parent.add(node, expanded),
            None => {
                if let Some(document) = &mut self.document {
                    document.root = Some(node).filter(|node| !node.is_absent());
                }
            }
        }
    }

    /// What an alias stands for.
    fn expand(&mut self, id: usize, position: Position) -> Result<Expanded, ParseError> {
        let Some(AnchorState::Complete(target)) = self.anchors.get(&id) else {
            return Err(ParseError::RecursiveAlias { position });
        };
        let limit = self.limits.depth();
        if self.open.len().saturating_add(target.depth) > limit {
            return Err(ParseError::TooDeep { position, limit });
        }
        let sum = &mut self.through_aliases;
        sum.nodes = sum.nodes.saturating_add(target.nodes);
        sum.bytes = sum.bytes.saturating_add(target.bytes);
        if sum.nodes > self.limits.max_alias_nodes || sum.bytes > self.limits.max_bytes {
            return Err(ParseError::TooMuchAliasing {
                position,
                limit_nodes: self.limits.max_alias_nodes,
                limit_bytes: self.limits.max_bytes,
            });
        }
        Ok(*target)
    }

    /// Refuses an entry with a tab before it on its line.
    fn check_indentation(&self, start: usize, position: Position) -> Result<(), ParseError> {
        let before = self.text.get(..start).unwrap_or_default();
        let mut line = before
            .chars()
            .rev()
            .take_while(|character| !matches!(character, '\n' | '\r'));
        if line.any(|character| character == '\t') {
            return Err(ParseError::TabIndentation { position });
        }
        Ok(())
    }

    fn count(&mut self, position: Position) -> Result<(), ParseError> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > self.limits.max_nodes {
            return Err(ParseError::TooManyNodes {
                position,
                limit: self.limits.max_nodes,
            });
        }
        Ok(())
    }

    /// The tag and the anchor of the node whose event was the last one.
    fn properties(
        &self,
        tag: Option<&granit_parser::Tag>,
        span: &Span,
        anchor: usize,
        events: &mut Events<'text>,
    ) -> Properties {
        let mut properties = Properties::default();
        if let (Some(tag), Some(tag_span)) = (tag, span.tag_span()) {
            properties.start(self.place(&tag_span.start));
            properties.tag = Some(Tag {
                name: tag_name(tag),
                span: self.range(&tag_span),
            });
        }
        if anchor != 0
            && let Some(Ok((Event::Anchor(id, name), anchor_span))) =
                events.next_if(|next| matches!(next, Ok((Event::Anchor(..), _))))
        {
            properties.start(self.place(&anchor_span.start));
            properties.anchor = Some(Anchor {
                id: AnchorId(id),
                name: name.into_owned(),
                span: self.range(&anchor_span),
            });
        }
        properties
    }

    fn scalar(&self, text: &Cow<'text, str>, style: granit_parser::ScalarStyle, span: &Span) -> Content {
        let style = match style {
            granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
            granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::SingleQuoted,
            granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::DoubleQuoted,
            granit_parser::ScalarStyle::Literal => ScalarStyle::Literal,
            granit_parser::ScalarStyle::Folded => ScalarStyle::Folded,
        };
        // The parser gives `~` for what is left out.
        let left_out = style == ScalarStyle::Plain && self.range(span).is_empty();
        let text = if left_out {
            String::new()
        } else {
            text.as_ref().to_owned()
        };
        Content::Scalar { text, style }
    }

    /// The range of a scalar without its properties. The parser gives the content of a block scalar without its
    /// header, and for a value that is left out the end of its key.
    fn place_scalar(
        &self,
        before: Place,
        properties: &Properties,
        content: &Content,
        place: Place,
        range: Range<usize>,
    ) -> (Range<usize>, Position) {
        let Content::Scalar { style, .. } = content else {
            return (range, place.position);
        };
        let from = properties.end(before, self);
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let header = self.skip_to(from, &['|', '>']).unwrap_or(place);
                (
                    header.offset..self.block_scalar_end(header.offset, range.end),
                    header.position,
                )
            }
            ScalarStyle::Plain if range.is_empty() && properties.is_empty() => {
                let is_value = self.open.last().is_some_and(|parent| parent.key.is_some());
                let colon = if is_value {
                    self.skip_to(from, &[':'])
                } else {
                    None
                };
                let after = colon.map(|colon| colon.after(":"));
                let place = after.filter(|after| after.offset > place.offset).unwrap_or(place);
                (place.offset..place.offset, place.position)
            }
            _ => (range, place.position),
        }
    }

    /// The end of the last line of a block scalar that is not blank.
    fn block_scalar_end(&self, header: usize, limit: usize) -> usize {
        let header_end = self.line_end(header);
        let limit = limit.max(header_end);
        let written = self.text.get(header..limit).unwrap_or_default();
        let last = header.saturating_add(written.trim_end_matches([' ', '\t', '\r', '\n']).len());
        self.line_end(last.max(header)).min(limit)
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        from.saturating_add(rest.find(['\r', '\n']).unwrap_or(rest.len()))
    }

    /// Where the first `-` of a list is: the parser says so, except for a list that is no further to the right than
    /// the key it belongs to, where it gives the first item.
    fn first_dash(&self, before: Place, properties: &Properties, place: Place) -> Place {
        let in_map = self
            .open
            .last()
            .is_some_and(|parent| matches!(parent.node.content, Content::Mapping { .. }));
        if in_map {
            self.skip_to(properties.end(before, self), &['-'])
                .unwrap_or(place)
        } else {
            place
        }
    }

    /// The first of `wanted` after a place, with only space, comments and indicators before it.
    fn skip_to(&self, from: Place, wanted: &[char]) -> Option<Place> {
        let rest = self.text.get(from.offset..)?;
        let mut in_comment = false;
        let mut previous = ' ';
        for (offset, character) in rest.char_indices() {
            let space = matches!(previous, ' ' | '\t' | '\r' | '\n');
            match character {
                '\r' | '\n' => in_comment = false,
                _ if in_comment => {}
                '#' if space => in_comment = true,
                _ if wanted.contains(&character) => {
                    let passed = rest.get(..offset)?;
                    return Some(from.after(passed));
                }
                ' ' | '\t' | ':' | '?' | '-' | ',' => {}
                _ => return None,
            }
            previous = character;
        }
        None
    }

    fn cover(&mut self, end: &Marker) {
        let place = self.place(end);
        if place.offset > self.covered.offset {
            self.covered = place;
        }
    }

    fn cover_to(&mut self, offset: usize) {
        if let Some(passed) = self.text.get(self.covered.offset..offset) {
            self.covered = self.covered.after(passed);
        }
    }

    fn place(&self, marker: &Marker) -> Place {
        Place {
            offset: marker.byte_offset().unwrap_or(self.text.len()),
            position: position(marker),
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        self.place(&span.start).offset..self.place(&span.end).offset
    }

    fn scan_error(&self, error: &ScanError) -> ParseError {
        let position = position(error.marker());
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => ParseError::TooDeep {
                position,
                limit: self.limits.depth(),
            },
            ErrorKind::TooManyComments => ParseError::TooManyNodes {
                position,
                limit: self.limits.max_nodes,
            },
            // The parser's own words quote the character, which may be part of a secret.
            ErrorKind::UnexpectedCharacter { .. } => ParseError::Yaml {
                position,
                problem: "unexpected character".to_owned(),
            },
            kind => ParseError::Yaml {
                position,
                problem: kind.to_string(),
            },
        }
    }
}

impl Place {
    fn after(self, passed: &str) -> Self {
        Self {
            offset: self.offset.saturating_add(passed.len()),
            position: self.position.after(passed),
        }
    }
}

impl Collection {
    fn is_flow(&self) -> bool {
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
    fn awaits_block_key(&self) -> bool {
        let block = matches!(
            self.node.content,
            Content::Mapping {
                style: CollectionStyle::Block,
                ..
            }
        );
        block && self.key.is_none()
    }

    fn add(&mut self, child: Node, expanded: Expanded) {
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

impl Node {
    /// Whether nothing at all is written here.
    fn is_absent(&self) -> bool {
        self.span.is_empty() && self.tag.is_none() && self.anchor.is_none()
    }
}

/// The tag and anchor before a node.
#[derive(Default)]
struct Properties {
    tag: Option<Tag>,
    anchor: Option<Anchor>,
    start: Option<Place>,
}

impl Properties {
    fn is_empty(&self) -> bool {
        self.tag.is_none() && self.anchor.is_none()
    }

    fn start(&mut self, place: Place) {
        if self.start.is_none_or(|start| place.offset < start.offset) {
            self.start = Some(place);
        }
    }

    /// Where they end, or `before` if there are none.
    fn end(&self, before: Place, builder: &Builder<'_>) -> Place {
        let tag = self.tag.as_ref().map_or(0, |tag| tag.span.end);
        let anchor = self.anchor.as_ref().map_or(0, |anchor| anchor.span.end);
        let Some(start) = self.start else { return before };
        builder
            .text
            .get(start.offset..tag.max(anchor))
            .map_or(before, |passed| start.after(passed))
    }

    fn make(self, (range, position): (Range<usize>, Position), content: Content) -> Node {
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

fn position(marker: &Marker) -> Position {
    let count = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position {
        line: count(marker.line()),
        column: count(marker.col().saturating_add(1)),
    }
}

fn collection_style(style: StructureStyle) -> CollectionStyle {
    match style {
        StructureStyle::Block => CollectionStyle::Block,
        StructureStyle::Flow => CollectionStyle::Flow,
    }
}

fn tag_name(tag: &granit_parser::Tag) -> String {
    let full = tag.to_string();
    match full.strip_prefix("tag:yaml.org,2002:") {
        Some(core) => format!("!!{core}"),
        None => full,
    }
}
