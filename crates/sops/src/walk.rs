//! The order in which sops visits values (`walkBranch` and `walkSlice` in sops.go), and what it knows of each.

use std::collections::{HashMap, HashSet};

use manifest_yaml::syntax::{AnchorId, Anchors, CollectionStyle, Comment, Content, Document, Node};
use manifest_yaml::{Position, Schema, resolve_scalar};

use crate::error::StructureError;
use crate::format::{Format, Tree};
use crate::key_path::{KeyPath, PathStep};
use crate::marks::{Attached, Attachment, Marks};
use crate::rule::{Rule, Scope};

/// What is done with the values and comments of a file, in the order of the file.
pub(crate) trait Visitor<'a> {
    type Error: From<StructureError>;

    /// A scalar, null included.
    fn scalar(&mut self, leaf: &Leaf<'a, '_>) -> Result<(), Self::Error>;

    /// A comment of a map or a list that no alias refers to.
    fn comment(&mut self, comment: &'a Comment, place: &Place<'a>) -> Result<(), Self::Error>;

    /// A comment that decides what is sealed, where sops may take it for one of something else.
    fn ambiguous_comment(&mut self, _: &'a Comment) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// A scalar and what decides about it.
pub(crate) struct Leaf<'a, 'walk> {
    pub(crate) node: &'a Node,
    pub(crate) place: &'walk Place<'a>,
    pub(crate) parent: Parent<'a>,
}

/// What a scalar is in.
#[derive(Clone, Copy)]
pub(crate) enum Parent<'a> {
    /// A map, under this key.
    Map(&'a Node),
    /// This list.
    List(&'a Node),
}

/// Where the walk is.
pub(crate) struct Place<'a> {
    steps: Vec<Step<'a>>,
    /// The map keys above, each followed by a colon: what a value is authenticated with. List indexes do not count.
    prefix: String,
    /// Whether the values here are sealed.
    pub(crate) scope: Scope,
    /// Whether the node here is also elsewhere, by an alias.
    sharing: Sharing,
    /// Flow if any collection around is written so: there, only flow forms can be written.
    layout: CollectionStyle,
}

/// A step from the root, borrowed from the text.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Whether a node is at one place only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// It is written here, and nowhere referred to.
    Own,
    /// It is reached through an alias, or an alias refers to it.
    Shared,
}

impl Place<'_> {
    /// The additional data that a value here is authenticated with; `:` at the top.
    pub(crate) fn associated_data(&self) -> &str {
        if self.prefix.is_empty() { ":" } else { &self.prefix }
    }

    /// The same for this place and then for the maps around it, up to the top.
    pub(crate) fn associated_data_upwards(&self) -> impl Iterator<Item = &str> {
        let keys = self.steps.iter().rev().filter_map(|step| match step {
            Step::Key(key) => Some(key.len() + 1),
            Step::Index(_) => None,
        });
        let ends = keys.scan(self.prefix.len(), |end, length| {
            *end = end.saturating_sub(length);
            Some(*end)
        });
        std::iter::once(self.prefix.len())
            .chain(ends)
            .map(|end| match self.prefix.get(..end) {
                None | Some("") => ":",
                Some(prefix) => prefix,
            })
    }

    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    pub(crate) fn sharing(&self) -> Sharing {
        self.sharing
    }

    pub(crate) fn layout(&self) -> CollectionStyle {
        self.layout
    }

    pub(crate) fn path(&self) -> KeyPath {
        key_path(&self.steps)
    }
}

