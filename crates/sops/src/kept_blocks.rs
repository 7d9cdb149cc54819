//! The `sops` blocks of a file whose values are changed: they stay as they are written, but for the code, the time and
//! the version.

use std::ops::Range;

use manifest_yaml::syntax::{CollectionStyle, Content, Document, Node, ScalarStyle};
use manifest_yaml::{Edit, splice};
use zeroize::Zeroizing;

use crate::block::Block;
use crate::block_edits;
use crate::format::{Format, Tree, dotenv, ini};
use crate::plain_text::double_quoted;

/// What every change of a value changes in a block.
const RENEWED: [&str; 3] = ["lastmodified", "mac", "version"];

/// The blocks of a text, one for each document that has one.
#[derive(Default)]
pub(crate) struct KeptBlocks(Vec<KeptBlock>);

struct KeptBlock {
    document: usize,
    layout: CollectionStyle,
    /// All that is taken out of the text when it is opened.
    text: String,
    renewed: Vec<Renewed>,
}

/// A scalar of a block that may change.
struct Renewed {
    field: String,
    value: String,
    /// Where it is in the text of the block.
    range: Range<usize>,
    style: ScalarStyle,
}

impl KeptBlocks {
    /// The blocks of a sealed text.
    pub(crate) fn of(text: &str, tree: &Tree) -> Self {
        let removals = block_edits::removals(text, tree);
        let ranges: Vec<Range<usize>> = removals.into_iter().map(|edit| edit.range).collect();
        let blocks = tree
            .documents()
            .iter()
            .enumerate()
            .filter_map(|(index, document)| {
                let (_, block) = tree.find_block(document)?;
                let is_own = |range: &&Range<usize>| {
                    tree.format() == Format::Dotenv || range.contains(&block.span.start)
                };
                let own: Vec<&Range<usize>> = ranges.iter().filter(is_own).collect();
                Some(KeptBlock::of(text, index, document, block, &own))
            });
        Self(blocks.collect())
    }

    /// The text of a document's block as it says what `block` does; nothing if there was none, or none in this layout,
    /// or if it lacks a field.
    pub(crate) fn written(
        &self,
        document: usize,
        layout: CollectionStyle,
        format: Format,
        block: &Block,
    ) -> Option<String> {
        let is_it = |kept: &&KeptBlock| kept.document == document && kept.layout == layout;
        self.0.iter().find(is_it)?.renewed(format, block)
    }
}

impl KeptBlock {
    fn of(text: &str, index: usize, document: &Document, block: &Node, ranges: &[&Range<usize>]) -> Self {
        let layout = match document.root.as_ref().map(|root| &root.content) {
            Some(Content::Mapping { style, .. }) => *style,
            _ => CollectionStyle::Block,
        };
        let written = ranges.iter().filter_map(|range| text.get((*range).clone()));
        let entries = block.as_entries().unwrap_or_default().iter();
        let renewed = entries.filter_map(|(key, value)| {
            let field = key.as_scalar().filter(|field| RENEWED.contains(field))?;
            let Content::Scalar { text, style } = &value.content else {
                return None;
            };
            Some(Renewed {
                field: field.to_owned(),
                value: text.clone(),
                range: within(ranges, &value.span)?,
                style: *style,
            })
        });
        Self {
            document: index,
            layout,
            renewed: renewed.collect(),
            text: written.collect(),
        }
    }

    fn renewed(&self, format: Format, block: &Block) -> Option<String> {
        let mut edits = Vec::with_capacity(RENEWED.len());
        for field in RENEWED {
            let renewed = self.renewed.iter().find(|renewed| renewed.field == field)?;
            let value = block.text(field)?;
            if value == renewed.value {
                continue;
            }
            let replacement = match (format, renewed.style) {
                (Format::Dotenv, _) => dotenv::written(value)?,
                (Format::Ini, _) => ini::written(value)?,
                // A code and a version need no quotes; a time without them would be none for sops.
                (Format::Yaml, ScalarStyle::Plain) if field != "lastmodified" => {
                    Zeroizing::new(value.to_owned())
                }
                _ => double_quoted(value),
            };
            edits.push(Edit {
                range: renewed.range.clone(),
                replacement,
            });
        }
        Some(splice(&self.text, edits).ok()?.to_string())
    }
}

/// Where a part of a text is in what the ranges take out of it.
fn within(ranges: &[&Range<usize>], span: &Range<usize>) -> Option<Range<usize>> {
    let mut before = 0;
    for range in ranges {
        if range.contains(&span.start) && span.end <= range.end {
            let start = before + span.start - range.start;
            return Some(start..start + span.len());
        }
        before += range.len();
    }
    None
}
