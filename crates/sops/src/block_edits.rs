//! Where the `sops` block stands in a text: put in, and taken out again.

use std::ops::Range;

use manifest_yaml::syntax::{CollectionStyle, Content, Node, entry_extent};
use manifest_yaml::{Edit, Limits};
use zeroize::Zeroizing;

use crate::block::{Block, JsonLayout};
use crate::error::EncryptError;
use crate::format::{Format, Tree, dotenv, flat, ini};
use crate::kept_blocks::KeptBlocks;
use crate::plain_text::line_break_of;

/// Takes the block out of every document.
pub(crate) fn removals(text: &str, tree: &Tree) -> Vec<Edit> {
    if tree.format() == Format::Dotenv {
        return dotenv::block_lines(text).into_iter().map(removal).collect();
    }
    let mut edits = Vec::new();
    for document in tree.documents() {
        let Some(root) = &document.root else { continue };
        let Content::Mapping { entries, style } = &root.content else {
            continue;
        };
        let Some(index) = entries.iter().position(|(key, _)| tree.is_block_key(key)) else {
            continue;
        };
        if tree.format() == Format::Ini {
            edits.extend(
                entries
                    .get(index)
                    .map(|(_, section)| removal(with_blank_line(text, section))),
            );
            continue;
        }
        let Some(range) = entry_extent(text, root, index) else {
            continue;
        };
        // A block map without entries has no form but this.
        let replacement = if entries.len() == 1 && *style == CollectionStyle::Block {
            format!("{{}}{}", line_break_of(text))
        } else {
            String::new()
        };
        edits.push(edit(range, replacement));
    }
    edits
}

/// The lines of a section, the blank one above, and those below if nothing else is.
fn with_blank_line(text: &str, section: &Node) -> Range<usize> {
    let end = match text.get(..section.span.end) {
        Some(before) if before.ends_with('\n') => section.span.end,
        _ => line_end(text, section.span.end),
    };
    let end = match text.get(end..) {
        Some(below) if below.trim().is_empty() => text.len(),
        _ => end,
    };
    let before = text.get(..section.span.start).unwrap_or_default();
    let blank = ["\r\n", "\n"].into_iter().find(|line_break| {
        before
            .strip_suffix(line_break)
            .is_some_and(|above| above.ends_with('\n'))
    });
    section.span.start - blank.map_or(0, str::len)..end
}

fn removal(range: Range<usize>) -> Edit {
    edit(range, String::new())
}

fn edit(range: Range<usize>, replacement: String) -> Edit {
    Edit {
        range,
        replacement: Zeroizing::new(replacement),
    }
}

/// The entries of a block as they are flattened, each with its value in the form of the format.
fn flattened(
    block: &Block,
    written: impl Fn(&str) -> Option<Zeroizing<String>>,
) -> Result<Vec<(String, String)>, EncryptError> {
    let layout = JsonLayout {
        unit: "",
        line_break: "",
    };
    let json = format!("{{{}}}", block.to_json(&layout));
    let tree = Format::Json
        .parse(&json, &Limits::default())
        .map_err(|error| EncryptError::ReadBack(crate::error::OpenError::Parse(error)))?;
    let Some((_, block)) = tree
        .documents()
        .first()
        .and_then(|document| tree.find_block(document))
    else {
        return Ok(Vec::new());
    };
    flat::flatten(block)
        .into_iter()
        .map(|(key, value)| match written(value) {
            Some(value) => Ok((key, value.to_string())),
            None => Err(EncryptError::UnwritableRule),
        })
        .collect()
}

/// Lines at the end of the text. They end with LF in any case: a carriage return would be part of the value.
fn dotenv_addition(text: &str, block: &Block) -> Result<Edit, EncryptError> {
    let mut lines = start_of_line(text, "\n").to_owned();
    for (key, value) in flattened(block, dotenv::written)? {
        lines.push_str(dotenv::BLOCK_PREFIX);
        lines.push_str(&key);
        lines.push('=');
        lines.push_str(&value);
        lines.push('\n');
    }
    Ok(edit(text.len()..text.len(), lines))
}

/// A section at the end of the text, its values in one column as sops has them.
fn ini_addition(text: &str, block: &Block) -> Result<Edit, EncryptError> {
    // Line breaks are escaped twice: `EscapeNewlines` in stores/metadata.go.
    let entries = flattened(block, |value| ini::written(&value.replace('\n', "\\n")))?;
    let width = entries.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
    let line_break = line_break_of(text);
    let mut lines = start_of_line(text, line_break).to_owned();
    if !text.is_empty() {
        lines.push_str(line_break);
    }
    lines.push_str("[sops]");
    lines.push_str(line_break);
    for (key, value) in entries {
        lines.extend([format!("{key:width$} = "), value, line_break.to_owned()]);
    }
    Ok(edit(text.len()..text.len(), lines))
}

/// What is missing at the end of a text for a line to start there.
fn start_of_line<'a>(text: &str, line_break: &'a str) -> &'a str {
    if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        line_break
    }
}

