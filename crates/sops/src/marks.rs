//! Rules by comments (`encrypted_comment_regex` and `unencrypted_comment_regex`): which comments stand for what.
//!
//! sops keeps the comments since the last item of every map and list around a value; one of them that matches decides
//! (`walkBranch` and `walkSlice` in sops.go). Which collection a comment is in, and what it is beside, sops takes from
//! go-yaml. Where that is not what everybody would say, a comment that matches is called ambiguous here.

use manifest_yaml::syntax::{CollectionStyle, Comment, Content, Node, Placement};

use crate::format::Format;
use crate::rule::{Rule, Scope};
use crate::walk::Place;

/// Whether comments that match stand before the place of the walk: one answer for every open map and list.
pub(crate) struct Marks<'a> {
    rule: &'a Rule,
    open: Vec<bool>,
}

/// Whether everybody agrees what a comment is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attachment {
    Clear,
    Ambiguous,
}

impl<'a> Marks<'a> {
    pub(crate) fn new(rule: &'a Rule) -> Self {
        Self {
            rule,
            open: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self) {
        self.open.push(false);
    }

    pub(crate) fn close(&mut self, place: &mut Place<'_>) {
        self.open.pop();
        self.set_scope(place);
    }

    /// Behind an item the comments above it count no more.
    pub(crate) fn clear(&mut self, place: &mut Place<'_>) {
        if let Some(innermost) = self.open.last_mut() {
            *innermost = false;
        }
        self.set_scope(place);
    }

    /// Whether a comment is one that decides.
    pub(crate) fn is_mark(&self, comment: &Comment) -> bool {
        self.rule
            .comment_regex()
            .is_some_and(|regex| regex.is_match(&comment.text))
    }

    /// Takes a comment in, and gives the scope of the comment itself: it is never sealed for its own sake.
    pub(crate) fn mark(&mut self, comment: &Comment, place: &mut Place<'_>) -> Scope {
        let scope_before = place.scope();
        if !self.is_mark(comment) {
            return scope_before;
        }
        if let Some(innermost) = self.open.last_mut() {
            *innermost = true;
        }
        self.set_scope(place);
        match self.rule {
            Rule::EncryptedCommentRegex(_) => scope_before,
            _ => place.scope(),
        }
    }

    fn set_scope(&self, place: &mut Place<'_>) {
        if self.rule.comment_regex().is_some() {
            place.scope = if self.open.contains(&true) {
                self.rule.scope_with_match()
            } else {
                self.rule.scope_without_match()
            };
        }
    }
}

/// The comments of a map or a list, to be taken item by item.
pub(crate) struct Attached<'a> {
    comments: &'a [Comment],
    /// Where a comment above an item starts; `None` where no comment is clear about what it stands for.
    column: Option<u32>,
    /// Where the last item ended.
    end: usize,
    /// Whether the last item may have taken the comments below it: a collection in a list, or a list in the column of
    /// its key. go-yaml gives them to its last entry now and then.
    may_have_taken: bool,
    is_list: bool,
    /// Whether comments above the next item have to be right above it: those at the start of a later document are of
    /// the document before if a blank line follows, or what go-yaml takes for one, the second half of a CRLF.
    is_after_document: bool,
}

impl<'a> Attached<'a> {
    /// The comments of the root of a document that is not the first one.
    pub(crate) fn of_later_document(format: Format, root: &'a Node) -> Self {
        Self {
            is_after_document: true,
            ..Self::new(format, root)
        }
    }

    pub(crate) fn new(format: Format, collection: &'a Node) -> Self {
        let (first, style) = match &collection.content {
            Content::Mapping { entries, style } => (entries.first().map(|(key, _)| key), *style),
            Content::Sequence { style, .. } => (None, *style),
            Content::Scalar { .. } | Content::Alias(_) => (None, CollectionStyle::Flow),
        };
        // In ini files sops puts the comments above a key below it.
        let is_clear = style == CollectionStyle::Block && format != Format::Ini;
        Self {
            comments: &collection.comments,
            column: is_clear.then_some(first.unwrap_or(collection).position.column),
            end: 0,
            may_have_taken: false,
            is_list: matches!(collection.content, Content::Sequence { .. }),
            is_after_document: false,
        }
    }

    /// The comments above an item, which starts at an offset, and those beside it; `next` is where the next one starts.
    pub(crate) fn of(
        &mut self,
        start: usize,
        value: &'a Node,
        next: Option<usize>,
    ) -> Vec<(&'a Comment, Attachment)> {
        let next = next.unwrap_or(usize::MAX);
        let is_own = |comment: &Comment| {
            let offset = comment.span.start;
            offset < start.max(value.span.end) || (comment.placement == Placement::Right && offset < next)
        };
        let count = self.comments.iter().take_while(|comment| is_own(comment)).count();
        let (own, rest) = self.comments.split_at_checked(count).unwrap_or_default();
        self.comments = rest;
        let is_glued = is_glued(own, start);
        let is_clear = |comment: &Comment| match comment.placement {
            Placement::Above => {
                self.is_clear_above(comment)
                    && comment.span.start < start
                    && (is_glued || !self.is_after_document)
            }
            Placement::Right => self.column.is_some() && is_clear_beside(comment, start, value),
        };
        let attached = own
            .iter()
            .map(|comment| (comment, Attachment::of(is_clear(comment))))
            .collect();
        self.end = value.span.end;
        self.is_after_document = false;
        self.may_have_taken = match value.content {
            Content::Sequence { .. } => self.is_list || Some(value.position.column) == self.column,
            Content::Mapping { .. } => self.is_list,
            Content::Scalar { .. } | Content::Alias(_) => false,
        };
        attached
    }

    /// The comments below the last item: about nothing, if sops does not take them for comments of what follows.
    pub(crate) fn rest(self) -> Vec<(&'a Comment, Attachment)> {
        let is_clear =
            |comment: &Comment| comment.placement == Placement::Above && self.is_clear_above(comment);
        self.comments
            .iter()
            .map(|comment| (comment, Attachment::of(is_clear(comment))))
            .collect()
    }

    fn is_clear_above(&self, comment: &Comment) -> bool {
        Some(comment.position.column) == self.column && comment.span.start >= self.end && !self.may_have_taken
    }
}

impl Attachment {
    fn of(is_clear: bool) -> Self {
        if is_clear { Self::Clear } else { Self::Ambiguous }
    }
}

/// Whether comments stand on the lines right above an item, with nothing but LF between.
fn is_glued(comments: &[Comment], start: usize) -> bool {
    let above = || comments.iter().filter(|comment| comment.span.start < start);
    let followers = above().skip(1).map(|next| next.span.start).chain([start]);
    above().zip(followers).all(|(comment, next)| {
        let indent = usize::try_from(comment.position.column).unwrap_or(usize::MAX);
        next.saturating_sub(comment.span.end) == indent
    })
}

/// Beside a scalar, or beside the key of a map or a list that starts on the next line. Beside a flow collection, sops
/// takes a comment for one of its first item.
fn is_clear_beside(comment: &Comment, start: usize, value: &Node) -> bool {
    match &value.content {
        Content::Scalar { .. } | Content::Alias(_) => comment.span.start >= value.span.start,
        Content::Mapping { style, .. } | Content::Sequence { style, .. } => {
            *style == CollectionStyle::Block && (start..value.span.start).contains(&comment.span.start)
        }
    }
}
