//! Where in a text a change is made.

use std::ops::Range;

use manifest_yaml::syntax::{CollectionStyle, Content, Node, entry_extent};
use manifest_yaml::{Edit, Value};
use zeroize::Zeroizing;

use super::writing::{Writing, key_text};
use super::{TreeEditError, model};
use crate::format::{Format, Tree, ini};
use crate::key_path::{KeyPath, PathStep};
use crate::plain_text::line_break_of;

/// The node that a path leads to, or the last one on the way.
pub(super) struct Target<'a> {
    text: &'a str,
    format: Format,
    /// The nodes from the root, each with the entry of the one before that it is.
    way: Vec<Stop<'a>>,
    /// The steps that there is nothing for.
    rest: &'a [PathStep],
}

#[derive(Clone, Copy)]
struct Stop<'a> {
    node: &'a Node,
    /// Its key, if it is in a map.
    key: Option<&'a Node>,
    /// Which entry or item it is.
    index: usize,
    /// Whether it or anything around it is written by brackets.
    layout: CollectionStyle,
}

impl<'a> Target<'a> {
    pub(super) fn find(text: &'a str, tree: &'a Tree, path: &'a KeyPath) -> Result<Self, TreeEditError> {
        let unwritable = || TreeEditError::Unwritable {
            path: path.clone(),
            format: tree.format(),
        };
        let document = tree.documents().first().ok_or_else(unwritable)?;
        let root = document.root.as_ref().ok_or_else(unwritable)?;
        let mut way = vec![Stop {
            node: root,
            key: None,
            index: 0,
            layout: layout_of(root, CollectionStyle::Block),
        }];
        for (depth, step) in path.steps().iter().enumerate() {
            let Some(stop) = way.last().copied() else { break };
            let found = match (&stop.node.content, step) {
                (Content::Mapping { entries, .. }, PathStep::Key(key)) => entries
                    .iter()
                    .enumerate()
                    .find(|(_, (found, _))| found.as_scalar() == Some(key))
                    .map(|(index, (key, node))| (index, Some(key), node)),
                (Content::Sequence { items, .. }, PathStep::Index(index)) => {
                    items.get(*index).map(|node| (*index, None, node))
                }
                _ => None,
            };
            let Some((index, key, node)) = found else { break };
            if matches!(node.content, Content::Alias(_)) {
                return Err(TreeEditError::Alias {
                    path: model::up_to(path, depth),
                });
            }
            way.push(Stop {
                node,
                key,
                index,
                layout: layout_of(node, stop.layout),
            });
        }
        let rest = path.steps().get(way.len() - 1..).unwrap_or_default();
        Ok(Self {
            text,
            format: tree.format(),
            way,
            rest,
        })
    }

    /// The edit that sets the value; `None` if it has no form here.
    pub(super) fn set(&self, value: &Value) -> Option<Edit> {
        let stop = self.way.last()?;
        match (&stop.node.content, self.rest) {
            (Content::Mapping { entries, style }, [PathStep::Key(key), rest @ ..]) => {
                self.insert_entry(stop, entries, *style, key, &model::nested(rest, value))
            }
            (Content::Sequence { items, style }, [PathStep::Index(_), rest @ ..]) => {
                self.insert_item(stop, items, *style, &model::nested(rest, value))
            }
            (_, rest) => self.replace(stop, &model::nested(rest, value)),
        }
    }

    /// The edit that takes the value out.
    pub(super) fn unset(&self) -> Option<Edit> {
        if !self.rest.is_empty() {
            return None;
        }
        let [.., parent, stop] = self.way.as_slice() else {
            return None;
        };
        match &parent.node.content {
            Content::Mapping { entries, style } => {
                if entries.len() == 1 && self.format != Format::Dotenv && self.format != Format::Ini {
                    return Some(self.emptied(parent.node, *style, "{}"));
                }
                match self.format {
                    Format::Dotenv | Format::Ini => Some(edit(self.line_of(stop), String::new())),
                    _ => Some(edit(
                        entry_extent(self.text, parent.node, stop.index)?,
                        String::new(),
                    )),
                }
            }
            Content::Sequence { items, style } => {
                if items.len() == 1 {
                    return Some(self.emptied(parent.node, *style, "[]"));
                }
                Some(edit(self.item_extent(items, *style, stop.index)?, String::new()))
            }
            _ => None,
        }
    }

