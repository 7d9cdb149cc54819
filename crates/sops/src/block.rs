//! The `sops` block as sops 3.13 writes it: keys in alphabetical order.

use manifest_yaml::{Value, to_yaml_masked};

use crate::metadata::SOPS_KEY;
use crate::plain_text::double_quoted;
use crate::recipients::WrappedGroups;
use crate::rule::{MacScope, Rule};

/// The version of sops whose files these are. sops refuses files that name none.
pub const SOPS_VERSION: &str = "3.13.3";

/// Spaces per level of a block in YAML, as sops indents.
const YAML_INDENT: usize = 4;

/// What a block says.
pub(crate) struct Block<'a> {
    pub(crate) keys: WrappedGroups,
    pub(crate) rule: &'a Rule,
    pub(crate) mac_scope: MacScope,
    pub(crate) last_modified: &'a str,
    pub(crate) mac: String,
}

/// A value in a block.
#[derive(Clone)]
pub(crate) enum Field {
    /// A string.
    Text(String),
    /// Something that is written without quotes, as it is.
    Bare(String),
    /// A count.
    Count(usize),
    /// A list.
    List(Vec<Field>),
    /// A map, in the order it is written in.
    Map(Vec<(String, Field)>),
}

/// How the lines of a block are laid out in JSON, or in a YAML flow map.
pub(crate) struct JsonLayout<'a> {
    /// One level.
    pub(crate) unit: &'a str,
    pub(crate) line_break: &'a str,
}

impl Block<'_> {
    /// The fields in alphabetical order.
    fn fields(&self) -> Vec<(String, Field)> {
        let text = |text: &str| Field::Text(text.to_owned());
        let mut fields = self.keys.fields();
        fields.extend([
            ("lastmodified".to_owned(), text(self.last_modified)),
            ("mac".to_owned(), text(&self.mac)),
            (self.rule.field().to_owned(), text(self.rule.operand())),
            ("version".to_owned(), text(SOPS_VERSION)),
        ]);
        if self.mac_scope == MacScope::SealedValues {
            fields.push(("mac_only_encrypted".to_owned(), Field::Bare("true".to_owned())));
        }
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        fields
    }

    /// Lines in YAML, each with its line break, at a column.
    pub(crate) fn to_yaml(&self, column: usize, line_break: &str) -> String {
        Field::Map(vec![(SOPS_KEY.to_owned(), Field::Map(self.fields()))]).to_yaml(column, line_break)
    }

    /// The entry `"sops": {…}`, without a comma or a line break around it, as one of the outermost map.
    pub(crate) fn to_json(&self, layout: &JsonLayout<'_>) -> String {
        format!("\"{SOPS_KEY}\": {}", Field::Map(self.fields()).to_json(layout, 1))
    }
}

impl Field {
    /// The entries of a map or the items of a list as lines in YAML, each with its line break, at a column.
    pub(crate) fn to_yaml(&self, column: usize, line_break: &str) -> String {
        let mut lines = Vec::new();
        self.push_lines(column, column + YAML_INDENT, "", &mut lines);
        lines.into_iter().fold(String::new(), |mut text, line| {
            text.push_str(&line);
            text.push_str(line_break);
            text
        })
    }

    /// The lines of what is inside this value. The first one starts with `lead`, which ends at `column`. What is inside
    /// of that is at `inner`: in an item of a list, this is four from the dash.
    fn push_lines(&self, column: usize, inner: usize, lead: &str, lines: &mut Vec<String>) {
        let mut lead = lead.to_owned();
        let mut start = || match std::mem::take(&mut lead) {
            lead if lead.is_empty() => " ".repeat(column),
            lead => lead,
        };
        match self {
            Self::Map(entries) => {
                for (name, value) in entries {
                    value.push_value(&format!("{}{name}:", start()), inner, lines);
                }
            }
            Self::List(items) => {
                for item in items {
                    let dash = format!("{}-", start());
                    match item {
                        Self::Map(entries) if !entries.is_empty() => {
                            item.push_lines(column + 2, column + YAML_INDENT, &format!("{dash} "), lines);
                        }
                        _ => item.push_value(&dash, column + YAML_INDENT, lines),
                    }
                }
            }
            Self::Text(_) | Self::Bare(_) | Self::Count(_) => {}
        }
    }

    /// A value behind its key or dash.
    fn push_value(&self, before: &str, inner: usize, lines: &mut Vec<String>) {
        match self {
            Self::Text(text) if is_literal(text) => {
                let header = if text.ends_with('\n') { "|" } else { "|-" };
                lines.push(format!("{before} {header}"));
                lines.extend(text.lines().map(|line| match line {
                    "" => String::new(),
                    line => format!("{}{line}", " ".repeat(inner)),
                }));
            }
            Self::Text(text) if text.contains('\n') => {
                lines.push(format!("{before} {}", *double_quoted(text)));
            }
            Self::Text(text) => {
                lines.push(format!(
                    "{before} {}",
                    to_yaml_masked(&Value::from(text.as_str())).trim_end()
                ));
            }
            Self::Bare(text) => lines.push(format!("{before} {text}")),
            Self::Count(count) => lines.push(format!("{before} {count}")),
            Self::List(items) if items.is_empty() => lines.push(format!("{before} []")),
            Self::Map(entries) if entries.is_empty() => lines.push(format!("{before} {{}}")),
            Self::List(_) | Self::Map(_) => {
                lines.push(before.to_owned());
                self.push_lines(inner, inner + YAML_INDENT, "", lines);
            }
        }
    }

    /// JSON that starts on a line at a level.
    pub(crate) fn to_json(&self, layout: &JsonLayout<'_>, level: usize) -> String {
        match self {
            Self::Text(text) => double_quoted(text).to_string(),
            Self::Bare(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.to_json(layout, level + 1)).collect();
                layout.brackets(('[', ']'), level, &items)
            }
            Self::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(name, value)| {
                        format!("{}: {}", *double_quoted(name), value.to_json(layout, level + 1))
                    })
                    .collect();
                layout.brackets(('{', '}'), level, &entries)
            }
        }
    }
}

/// Whether a text of several lines can be a block scalar without an indentation indicator.
fn is_literal(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !lines.ends_with('\n')
        && !lines.starts_with([' ', '\n'])
        && lines.split('\n').all(|line| line.trim_end() == line)
        && !text
            .chars()
            .any(|character| character.is_control() && character != '\n')
}

impl JsonLayout<'_> {
    pub(crate) fn start_of_line(&self, level: usize) -> String {
        format!("{}{}", self.line_break, self.unit.repeat(level))
    }

    fn brackets(&self, (open, close): (char, char), level: usize, entries: &[String]) -> String {
        if entries.is_empty() {
            return format!("{open}{close}");
        }
        let start = self.start_of_line(level + 1);
        let lines: Vec<String> = entries.iter().map(|entry| format!("{start}{entry}")).collect();
        format!("{open}{}{}{close}", lines.join(","), self.start_of_line(level))
    }
}
