//! How a new value is written.

use manifest_yaml::syntax::CollectionStyle;
use manifest_yaml::{Exposed, Number, Value, to_json_exposed, to_yaml_exposed};
use zeroize::Zeroizing;

use crate::format::Format;
use crate::plain_text::{self, Setting, double_quoted};
use crate::scalar::{Kind, Scalar, Text};

/// The text that a value is put into.
pub(super) struct Writing<'a> {
    pub(super) format: Format,
    pub(super) layout: CollectionStyle,
    /// Spaces before the lines of what takes several.
    pub(super) indent: usize,
    pub(super) line_break: &'a str,
}

impl Writing<'_> {
    /// In brackets, or in a format of lines. JSON is YAML there.
    pub(super) fn inline(&self, value: &Value) -> Option<Zeroizing<String>> {
        match (self.format, value) {
            (_, Value::Null) if matches!(self.format, Format::Dotenv | Format::Ini) => None,
            (_, Value::Sequence(_) | Value::Mapping(_))
                if matches!(self.format, Format::Dotenv | Format::Ini) =>
            {
                None
            }
            (_, Value::Null | Value::Sequence(_) | Value::Mapping(_)) => {
                let json = to_json_exposed(value);
                Some(Zeroizing::new(str::from_utf8(&json).ok()?.to_owned()))
            }
            (Format::Yaml, _) => self.scalar(value, CollectionStyle::Flow),
            _ => self.scalar(value, self.layout),
        }
    }

    /// Behind `key:`, the space included.
    pub(super) fn behind_key(&self, value: &Value, has_comment: bool) -> Option<Zeroizing<String>> {
        if is_empty(value) || !is_collection(value) {
            return self.one_line(value, has_comment).map(|text| prefixed(" ", &text));
        }
        let lines = self.lines(value);
        Some(prefixed(
            &format!("{}{}", self.line_break, " ".repeat(self.indent)),
            &lines,
        ))
    }

    /// Behind `- `.
    pub(super) fn behind_dash(&self, value: &Value, has_comment: bool) -> Option<Zeroizing<String>> {
        if is_empty(value) || !is_collection(value) {
            return self.one_line(value, has_comment);
        }
        Some(self.lines(value))
    }

    fn one_line(&self, value: &Value, has_comment: bool) -> Option<Zeroizing<String>> {
        if is_collection(value) || matches!(value, Value::Null) {
            return self.inline(value);
        }
        // A block scalar would take the comment in.
        let is_long = canonical(value, self.format).is_some_and(|(_, text)| text.contains('\n'));
        let layout = if has_comment && is_long {
            CollectionStyle::Flow
        } else {
            self.layout
        };
        self.scalar(value, layout)
    }

    fn scalar(&self, value: &Value, layout: CollectionStyle) -> Option<Zeroizing<String>> {
        let (kind, text) = canonical(value, self.format)?;
        let scalar = Scalar::from_plaintext(kind, Text::Borrowed(&text))?;
        plain_text::render(
            &scalar,
            &Setting {
                format: self.format,
                layout,
                indent: self.indent,
                line_break: self.line_break,
                comment: None,
            },
        )
    }

    /// The lines of a collection: all but the first one indented.
    fn lines(&self, value: &Value) -> Zeroizing<String> {
        let text = to_yaml_exposed(value);
        let separator = format!("{}{}", self.line_break, " ".repeat(self.indent));
        let count = text.lines().count();
        let mut written = Zeroizing::new(String::with_capacity(text.len() + count * separator.len()));
        for (index, line) in text.lines().enumerate() {
            if index > 0 {
                written.push_str(if line.is_empty() {
                    self.line_break
                } else {
                    &separator
                });
            }
            written.push_str(line);
        }
        written
    }
}

/// A key as it is written before its colon; `None` if it has no form.
pub(super) fn key_text(key: &str, format: Format, layout: CollectionStyle) -> Option<Zeroizing<String>> {
    if format != Format::Yaml || layout == CollectionStyle::Flow || key.contains(['\n', '\r']) {
        return Some(double_quoted(key));
    }
    let scalar = Scalar::from_plaintext(Kind::String, Text::Borrowed(key))?;
    plain_text::render(
        &scalar,
        &Setting {
            format,
            layout,
            indent: 0,
            line_break: "\n",
            comment: None,
        },
    )
}

pub(super) fn is_sensitive_number(value: &Value) -> bool {
    matches!(value, Value::Sensitive(value) if matches!(value.expose(), Exposed::Number(_)))
}

fn is_collection(value: &Value) -> bool {
    matches!(value, Value::Mapping(_) | Value::Sequence(_))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Mapping(entries) => entries.is_empty(),
        Value::Sequence(items) => items.is_empty(),
        _ => false,
    }
}

/// A scalar as sops types it; `None` for one that sops has no type for.
fn canonical(value: &Value, format: Format) -> Option<(Kind, Zeroizing<String>)> {
    let exposed = match value {
        Value::String(text) => Exposed::String(text),
        Value::Bool(value) => Exposed::Bool(*value),
        Value::Number(number) => Exposed::Number(*number),
        Value::Sensitive(value) => value.expose(),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => return None,
    };
    let (kind, text) = match exposed {
        Exposed::String(text) => (Kind::String, text.to_owned()),
        Exposed::Bool(value) => (Kind::Bool, value.to_string()),
        Exposed::Number(Number::Integer(value)) => (Kind::Integer, value.to_string()),
        Exposed::Number(Number::Unsigned(_)) if format == Format::Yaml => return None,
        Exposed::Number(Number::Unsigned(value)) => (Kind::Float, value.to_string()),
        Exposed::Number(Number::Float(value)) => (Kind::Float, value.to_string()),
    };
    Some((kind, Zeroizing::new(text)))
}

fn prefixed(prefix: &str, text: &str) -> Zeroizing<String> {
    let mut written = Zeroizing::new(String::with_capacity(prefix.len() + text.len()));
    written.push_str(prefix);
    written.push_str(text);
    written
}