    fn writing(&self, layout: CollectionStyle, indent: usize) -> Writing<'a> {
        Writing {
            format: self.format,
            layout,
            indent,
            line_break: line_break_of(self.text),
        }
    }

    /// What the collections inside of one that starts in a column are indented by.
    fn step(&self, column: usize) -> usize {
        // Files are indented by two or by four, which the first indented line shows.
        let first = self
            .text
            .lines()
            .find(|line| line.starts_with(' ') && !line.trim_start().starts_with(['#', '-']));
        let first = first.map_or(2, |line| line.len() - line.trim_start().len());
        column + if first == 4 { 4 } else { 2 }
    }

    fn replace(&self, stop: &Stop<'a>, value: &Value) -> Option<Edit> {
        let outer = self
            .way
            .len()
            .checked_sub(2)
            .and_then(|parent| self.way.get(parent))?;
        let span = stop.node.span.clone();
        let layout = outer.layout;
        if layout == CollectionStyle::Flow || matches!(self.format, Format::Dotenv | Format::Ini) {
            let writing = self.writing(layout, 0);
            return Some(edit_zeroizing(span, writing.inline(value)?));
        }
        let has_comment_behind = self
            .text
            .get(span.end..)
            .and_then(|rest| rest.lines().next())
            .is_some_and(|line| line.trim_start().starts_with('#'));
        let Some(key) = stop.key else {
            let column = column_of(outer.node);
            let writing = self.writing(layout, column + 2);
            return Some(edit_zeroizing(
                span,
                writing.behind_dash(value, has_comment_behind)?,
            ));
        };
        let column = column_of(key);
        let writing = self.writing(layout, self.step(column));
        // What stands between is a colon and blanks, unless there are comments.
        let between = self.text.get(key.span.end..span.start)?;
        let (start, lead) = if between.starts_with(':') && between.trim() == ":" {
            (key.span.end, ":")
        } else {
            (span.start, "")
        };
        let written = writing.behind_key(value, has_comment_behind)?;
        let written = match lead {
            "" => Zeroizing::new(written.trim_start_matches(' ').to_owned()),
            lead => joined(&[lead, &written]),
        };
        Some(edit_zeroizing(start..span.end, written))
    }

    fn insert_entry(
        &self,
        stop: &Stop<'a>,
        entries: &[(Node, Node)],
        style: CollectionStyle,
        key: &str,
        value: &Value,
    ) -> Option<Edit> {
        let last = entries
            .last()
            .map(|(key, value)| value.span.end.max(key.span.end));
        match self.format {
            Format::Dotenv => return self.append_line(self.text.len(), &format!("{key}="), value, ""),
            Format::Ini => return self.insert_ini(stop, key, value),
            _ => {}
        }
        if style == CollectionStyle::Flow || stop.layout == CollectionStyle::Flow {
            let first = entries.first().map(|(key, _)| key);
            let writing = self.writing(CollectionStyle::Flow, 0);
            let entry = joined(&[
                &key_text(key, Format::Json, CollectionStyle::Flow)?,
                ": ",
                &writing.inline(value)?,
            ]);
            return Some(self.insert_in_flow(stop.node, first, last, &entry));
        }
        let column = column_of(entries.first().map(|(key, _)| key)?);
        let writing = self.writing(CollectionStyle::Block, self.step(column));
        let line = joined(&[
            &" ".repeat(column),
            &key_text(key, self.format, CollectionStyle::Block)?,
            ":",
            &writing.behind_key(value, false)?,
        ]);
        Some(self.insert_line(last?, &line))
    }

    fn insert_item(
        &self,
        stop: &Stop<'a>,
        items: &[Node],
        style: CollectionStyle,
        value: &Value,
    ) -> Option<Edit> {
        let last = items.last().map(|item| item.span.end);
        if style == CollectionStyle::Flow || stop.layout == CollectionStyle::Flow {
            let writing = self.writing(CollectionStyle::Flow, 0);
            let item = writing.inline(value)?;
            return Some(self.insert_in_flow(stop.node, items.first(), last, &item));
        }
        let column = column_of(stop.node);
        let writing = self.writing(CollectionStyle::Block, column + 2);
        let line = joined(&[&" ".repeat(column), "- ", &writing.behind_dash(value, false)?]);
        Some(self.insert_line(last?, &line))
    }

    /// Behind the last part, on a line of its own where the first one has that.
    fn insert_in_flow(&self, node: &Node, first: Option<&Node>, last: Option<usize>, part: &str) -> Edit {
        let (Some(first), Some(last)) = (first, last) else {
            let end = node.span.end.saturating_sub(1);
            return edit_zeroizing(end..end, Zeroizing::new(part.to_owned()));
        };
        let indent = self
            .text
            .get(..first.span.start)
            .and_then(|before| before.rsplit_once('\n'))
            .map(|(_, indent)| indent)
            .filter(|indent| indent.bytes().all(|byte| matches!(byte, b' ' | b'\t')));
        let written = match indent {
            Some(indent) => joined(&[",", line_break_of(self.text), indent, part]),
            None => joined(&[", ", part]),
        };
        edit_zeroizing(last..last, written)
    }

    /// Below the line at an offset.
    fn insert_line(&self, offset: usize, line: &str) -> Edit {
        let line_break = line_break_of(self.text);
        let end = line_end(self.text, offset);
        let is_at_line_start = self.text.get(..end).is_some_and(|before| before.ends_with('\n'));
        let written = if is_at_line_start {
            joined(&[line, line_break])
        } else {
            joined(&[line_break, line])
        };
        edit_zeroizing(end..end, written)
    }

    fn insert_ini(&self, stop: &Stop<'a>, key: &str, value: &Value) -> Option<Edit> {
        let line_break = line_break_of(self.text);
        if self.way.len() == 2 {
            if !ini::is_plain_key(key) {
                return None;
            }
            let last = stop.node.as_entries()?.last();
            let end = last.map_or(stop.key?.span.end, |(_, value)| value.span.end);
            let end = line_end(self.text, end);
            return self.append_line(end, &format!("{key} = "), value, line_break);
        }
        // A new section takes all of its entries along.
        let Value::Mapping(entries) = value else {
            return None;
        };
        let is_name = !key.is_empty() && !key.contains(['[', ']', '\n', '\r']) && key.trim() == key;
        if !is_name {
            return None;
        }
        let blank = if self.text.is_empty() { "" } else { line_break };
        let mut section = joined(&[self.missing_line_break(), blank, "[", key, "]", line_break]);
        for (key, value) in entries.iter() {
            if !ini::is_plain_key(key) {
                return None;
            }
            let written = self.writing(CollectionStyle::Block, 0).inline(value)?;
            section = joined(&[&section, key, " = ", &written, line_break]);
        }
        Some(edit_zeroizing(self.text.len()..self.text.len(), section))
    }

    /// A line `lead` with the value, at an offset where a line starts or the text ends.
    fn append_line(&self, offset: usize, lead: &str, value: &Value, line_break: &str) -> Option<Edit> {
        let written = self.writing(CollectionStyle::Block, 0).inline(value)?;
        let line_break = if line_break.is_empty() { "\n" } else { line_break };
        let start = if self.text.get(..offset)?.ends_with('\n') {
            ""
        } else {
            self.missing_line_break()
        };
        Some(edit_zeroizing(
            offset..offset,
            joined(&[start, lead, &written, line_break]),
        ))
    }

    fn missing_line_break(&self) -> &'static str {
        if self.text.is_empty() || self.text.ends_with('\n') {
            ""
        } else {
            line_break_of(self.text)
        }
    }

    /// A collection without its last part.
    fn emptied(&self, node: &Node, style: CollectionStyle, empty: &str) -> Edit {
        let range = match style {
            CollectionStyle::Flow => node.span.clone(),
            CollectionStyle::Block => node.span.start..node.span.end,
        };
        // A list may start in the column of its key, where a flow collection may not.
        let is_own_line = self
            .text
            .get(..range.start)
            .and_then(|before| before.rsplit('\n').next())
            .is_some_and(|line| line.trim().is_empty());
        let indent = if is_own_line && empty == "[]" { "  " } else { "" };
        edit(range, format!("{indent}{empty}"))
    }

    /// The lines of an entry in a format of lines.
    fn line_of(&self, stop: &Stop<'a>) -> Range<usize> {
        let start = stop.key.map_or(stop.node.span.start, |key| key.span.start);
        let line_start = self
            .text
            .get(..start)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |line_break| line_break + 1);
        line_start..line_end(self.text, stop.node.span.end)
    }

    /// What to take out to take an item out of a list, as [`entry_extent`] does it for maps.
    fn item_extent(&self, items: &[Node], style: CollectionStyle, index: usize) -> Option<Range<usize>> {
        let item = items.get(index)?;
        let next = items.get(index + 1);
        if style == CollectionStyle::Flow {
            let before = index.checked_sub(1).and_then(|before| items.get(before));
            return Some(match (next, before) {
                (Some(next), _) => item.span.start..next.span.start,
                (None, Some(before)) => before.span.end..item.span.end,
                (None, None) => item.span.clone(),
            });
        }
        let dash = |item: &Node| {
            let before = self.text.get(..item.span.start)?;
            Some(before.trim_end().strip_suffix('-')?.len())
        };
        let start = dash(item)?;
        let line_start = self
            .text
            .get(..start)?
            .rfind('\n')
            .map_or(0, |line_break| line_break + 1);
        if self.text.get(line_start..start)?.trim().is_empty() {
            Some(line_start..line_end(self.text, item.span.end))
        } else {
            // Behind another dash or a key: the next item takes its place.
            Some(start..dash(next?)?)
        }
    }
}

fn layout_of(node: &Node, outer: CollectionStyle) -> CollectionStyle {
    match &node.content {
        Content::Mapping {
            style: CollectionStyle::Flow,
            ..
        }
        | Content::Sequence {
            style: CollectionStyle::Flow,
            ..
        } => CollectionStyle::Flow,
        _ => outer,
    }
}

/// Spaces before a node.
fn column_of(node: &Node) -> usize {
    usize::try_from(node.position.column.saturating_sub(1)).unwrap_or(0)
}

fn line_end(text: &str, offset: usize) -> usize {
    match text.get(offset..).and_then(|rest| rest.find('\n')) {
        Some(at) => offset + at + 1,
        None => text.len(),
    }
}

fn edit(range: Range<usize>, replacement: String) -> Edit {
    edit_zeroizing(range, Zeroizing::new(replacement))
}

fn edit_zeroizing(range: Range<usize>, replacement: Zeroizing<String>) -> Edit {
    Edit { range, replacement }
}

/// Parts in one text that is allocated once.
fn joined(parts: &[&str]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        text.push_str(part);
    }
    text
}
