//! From parser events to the tree.

use std::collections::HashMap;
use std::iter::Peekable;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScanError, Span, StrInput, StructureStyle};

use super::collection::{Collection, Expanded};
use super::comments::PendingComments;
use super::layout::{Layout, Place, position};
use super::properties::Properties;
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
    layout: Layout<'text>,
    limits: &'text Limits,
    documents: Vec<Document>,
    document: Option<Document>,
    open: Vec<Collection>,
    anchors: HashMap<usize, AnchorState>,
    pending: PendingComments,
    nodes: usize,
    through_aliases: Expanded,
    /// The end of the last token that is no indicator: before the next one there are only spaces, comments and
    /// indicators.
    covered: Place,
}

enum AnchorState {
    Open,
    Complete(Expanded),
}

impl<'text> Builder<'text> {
    fn new(text: &'text str, limits: &'text Limits) -> Self {
        Self {
            layout: Layout::new(text),
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
        let is_content = !matches!(event, Event::Comment(..) | Event::DocumentStart(false, _));
        let place = self.layout.place(&span.start);
        match event {
            Event::StreamStart | Event::StreamEnd | Event::Anchor(..) => {}
            Event::DocumentStart(..) => self.start_document(place.position)?,
            Event::DocumentEnd => self.end_document(),
            Event::Comment(text, placement) => {
                let comment = Comment {
                    text: text.into_owned(),
                    span: self.layout.range(&span),
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
                let node = self.place_scalar(before, &properties, &content, place, self.layout.range(&span));
                let bytes = text.len();
                let node = properties.make(node, content);
                self.start_node(&node, None)?;
                self.cover_to(node.span.end);
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
                let node = Properties::default().make(
                    (self.layout.range(&span), place.position),
                    Content::Alias(AnchorId(id)),
                );
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
                self.cover_to(properties.end(before, self.layout).offset);
                self.open_collection(properties, content, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close_collection(self.layout.range(&span)),
            // An alias without an anchor is an error of the parser's already; other events do not exist yet.
            _ => {
                return Err(ParseError::Yaml {
                    position: place.position,
                    problem: "unsupported construct".to_owned(),
                });
            }
        }
        // Ends have an empty range anywhere up to the next token; a document without `---` starts behind the header
        // of a block scalar.
        if is_content && !self.layout.range(&span).is_empty() {
            self.cover(&span.end);
        }
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
        if (is_key || column.is_some()) && self.layout.is_after_tab(node.span.start) {
            return Err(ParseError::TabIndentation {
                position: node.position,
            });
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
            // A comment behind the first `-` comes before the parser says that a list starts.
            if let Some(parent) = self.open.last_mut() {
                while let Some(comment) = parent.node.comments.pop_if(|last| last.span.start > start.offset) {
                    collection.node.comments.push(comment);
                }
            }
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
            properties.start(self.layout.place(&tag_span.start));
            properties.tag = Some(Tag {
                name: tag_name(tag),
                span: self.layout.range(&tag_span),
            });
        }
        if anchor != 0
            && let Some(Ok((Event::Anchor(id, name), anchor_span))) =
                events.next_if(|next| matches!(next, Ok((Event::Anchor(..), _))))
        {
            properties.start(self.layout.place(&anchor_span.start));
            properties.anchor = Some(Anchor {
                id: AnchorId(id),
                name: name.into_owned(),
                span: self.layout.range(&anchor_span),
            });
        }
        properties
    }

    fn scalar(&self, text: &str, style: granit_parser::ScalarStyle, span: &Span) -> Content {
        let style = match style {
            granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
            granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::SingleQuoted,
            granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::DoubleQuoted,
            granit_parser::ScalarStyle::Literal => ScalarStyle::Literal,
            granit_parser::ScalarStyle::Folded => ScalarStyle::Folded,
        };
        // The parser gives `~` for what is left out.
        let left_out = style == ScalarStyle::Plain && self.layout.range(span).is_empty();
        let text = if left_out { String::new() } else { text.to_owned() };
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
        let from = properties.end(before, self.layout);
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let header = self
                    .layout
                    .skip_to(from, &['|', '>'], &[':', '?', '-'])
                    .unwrap_or(place);
                (
                    header.offset..self.layout.block_scalar_end(header.offset, range.end),
                    header.position,
                )
            }
            ScalarStyle::Plain if range.is_empty() && properties.is_empty() => {
                let place = self.place_absent(from, place);
                (place.offset..place.offset, place.position)
            }
            _ => (range, place.position),
        }
    }

    /// Where something that is left out would be: behind the indicator that calls for it.
    fn place_absent(&self, from: Place, place: Place) -> Place {
        let find = |indicator: char| {
            let found = self.layout.skip_to(from, &[indicator], &[]);
            found.map(|found| found.after(indicator.encode_utf8(&mut [0; 4])))
        };
        let before_place = |after: &Place| after.offset <= place.offset;
        match self
            .open
            .last()
            .map(|parent| (&parent.node.content, parent.key.is_some()))
        {
            Some((Content::Mapping { .. }, true)) => find(':').unwrap_or(from),
            Some((Content::Sequence { .. }, _)) => find('-').filter(before_place).unwrap_or(from),
            _ => place,
        }
    }

    /// Where the first `-` of a list is: the parser says so, except for a list that is no further to the right than
    /// the key it belongs to, where it gives the first item.
    fn first_dash(&self, before: Place, properties: &Properties, place: Place) -> Place {
        let in_map = self
            .open
            .last()
            .is_some_and(|parent| matches!(parent.node.content, Content::Mapping { .. }));
        let from = properties.end(before, self.layout);
        let dash = if in_map {
            self.layout.skip_to(from, &['-'], &[':', '?'])
        } else {
            None
        };
        dash.unwrap_or(place)
    }

    fn cover(&mut self, end: &Marker) {
        let place = self.layout.place(end);
        if place.offset > self.covered.offset {
            self.covered = place;
        }
    }

    fn cover_to(&mut self, offset: usize) {
        self.covered = self.covered.after(self.layout.slice(self.covered.offset..offset));
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

impl Node {
    /// Whether nothing at all is written here.
    fn is_absent(&self) -> bool {
        self.span.is_empty() && self.tag.is_none() && self.anchor.is_none()
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
