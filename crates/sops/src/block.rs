//! The `sops` block as sops 3.13 writes it: keys in alphabetical order.

use manifest_yaml::syntax::{Content, Node, ScalarStyle};
use manifest_yaml::{Scalar, Schema, Value, resolve_scalar, to_yaml_masked};

use crate::metadata::{KEY_KINDS, MetadataError, SOPS_KEY};
use crate::plain_text::double_quoted;
use crate::recipients::WrappedGroups;
use crate::rule::{MacScope, Rule};

/// The version of sops whose files these are. sops refuses files that name none.
pub const SOPS_VERSION: &str = "3.13.3";

/// Spaces per level of a block in YAML, as sops indents.
const YAML_INDENT: usize = 4;

/// A block to be written: its fields in their order.
pub(crate) struct Block(Vec<(String, Field)>);

/// What the block of a file that was not sealed before says.
pub(crate) struct NewBlock<'a> {
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
    /// A string that was read from a block without quotes, and needs none in YAML.
    Plain(String),
    /// Something other than a string, which is written as it is.
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

impl NewBlock<'_> {
    /// The fields in alphabetical order.
    pub(crate) fn into_block(self) -> Block {
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
        Block(fields)
    }
}

impl Block {
    /// All that the block of a sealed file says, fields of other kinds of keys and unknown ones included.
    pub(crate) fn read(block: &Node) -> Result<Self, MetadataError> {
        match Field::read(block, SOPS_KEY)? {
            Field::Map(fields) => Ok(Self(fields)),
            _ => Err(MetadataError::WrongType {
                field: SOPS_KEY.to_owned(),
                position: block.position,
                expected: "a map",
            }),
        }
    }

    /// After values were sealed: their message authentication code, when, and by whom. A version that is not older than
    /// ours stays, as with sops.
    pub(crate) fn update(&mut self, last_modified: &str, mac: String) {
        self.set("lastmodified", Field::Text(last_modified.to_owned()));
        self.set("mac", Field::Text(mac));
        let is_kept = match self.0.iter().find(|(name, _)| name == "version") {
            Some((_, Field::Text(version) | Field::Plain(version))) => {
                numbers_of(version) >= numbers_of(SOPS_VERSION)
            }
            _ => false,
        };
        if !is_kept {
            self.set("version", Field::Text(SOPS_VERSION.to_owned()));
        }
    }

    /// A field that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.0.iter().find(|(other, _)| other == name)? {
            (_, Field::Text(text) | Field::Plain(text)) => Some(text),
            _ => None,
        }
    }

    /// In place of all keys that the block has, of whatever kind.
    pub(crate) fn set_keys(&mut self, keys: &WrappedGroups) {
        self.0.retain(|(name, _)| !is_key_field(name));
        for (name, value) in keys.fields() {
            self.set(&name, value);
        }
    }

    /// Puts a field in the place that it has, or that the alphabet gives it.
    fn set(&mut self, name: &str, value: Field) {
        if let Some((_, field)) = self.0.iter_mut().find(|(other, _)| other == name) {
            *field = value;
            return;
        }
        let place = self.0.iter().position(|(other, _)| other.as_str() > name);
        self.0
            .insert(place.unwrap_or(self.0.len()), (name.to_owned(), value));
    }

    /// Lines in YAML, each with its line break, at a column.
    pub(crate) fn to_yaml(&self, column: usize, line_break: &str) -> String {
        Field::Map(vec![(SOPS_KEY.to_owned(), Field::Map(self.0.clone()))]).to_yaml(column, line_break)
    }

    /// The entry `"sops": {…}`, without a comma or a line break around it, as one of the outermost map.
    pub(crate) fn to_json(&self, layout: &JsonLayout<'_>) -> String {
        format!(
            "\"{SOPS_KEY}\": {}",
            Field::Map(self.0.clone()).to_json(layout, 1)
        )
    }
}

/// Whether a field says who can open the file.
fn is_key_field(name: &str) -> bool {
    matches!(name, "key_groups" | "shamir_threshold") || KEY_KINDS.iter().any(|(kind, _)| kind.name() == name)
}

/// The numbers of a version, to be compared.
fn numbers_of(version: &str) -> Vec<u64> {
    let numbers = version.split(['.', '-', '+']).map_while(|part| part.parse().ok());
    numbers.collect()
}

impl Field {
    fn read(node: &Node, name: &str) -> Result<Self, MetadataError> {
        let alias = |node: &Node| MetadataError::Alias {
            field: name.to_owned(),
            position: node.position,
        };
        match &node.content {
            Content::Alias(_) => Err(alias(node)),
            Content::Sequence { items, .. } => {
                let items = items.iter().map(|item| Self::read(item, name));
                Ok(Self::List(items.collect::<Result<_, _>>()?))
            }
            Content::Mapping { entries, .. } => {
                let entries = entries.iter().map(|(key, value)| {
                    let key = key.as_scalar().ok_or_else(|| alias(key))?;
                    Ok((key.to_owned(), Self::read(value, &format!("{name}.{key}"))?))
                });
                Ok(Self::Map(entries.collect::<Result<_, _>>()?))
            }
            Content::Scalar { text, style } => {
                match resolve_scalar(Schema::GoYamlV3, text, *style, node.tag.as_ref()) {
                    Ok(Scalar::String(text)) if *style == ScalarStyle::Plain && !text.contains('\n') => {
                        Ok(Self::Plain(text.into_owned()))
                    }
                    Ok(Scalar::String(text)) => Ok(Self::Text(text.into_owned())),
                    // sops quotes times in its block; older ones did not.
                    Ok(Scalar::Timestamp(_)) => Ok(Self::Text(text.clone())),
                    // Of an empty one nothing could be written.
                    Ok(Scalar::Null) => Ok(Self::Bare("null".to_owned())),
                    Ok(_) => Ok(Self::Bare(text.clone())),
                    Err(_) => Err(MetadataError::WrongType {
                        field: name.to_owned(),
                        position: node.position,
                        expected: "a scalar of its tag",
                    }),
                }
            }
        }
    }

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
            Self::Text(_) | Self::Plain(_) | Self::Bare(_) | Self::Count(_) => {}
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
            Self::Plain(text) | Self::Bare(text) => lines.push(format!("{before} {text}")),
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
            Self::Text(text) | Self::Plain(text) => double_quoted(text).to_string(),
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