/// The block, at the end of every document that has content; as it is written there already, if it is kept.
pub(crate) fn additions(
    text: &str,
    tree: &Tree,
    block: &Block,
    kept: &KeptBlocks,
) -> Result<Vec<Edit>, EncryptError> {
    let line_break = line_break_of(text);
    let format = tree.format();
    if let Format::Dotenv | Format::Ini = format {
        let addition = match (kept.written(0, CollectionStyle::Block, format, block), format) {
            (Some(lines), _) => {
                let line_break = if format == Format::Dotenv {
                    "\n"
                } else {
                    line_break
                };
                let start = start_of_line(text, line_break);
                edit(text.len()..text.len(), format!("{start}{lines}"))
            }
            (None, Format::Dotenv) => dotenv_addition(text, block)?,
            (None, _) => ini_addition(text, block)?,
        };
        return Ok(vec![addition]);
    }
    let documents = tree.documents().iter().enumerate();
    let additions = documents.filter_map(|(index, document)| {
        let root = document.root.as_ref()?;
        let Content::Mapping { entries, style } = &root.content else {
            return None;
        };
        let kept = kept.written(index, *style, format, block);
        Some(match (style, kept, entries.last()) {
            (CollectionStyle::Block, kept, _) => {
                let lines = kept.unwrap_or_else(|| block.to_yaml(indent_of(text, root, entries), line_break));
                yaml_addition(text, root, lines, line_break)
            }
            // It was behind another entry, and has the comma between them.
            (CollectionStyle::Flow, Some(kept), Some((key, value))) if kept.starts_with(',') => {
                let end = value.span.end.max(key.span.end);
                edit(end..end, kept)
            }
            (CollectionStyle::Flow, Some(kept), None) if !kept.starts_with(',') => {
                let at = inside(text, root);
                edit(at..at, kept)
            }
            (CollectionStyle::Flow, ..) => flow_addition(text, format, root, entries, block, line_break),
        })
    });
    Ok(additions.collect())
}

/// Where the only entry of a map stood that has none: before the line break that its bracket stands behind, if there is
/// one more before.
fn inside(text: &str, root: &Node) -> usize {
    let end = root.span.end.saturating_sub(1);
    let inner = text.get(root.span.start + 1..end).unwrap_or_default();
    let breaks = inner.matches('\n').count();
    match inner.rfind('\n') {
        Some(at) if breaks > 1 && inner.get(..at).is_some_and(|before| before.ends_with('\r')) => {
            root.span.start + at
        }
        Some(at) if breaks > 1 => root.span.start + 1 + at,
        _ => end,
    }
}

/// Behind the last line of the document, comments and blank lines included: they may belong to a block scalar.
fn yaml_addition(text: &str, root: &Node, mut lines: String, line_break: &str) -> Edit {
    let mut end = line_end(text, root.span.end);
    while end < text.len() {
        let next = line_end(text, end);
        let content = text.get(end..next).unwrap_or_default().trim();
        if !content.is_empty() && !content.starts_with('#') {
            break;
        }
        end = next;
    }
    // One that is kept may have stood at the end of a text without a line break there.
    if end < text.len() && !lines.ends_with(['\n', '\r']) {
        lines.push_str(line_break);
    }
    let is_at_line_start = text
        .get(..end)
        .is_some_and(|before| before.ends_with(['\n', '\r']));
    edit(
        end..end,
        if is_at_line_start {
            lines
        } else {
            format!("{line_break}{lines}")
        },
    )
}

/// The spaces before the entries of a map. Where it has a tag or an anchor, it begins with that, on a line above.
fn indent_of(text: &str, root: &Node, entries: &[(Node, Node)]) -> usize {
    if root.tag.is_none() && root.anchor.is_none() {
        return usize::try_from(root.position.column.saturating_sub(1)).unwrap_or(0);
    }
    let before = entries
        .first()
        .and_then(|(key, _)| text.get(..key.span.start))
        .unwrap_or_default();
    let line = before
        .rsplit(['\n', '\r'])
        .next()
        .unwrap_or_default()
        .trim_start_matches('\u{feff}');
    line.len() - line.trim_start_matches(' ').len()
}

/// The end of the line at an offset, its line break included: LF, CRLF or CR.
fn line_end(text: &str, offset: usize) -> usize {
    let rest = text.get(offset..).unwrap_or_default();
    match rest.find(['\n', '\r']) {
        None => text.len(),
        Some(at) if rest.get(at..).is_some_and(|end| end.starts_with("\r\n")) => offset + at + 2,
        Some(at) => offset + at + 1,
    }
}

/// Behind the last entry, in the indentation of the first one if that has a line of its own.
fn flow_addition(
    text: &str,
    format: Format,
    root: &Node,
    entries: &[(Node, Node)],
    block: &Block,
    line_break: &str,
) -> Edit {
    let default_unit = match format {
        Format::Yaml => "  ",
        _ => "\t",
    };
    let first_indent = entries.first().and_then(|(key, _)| {
        let (_, indent) = text.get(..key.span.start)?.rsplit_once('\n')?;
        let is_indent = !indent.is_empty() && indent.bytes().all(|byte| matches!(byte, b' ' | b'\t'));
        is_indent.then_some(indent)
    });
    let layout = JsonLayout {
        unit: first_indent.unwrap_or(default_unit),
        line_break,
    };
    let entry = format!("{}{}", layout.start_of_line(1), block.to_json(&layout));
    if let Some((key, value)) = entries.last() {
        let end = value.span.end.max(key.span.end);
        // A value that is left out may have a comment right behind its colon.
        let is_before_comment = text.get(end..).is_some_and(|rest| rest.starts_with('#'));
        let space = if is_before_comment { " " } else { "" };
        edit(end..end, format!(",{entry}{space}"))
    } else {
        let end = root.span.end.saturating_sub(1);
        edit(end..end, format!("{entry}{}", layout.start_of_line(0)))
    }
}
