//! From a sealed text to the plain one: only what was sealed changes.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use manifest_yaml::syntax::{CollectionStyle, Content, Node, Stream, entry_extent};
use manifest_yaml::{Edit, Limits, splice};
use zeroize::Zeroizing;

use crate::data_key::DataKeySource;
use crate::error::OpenError;
use crate::format::Format;
use crate::metadata::SOPS_KEY;
use crate::plain_text::{self, Setting, line_break_of};
use crate::scalar::Kind;
use crate::unseal::{Comments, Unsealed, UnsealedComment, UnsealedLeaf, unseal};
use crate::walk::Parent;

/// Opens a sealed file as [`open`](crate::open()) does, and gives its text in plain: sealed values and comments are
/// replaced, the `sops` blocks are taken out, every other byte stays.
///
/// A sealed comment that stands for an item of a list becomes a comment again (in JSON it goes, as with sops). One that
/// does not fit its place stays sealed, since comments are not under the message authentication code.
pub fn decrypt(
    text: &str,
    format: Format,
    keys: &dyn DataKeySource,
    limits: &Limits,
) -> Result<Zeroizing<String>, OpenError> {
    let stream = format.parse(text, limits).map_err(OpenError::Parse)?;
    let unsealed = unseal(&stream, format, keys, Comments::Opened)?;
    let mut edits = block_edits(text, &stream);
    let blocks: Vec<Range<usize>> = edits.iter().map(|edit| edit.range.clone()).collect();
    let comments: BTreeMap<usize, &UnsealedComment> = unsealed
        .comments
        .iter()
        .filter(|comment| !comment.scalar.as_str().contains(['\n', '\r']))
        .filter(|comment| !blocks.iter().any(|block| block.contains(&comment.span.start)))
        .map(|comment| (comment.span.start, comment))
        .collect();
    let first_value = edits.len();
    for leaf in &unsealed.leaves {
        if leaf.scalar.kind() != Kind::Comment {
            edits.push(value_edit(text, format, leaf, &comments));
        }
    }
    // A value that took in the comment at the end of its line covers its place.
    let values: BTreeMap<usize, usize> = edits
        .iter()
        .skip(first_value)
        .map(|edit| (edit.range.start, edit.range.end))
        .collect();
    for (start, comment) in comments {
        let is_taken = values
            .range(..start)
            .next_back()
            .is_some_and(|(_, end)| *end > start);
        if !is_taken {
            edits.push(Edit {
                range: comment.span.clone(),
                replacement: commented(comment.scalar.as_str(), "", ""),
            });
        }
    }
    edits.extend(list_comment_edits(text, &unsealed));
    splice(text, edits).map_err(OpenError::Write)
}

/// Takes the `sops` entry out of every document.
fn block_edits(text: &str, stream: &Stream) -> Vec<Edit> {
    let mut edits = Vec::new();
    for document in stream.documents() {
        let Some(root) = &document.root else { continue };
        let Content::Mapping { entries, style } = &root.content else {
            continue;
        };
        let Some(index) = entries
            .iter()
            .position(|(key, _)| key.as_scalar() == Some(SOPS_KEY))
        else {
            continue;
        };
        let Some(range) = entry_extent(text, root, index) else {
            continue;
        };
        // A block map without entries has no form but this.
        let replacement = if entries.len() == 1 && *style == CollectionStyle::Block {
            format!("{{}}{}", line_break_of(text))
        } else {
            String::new()
        };
        edits.push(Edit {
            range,
            replacement: Zeroizing::new(replacement),
        });
    }
    edits
}

/// Puts a value in its place; one that becomes a block scalar takes the comment at the end of its line with it.
fn value_edit(
    text: &str,
    format: Format,
    leaf: &UnsealedLeaf<'_>,
    comments: &BTreeMap<usize, &UnsealedComment>,
) -> Edit {
    let parent = match leaf.parent {
        Parent::Map(key) => key,
        Parent::List(list) => list,
    };
    let parent_indent = usize::try_from(parent.position.column.saturating_sub(1)).unwrap_or(0);
    // Files are indented by two or by four; four is what sops writes.
    let step = if parent_indent > 0 && parent_indent.is_multiple_of(4) {
        4
    } else {
        2
    };
    let written_comment = comment_behind(text, leaf.node.span.end);
    let setting = Setting {
        format,
        layout: leaf.layout,
        indent: parent_indent + step,
        line_break: line_break_of(text),
        comment: written_comment
            .as_ref()
            .and_then(|range| match comments.get(&range.start) {
                Some(opened) => Some(opened.scalar.as_str()),
                None => text.get(range.start + 1..range.end),
            }),
    };
    let end = match written_comment {
        Some(range) if plain_text::is_block(&leaf.scalar, &setting) => range.end,
        _ => leaf.node.span.end,
    };
    Edit {
        range: leaf.node.span.start..end,
        replacement: plain_text::render(&leaf.scalar, &setting),
    }
}

