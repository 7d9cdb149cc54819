//! From a sealed text to the plain one: only what was sealed changes.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use manifest_yaml::syntax::{CollectionStyle, Node};
use manifest_yaml::{Edit, Limits, splice};
use zeroize::Zeroizing;

use crate::block_edits;
use crate::data_key::DataKeySource;
use crate::error::{LeafError, OpenError};
use crate::format::{Format, ini};
use crate::plain_text::{self, Setting, line_break_of};
use crate::scalar::Kind;
use crate::unseal::{Comments, Unsealed, UnsealedComment, UnsealedLeaf, unseal, unseal_payload};
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
    if format == Format::Binary {
        let plain = decrypt_bytes(text, format, keys, limits)?;
        return match str::from_utf8(&plain) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(OpenError::NotText),
        };
    }
    let tree = format.parse(text, limits).map_err(OpenError::Parse)?;
    let unsealed = unseal(&tree, keys, Comments::Opened)?;
    let mut edits = block_edits::removals(text, &tree);
    let blocks: Vec<Range<usize>> = edits.iter().map(|edit| edit.range.clone()).collect();
    let comments: BTreeMap<usize, &UnsealedComment> = unsealed
        .comments
        .iter()
        .filter(|comment| fits_its_place(comment.scalar.as_str(), format))
        .filter(|comment| !blocks.iter().any(|block| block.contains(&comment.span.start)))
        .map(|comment| (comment.span.start, comment))
        .collect();
    let first_value = edits.len();
    for leaf in &unsealed.leaves {
        if leaf.scalar.kind() != Kind::Comment {
            edits.push(value_edit(text, format, leaf, &comments)?);
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
                replacement: match format {
                    Format::Ini => ini_comment(text.get(comment.span.clone()), comment.scalar.as_str()),
                    Format::Dotenv => dotenv_comment(comment.scalar.as_str()),
                    _ => commented(comment.scalar.as_str(), "", ""),
                },
            });
        }
    }
    edits.extend(list_comment_edits(text, &unsealed));
    splice(text, edits).map_err(OpenError::Write)
}

/// [`decrypt`](crate::decrypt()) for a file that need not be text: a binary one may hold any bytes.
pub fn decrypt_bytes(
    text: &str,
    format: Format,
    keys: &dyn DataKeySource,
    limits: &Limits,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if format == Format::Binary {
        let tree = format.parse(text, limits).map_err(OpenError::Parse)?;
        return unseal_payload(&tree, keys);
    }
    let plain = decrypt(text, format, keys, limits)?;
    Ok(Zeroizing::new(plain.as_bytes().to_vec()))
}

/// Whether a comment is one where it is written. In ini files sops makes one of several lines.
fn fits_its_place(comment: &str, format: Format) -> bool {
    match format {
        Format::Ini => true,
        Format::Dotenv => !comment.contains('\n'),
        Format::Yaml | Format::Json | Format::Binary => !comment.contains(['\n', '\r']),
    }
}

/// A comment of one line, which may end with a carriage return.
fn dotenv_comment(text: &str) -> Zeroizing<String> {
    let mut written = Zeroizing::new(String::with_capacity(1 + text.len()));
    written.push('#');
    written.push_str(text);
    written
}

/// The text of a comment of an ini file behind the mark that its sealed form has. Further lines have marks already, or
/// get one as sops gives it.
fn ini_comment(sealed: Option<&str>, text: &str) -> Zeroizing<String> {
    let mark = ini::comment_mark(sealed.unwrap_or_default());
    let lines = text.split('\n').count();
    let mut written = Zeroizing::new(String::with_capacity(mark.len() + text.len() + 2 * lines));
    written.push_str(mark);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            written.push('\n');
            if !line.starts_with(['#', ';']) {
                written.push_str("; ");
            }
        }
        written.push_str(line);
    }
    written
}

/// Puts a value in its place; one that becomes a block scalar takes the comment at the end of its line with it.
fn value_edit(
    text: &str,
    format: Format,
    leaf: &UnsealedLeaf<'_>,
    comments: &BTreeMap<usize, &UnsealedComment>,
) -> Result<Edit, OpenError> {
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
    let written_comment = match format {
        Format::Yaml => comment_behind(text, leaf.node.span.end),
        _ => None,
    };
    let mut setting = Setting {
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
    if plain_text::is_block(&leaf.scalar, &setting)
        && has_deeper_blank_line(text, leaf.node.span.end, setting.indent)
    {
        // A block scalar would take that line in, so that there would be another value. A flow scalar has an end.
        setting.layout = CollectionStyle::Flow;
    }
    let end = match written_comment {
        Some(range) if plain_text::is_block(&leaf.scalar, &setting) => range.end,
        _ => leaf.node.span.end,
    };
    let replacement = plain_text::render(&leaf.scalar, &setting).ok_or_else(|| OpenError::Leaf {
        position: leaf.node.position,
        path: leaf.path.clone(),
        error: LeafError::Unwritable,
    })?;
    Ok(Edit {
        range: leaf.node.span.start..end,
        replacement,
    })
}

/// Whether one of the blank lines below a place is made of more blanks than an indentation.
fn has_deeper_blank_line(text: &str, offset: usize, indent: usize) -> bool {
    let below = text.get(offset..).unwrap_or_default().lines().skip(1);
    below
        .take_while(|line| line.trim().is_empty())
        .any(|line| line.len() > indent)
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
