//! The `sops` block as sops 3.13 writes it: keys in alphabetical order.

use manifest_yaml::{Value, to_yaml_masked};

use crate::age::AgeRecipient;
use crate::plain_text::double_quoted;
use crate::rule::{MacScope, Rule};

/// The version of sops whose files these are. sops refuses files that name none.
pub const SOPS_VERSION: &str = "3.13.3";

/// Spaces per level of a block in YAML, as sops indents.
const YAML_INDENT: usize = 4;

/// What a block says.
pub(crate) struct Block<'a> {
    pub(crate) age: Vec<(&'a AgeRecipient, String)>,
    pub(crate) rule: &'a Rule,
    pub(crate) mac_scope: MacScope,
    pub(crate) last_modified: &'a str,
    pub(crate) mac: String,
}

/// How the lines of a block are laid out in JSON, or in a YAML flow map.
pub(crate) struct JsonLayout<'a> {
    /// One level.
    pub(crate) unit: &'a str,
    pub(crate) line_break: &'a str,
}

impl Block<'_> {
    /// The fields but for the keys, in alphabetical order, which `age` comes first in.
    fn fields(&self) -> Vec<(&'static str, Field<'_>)> {
        let mut fields = vec![
            ("lastmodified", Field::Text(self.last_modified)),
            ("mac", Field::Text(&self.mac)),
            (self.rule.field(), Field::Text(self.rule.operand())),
            ("version", Field::Text(SOPS_VERSION)),
        ];
        if self.mac_scope == MacScope::SealedValues {
            fields.push(("mac_only_encrypted", Field::True));
        }
        fields.sort_by_key(|(name, _)| *name);
        fields
    }

    /// Lines in YAML, each with its line break, at a column.
    pub(crate) fn to_yaml(&self, column: usize, line_break: &str) -> String {
        let mut lines = vec![(0, "sops:".to_owned()), (1, "age:".to_owned())];
        for (recipient, file) in &self.age {
            lines.push((2, "- enc: |".to_owned()));
            lines.extend(file.lines().map(|line| (3, line.to_owned())));
            lines.push((2, format!("  recipient: {recipient}")));
        }
        for (name, field) in self.fields() {
            lines.push((1, format!("{name}: {}", field.to_yaml())));
        }
        let mut text = String::new();
        for (level, line) in lines {
            text.extend(std::iter::repeat_n(' ', column + level * YAML_INDENT));
            text.push_str(&line);
            text.push_str(line_break);
        }
        text
    }

    /// The entry `"sops": {…}`, without a comma or a line break around it, as one of the outermost map.
    pub(crate) fn to_json(&self, layout: &JsonLayout<'_>) -> String {
        let age: Vec<String> = self
            .age
            .iter()
            .map(|(recipient, file)| {
                let entries = [
                    format!("\"enc\": {}", *double_quoted(file)),
                    format!("\"recipient\": {}", *double_quoted(&recipient.to_string())),
                ];
                format!("{{{}{}}}", layout.lines(4, &entries), layout.start_of_line(3))
            })
            .collect();
        let mut entries = vec![format!(
            "\"age\": [{}{}]",
            layout.lines(3, &age),
            layout.start_of_line(2)
        )];
        entries.extend(
            self.fields()
                .into_iter()
                .map(|(name, field)| format!("\"{name}\": {}", field.to_json())),
        );
        format!(
            "\"sops\": {{{}{}}}",
            layout.lines(2, &entries),
            layout.start_of_line(1)
        )
    }
}

impl JsonLayout<'_> {
    pub(crate) fn start_of_line(&self, level: usize) -> String {
        format!("{}{}", self.line_break, self.unit.repeat(level))
    }

    fn lines(&self, level: usize, entries: &[String]) -> String {
        let start = self.start_of_line(level);
        entries
            .iter()
            .map(|entry| format!("{start}{entry}"))
            .collect::<Vec<_>>()
            .join(",")
    }
}

enum Field<'a> {
    Text(&'a str),
    True,
}

impl Field<'_> {
    fn to_yaml(&self) -> String {
        match self {
            Self::Text(text) => to_yaml_masked(&Value::from(*text)).trim_end().to_owned(),
            Self::True => "true".to_owned(),
        }
    }

    fn to_json(&self) -> String {
        match self {
            Self::Text(text) => double_quoted(text).to_string(),
            Self::True => "true".to_owned(),
        }
    }
}