/// The steps as an error names them.
pub(crate) fn key_path(steps: &[Step<'_>]) -> KeyPath {
    steps
        .iter()
        .map(|step| match step {
            Step::Key(key) => PathStep::Key((*key).to_owned()),
            Step::Index(index) => PathStep::Index(*index),
        })
        .collect()
}

/// Visits all documents, without their `sops` entries.
pub(crate) fn walk<'a, V: Visitor<'a>>(tree: &'a Tree, rule: &Rule, visitor: &mut V) -> Result<(), V::Error> {
    let mut place = Place {
        steps: Vec::new(),
        prefix: String::new(),
        scope: rule.scope_without_match(),
        sharing: Sharing::Own,
        layout: CollectionStyle::Block,
    };
    for (index, document) in tree.documents().iter().enumerate() {
        let mut walk = Walk {
            tree,
            document: index,
            marks: Marks::new(rule),
            anchors: document.anchors(),
            referred: referred_anchors(document),
            rule,
            visitor,
        };
        walk.comments_outside(&document.comments, &place)?;
        if let Some(root) = &document.root {
            walk.root(root, &mut place)?;
        }
    }
    for comment in tree.comments() {
        visitor.comment(comment, &place)?;
    }
    Ok(())
}

/// The anchors of a document that an alias refers to.
fn referred_anchors(document: &Document) -> HashSet<AnchorId> {
    let mut referred = HashSet::new();
    let mut pending: Vec<&Node> = document.root.iter().collect();
    while let Some(node) = pending.pop() {
        match &node.content {
            Content::Alias(id) => {
                referred.insert(*id);
            }
            Content::Sequence { items, .. } => pending.extend(items),
            Content::Mapping { entries, .. } => {
                pending.extend(entries.iter().flat_map(|(key, value)| [key, value]));
            }
            Content::Scalar { .. } => {}
        }
    }
    referred
}

struct Walk<'a, 'walk, V> {
    tree: &'a Tree,
    /// Which document it is in, from 0.
    document: usize,
    marks: Marks<'walk>,
    anchors: Anchors<'a>,
    referred: HashSet<AnchorId>,
    rule: &'walk Rule,
    visitor: &'walk mut V,
}

impl<'a, V: Visitor<'a>> Walk<'a, '_, V> {
    /// The root of a document: a map, or nothing.
    fn root(&mut self, root: &'a Node, place: &mut Place<'a>) -> Result<(), V::Error> {
        let Content::Mapping { entries, .. } = &root.content else {
            return if is_null(root) {
                Ok(())
            } else {
                Err(StructureError::NotMap {
                    position: root.position,
                }
                .into())
            };
        };
        self.enter(root, place, |walk, place| {
            walk.entries(root, entries, place, Level::Root)
        })
    }

    fn node(&mut self, node: &'a Node, place: &mut Place<'a>, parent: Parent<'a>) -> Result<(), V::Error> {
        self.enter(node, place, |walk, place| {
            let target = walk.anchors.follow(node).ok_or(StructureError::DanglingAlias {
                position: node.position,
            })?;
            match &target.content {
                Content::Sequence { items, .. } => walk.items(target, items, place),
                Content::Mapping { entries, .. } => walk.entries(target, entries, place, Level::Nested),
                Content::Scalar { .. } => walk.visitor.scalar(&Leaf {
                    node: target,
                    place,
                    parent,
                }),
                Content::Alias(_) => Err(StructureError::DanglingAlias {
                    position: node.position,
                }
                .into()),
            }
        })
    }

    /// Marks the place while it is at a node: as shared, if the node is an alias or an alias refers to it, and as flow.
    fn enter(
        &mut self,
        node: &'a Node,
        place: &mut Place<'a>,
        visit: impl FnOnce(&mut Self, &mut Place<'a>) -> Result<(), V::Error>,
    ) -> Result<(), V::Error> {
        let outer = (place.sharing, place.layout);
        let is_referred = node
            .anchor
            .as_ref()
            .is_some_and(|anchor| self.referred.contains(&anchor.id));
        if is_referred || matches!(node.content, Content::Alias(_)) {
            place.sharing = Sharing::Shared;
        }
        if let Content::Sequence { style, .. } | Content::Mapping { style, .. } = &node.content
            && *style == CollectionStyle::Flow
        {
            place.layout = CollectionStyle::Flow;
        }
        visit(self, place)?;
        (place.sharing, place.layout) = outer;
        Ok(())
    }

    fn items(&mut self, list: &'a Node, items: &'a [Node], place: &mut Place<'a>) -> Result<(), V::Error> {
        self.marks.open();
        let mut comments = Attached::new(self.tree.format(), list);
        for (index, item) in items.iter().enumerate() {
            let next = items.get(index + 1).map(|next| next.span.start);
            self.comments(comments.of(item.span.start, item, next), place)?;
            place.steps.push(Step::Index(index));
            self.node(item, place, Parent::List(list))?;
            place.steps.pop();
            self.marks.clear(place);
        }
        self.comments(comments.rest(), place)?;
        self.marks.close(place);
        Ok(())
    }

    fn entries(
        &mut self,
        map: &'a Node,
        entries: &'a [(Node, Node)],
        place: &mut Place<'a>,
        level: Level,
    ) -> Result<(), V::Error> {
        let mut seen: HashMap<&str, Position> = HashMap::with_capacity(entries.len());
        self.marks.open();
        let mut comments = if level == Level::Root && self.document > 0 {
            Attached::of_later_document(self.tree.format(), map)
        } else {
            Attached::new(self.tree.format(), map)
        };
        for (index, (key, value)) in entries.iter().enumerate() {
            let next = entries.get(index + 1).map(|(next, _)| next.span.start);
            self.comments(comments.of(key.span.start, value, next), place)?;
            let text = key_text(key).ok_or_else(|| StructureError::UnsupportedKey {
                position: key.position,
                path: place.path(),
            })?;
            let (outer_scope, outer_prefix) = (place.scope, place.prefix.len());
            place.steps.push(Step::Key(text));
            let is_block = level == Level::Root && self.tree.is_block_key(key);
            // Sections of ini files may repeat, as in the configuration of WireGuard; the block may not.
            let may_repeat = level == Level::Root && self.tree.format() == Format::Ini && !is_block;
            if let Some(first) = seen.insert(text, key.position)
                && !may_repeat
            {
                return Err(StructureError::DuplicateKey {
                    position: key.position,
                    path: place.path(),
                    first,
                }
                .into());
            }
            if !is_block {
                place.prefix.push_str(text);
                place.prefix.push(':');
                if self.rule.matches(text) {
                    place.scope = self.rule.scope_with_match();
                }
                self.node(value, place, Parent::Map(key))?;
                place.prefix.truncate(outer_prefix);
                place.scope = outer_scope;
            }
            place.steps.pop();
            self.marks.clear(place);
        }
        self.comments(comments.rest(), place)?;
        self.marks.close(place);
        Ok(())
    }

    /// The comments before something, which may decide its scope.
    fn comments(
        &mut self,
        comments: Vec<(&'a Comment, Attachment)>,
        place: &mut Place<'a>,
    ) -> Result<(), V::Error> {
        for (comment, attachment) in comments {
            let scope = self.marks.mark(comment, place);
            if attachment == Attachment::Ambiguous && self.marks.is_mark(comment) {
                self.visitor.ambiguous_comment(comment)?;
            }
            if place.sharing == Sharing::Own {
                let scope_of_values = std::mem::replace(&mut place.scope, scope);
                self.visitor.comment(comment, place)?;
                place.scope = scope_of_values;
            }
        }
        Ok(())
    }

    /// The comments of a document that are in no collection of it.
    fn comments_outside(&mut self, comments: &'a [Comment], place: &Place<'a>) -> Result<(), V::Error> {
        for comment in comments {
            if self.marks.is_mark(comment) {
                self.visitor.ambiguous_comment(comment)?;
            }
            self.visitor.comment(comment, place)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Nested,
}

/// Whether a document's content is null, as in `---` followed by nothing or by `~`.
pub(crate) fn is_null(node: &Node) -> bool {
    match &node.content {
        Content::Scalar { text, style } => matches!(
            resolve_scalar(Schema::GoYamlV3, text, *style, node.tag.as_ref()),
            Ok(manifest_yaml::Scalar::Null)
        ),
        _ => false,
    }
}

/// The text of a key that is a string.
fn key_text(key: &Node) -> Option<&str> {
    let Content::Scalar { text, style } = &key.content else {
        return None;
    };
    match resolve_scalar(Schema::GoYamlV3, text, *style, key.tag.as_ref()) {
        // A key under `!!binary` is another string than the one that is written.
        Ok(manifest_yaml::Scalar::String(resolved)) if resolved == text.as_str() => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use manifest_yaml::Limits;

    use super::*;
    use crate::go_regex::GoRegex;

    #[derive(Default)]
    struct Record(Vec<String>);

    impl<'a> Visitor<'a> for Record {
        type Error = StructureError;

        fn scalar(&mut self, leaf: &Leaf<'a, '_>) -> Result<(), StructureError> {
            let sharing = if leaf.place.sharing() == Sharing::Shared {
                " shared"
            } else {
                ""
            };
            self.0.push(format!(
                "{} {} {:?}{sharing}",
                leaf.place.path(),
                leaf.place.associated_data(),
                leaf.place.scope()
            ));
            Ok(())
        }

        fn comment(&mut self, comment: &'a Comment, place: &Place<'a>) -> Result<(), StructureError> {
            self.0.push(format!(
                "#{} {} {:?}",
                comment.text,
                place.associated_data(),
                place.scope()
            ));
            Ok(())
        }
    }

    fn record(rule: &Rule, text: &str) -> Result<Vec<String>, StructureError> {
        let tree = Format::Yaml.parse(text, &Limits::default()).unwrap();
        let mut visitor = Record::default();
        walk(&tree, rule, &mut visitor)?;
        Ok(visitor.0)
    }

    #[test]
    fn knows_path_additional_data_and_scope() {
        let text =
            "a:\n  b: [x, [y]]\n  'c:d': z\nsops: {mac: m}\nn: {sops: s}\n---\ndata_unencrypted: {k: v}\n";
        assert_eq!(
            record(&Rule::default(), text).unwrap(),
            [
                "a.b[0] a:b: Sealed",
                "a.b[1][0] a:b: Sealed",
                "a[\"c:d\"] a:c:d: Sealed",
                "n.sops n:sops: Sealed",
                "data_unencrypted.k data_unencrypted:k: Clear",
            ]
        );
        let rule = Rule::EncryptedRegex(GoRegex::parse("^data$").unwrap());
        assert_eq!(
            record(&rule, "data: {a: b}\nother: c\nx:\n  data: d\n").unwrap(),
            [
                "data.a data:a: Sealed",
                "other other: Clear",
                "x.data x:data: Sealed"
            ]
        );
    }

    #[test]
    fn comments_are_where_their_collection_is() {
        let rule = Rule::EncryptedRegex(GoRegex::parse("^data$").unwrap());
        assert_eq!(
            record(&rule, "#top\ndata:\n  #in\n  a: b #beside\n").unwrap(),
            [
                "#top : Clear",
                "#in data: Sealed",
                "#beside data: Sealed",
                "data.a data:a: Sealed"
            ]
        );
    }

    #[test]
    fn aliases_are_followed_and_marked() {
        assert_eq!(
            record(&Rule::default(), "a: &x {b: c}\nd: *x\ne: &unused f\n<<: *x\n").unwrap(),
            [
                "a.b a:b: Sealed shared",
                "d.b d:b: Sealed shared",
                "e e: Sealed",
                "[\"<<\"].b <<:b: Sealed shared",
            ]
        );
    }

    #[test]
    fn refuses_what_sops_cannot_walk() {
        let table = [
            (
                "- a\n",
                "failed to read the document at 1:1: only maps can be sealed",
            ),
            (
                "a\n",
                "failed to read the document at 1:1: only maps can be sealed",
            ),
            (
                "a: {1: x}\n",
                "failed to read the map a at 1:5: only strings can be keys",
            ),
            (
                "true: x\n",
                "failed to read the map . at 1:1: only strings can be keys",
            ),
            (
                "a: {[b]: x}\n",
                "failed to read the map a at 1:5: only strings can be keys",
            ),
            (
                "a: {b: 1, b: 2}\n",
                "failed to read a.b at 1:11: the key is already at 1:5",
            ),
            (
                "a: b\n---\nc: 1\n'c': 2\n",
                "failed to read c at 4:1: the key is already at 3:1",
            ),
            (
                "sops: 1\nsops: 2\n",
                "failed to read sops at 2:1: the key is already at 1:1",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(
                record(&Rule::default(), text).err().unwrap().to_string(),
                expected,
                "{text}"
            );
        }
        for empty in ["", "---\n", "--- ~\n", "null\n"] {
            assert!(record(&Rule::default(), empty).unwrap().is_empty(), "{empty}");
        }
    }
}