/// The comment that follows a value on its line, `#` included.
fn comment_behind(text: &str, offset: usize) -> Option<Range<usize>> {
    let rest = text.get(offset..)?;
    let line = rest.get(..rest.find(['\n', '\r']).unwrap_or(rest.len()))?;
    let blanks = line.len() - line.trim_start().len();
    line.trim_start()
        .starts_with('#')
        .then(|| offset + blanks..offset + line.len())
}

/// Turns items that are sealed comments into comments, list by list.
fn list_comment_edits(text: &str, unsealed: &Unsealed<'_>) -> Vec<Edit> {
    let comments: Vec<&UnsealedLeaf<'_>> = unsealed
        .leaves
        .iter()
        .filter(|leaf| leaf.scalar.kind() == Kind::Comment)
        .collect();
    let positions: HashSet<usize> = comments.iter().map(|leaf| leaf.node.span.start).collect();
    let is_comment = |item: &Node| positions.contains(&item.span.start);
    let mut edits = Vec::new();
    let mut lists_done = HashSet::new();
    for leaf in &comments {
        let Parent::List(list) = leaf.parent else { continue };
        let items = list.as_items().unwrap_or_default();
        if leaf.layout == CollectionStyle::Block {
            let is_last = items.last().is_some_and(|last| std::ptr::eq(last, leaf.node));
            let is_emptied = is_last && items.iter().all(is_comment);
            edits.extend(block_comment_edit(text, leaf, is_emptied.then_some("[]")));
        } else if lists_done.insert(list.span.start) {
            edits.extend(flow_comment_edits(items, is_comment));
        }
    }
    edits
}

/// Replaces `- ENC[…]` by the comment, its indicator included; and by what is left of a list that has nothing else.
fn block_comment_edit(text: &str, leaf: &UnsealedLeaf<'_>, rest: Option<&str>) -> Option<Edit> {
    let before = text.get(..leaf.node.span.start)?;
    let indicator = before.trim_end().strip_suffix('-')?.len();
    let line_start = before
        .get(..indicator)?
        .rfind(['\n', '\r'])
        .map_or(0, |line_break| line_break + 1);
    let indent = " ".repeat(text.get(line_start..indicator)?.chars().count());
    let line_break = line_break_of(text);
    let mut replacement = commented(leaf.scalar.as_str(), line_break, &indent);
    if let Some(rest) = rest {
        // Deeper than the list, which may start at the column of its key.
        let line = format!("{line_break}{indent}  {rest}");
        let mut extended = Zeroizing::new(String::with_capacity(replacement.len() + line.len()));
        extended.push_str(&replacement);
        extended.push_str(&line);
        replacement = extended;
    }
    Some(Edit {
        range: indicator..leaf.node.span.end,
        replacement,
    })
}

/// Takes runs of items out of a flow list, with one comma each.
fn flow_comment_edits(items: &[Node], is_comment: impl Fn(&Node) -> bool) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut kept_end: Option<usize> = None;
    let mut run: Option<Range<usize>> = None;
    for item in items {
        if is_comment(item) {
            let start = run.as_ref().map_or(item.span.start, |run| run.start);
            run = Some(start..item.span.end);
        } else {
            edits.extend(run.take().map(|run| run.start..item.span.start));
            kept_end = Some(item.span.end);
        }
    }
    edits.extend(run.map(|run| kept_end.unwrap_or(run.start)..run.end));
    edits
        .into_iter()
        .map(|range| Edit {
            range,
            replacement: Zeroizing::new(String::new()),
        })
        .collect()
}

/// The text behind `#`, on as many lines as it has.
fn commented(text: &str, line_break: &str, indent: &str) -> Zeroizing<String> {
    let lines = || text.split(['\n', '\r']);
    let capacity = text.len() + lines().count() * (1 + line_break.len() + indent.len());
    let mut written = Zeroizing::new(String::with_capacity(capacity));
    for (index, line) in lines().enumerate() {
        if index > 0 {
            written.push_str(line_break);
            written.push_str(indent);
        }
        written.push('#');
        written.push_str(line);
    }
    written
}
