//! An opened file written in another format, as `sops decrypt --output-type` does it.

use manifest_yaml::{Exposed, Number, Value, to_json_exposed, to_yaml_exposed};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::format::{Format, dotenv, ini};
use crate::key_path::{KeyPath, PathStep};
use crate::open::Opened;
use crate::plain_text::double_quoted;
use crate::unseal::PAYLOAD_KEY;

/// Why an opened file has no form in a format. It holds keys, never values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// Several documents, where the format has one. (sops writes the first one and drops the others.)
    #[error("failed to write {documents} documents as {format}: it holds one")]
    SeveralDocuments {
        /// How many there are.
        documents: usize,
        /// The name of the format.
        format: &'static str,
    },
    /// A value that the format has no form for at its place: a list in dotenv, a string outside a section of an ini
    /// file, a null where everything is text.
    #[error("failed to write {path} as {format}: it has no form for it")]
    Unwritable {
        /// Which value.
        path: KeyPath,
        /// The name of the format.
        format: &'static str,
    },
}

impl Opened {
    /// The plain file in a format that may be another than it had. Comments are left out; types are kept where the
    /// format has them.
    pub fn write_as(&self, format: Format) -> Result<Zeroizing<Vec<u8>>, ConvertError> {
        if format == Format::Yaml {
            return Ok(self.write_yaml());
        }
        let mut text = Zeroizing::new(String::new());
        let empty = Value::Mapping(manifest_yaml::Mapping::new());
        let document = match self.documents.as_slice() {
            [] => &empty,
            [document] => document,
            documents => {
                return Err(ConvertError::SeveralDocuments {
                    documents: documents.len(),
                    format: format.name(),
                });
            }
        };
        let mut writer = Writer {
            text: &mut text,
            format,
            path: Vec::new(),
        };
        match format {
            Format::Yaml => {}
            Format::Json => {
                writer.json(document, 0);
                writer.push("\n");
            }
            Format::Dotenv => writer.dotenv(document)?,
            Format::Ini => writer.ini(document)?,
            Format::Binary => writer.binary(document)?,
        }
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn write_yaml(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::new());
        for (index, document) in self.documents.iter().enumerate() {
            if index > 0 {
                append(&mut bytes, b"---\n");
            }
            append(&mut bytes, to_yaml_exposed(document).as_bytes());
        }
        bytes
    }
}

/// Appends to a buffer that is wiped before it grows.
fn append(buffer: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    if buffer.capacity() - buffer.len() < bytes.len() {
        let mut grown = Zeroizing::new(Vec::with_capacity((buffer.len() + bytes.len()) * 2));
        grown.extend_from_slice(buffer);
        *buffer = grown;
    }
    buffer.extend_from_slice(bytes);
}

struct Writer<'a> {
    text: &'a mut Zeroizing<String>,
    format: Format,
    path: Vec<PathStep>,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        if self.text.capacity() - self.text.len() < text.len() {
            let mut grown = Zeroizing::new(String::with_capacity((self.text.len() + text.len()) * 2));
            grown.push_str(self.text);
            *self.text = grown;
        }
        self.text.push_str(text);
    }

    fn unwritable(&self) -> ConvertError {
        ConvertError::Unwritable {
            path: self.path.iter().cloned().collect(),
            format: self.format.name(),
        }
    }

    /// JSON with a tab for every level.
    fn json(&mut self, value: &Value, level: usize) {
        match value {
            Value::Mapping(mapping) if !mapping.is_empty() => {
                self.push("{");
                for (index, (key, value)) in mapping.iter().enumerate() {
                    self.json_line(index, level + 1);
                    self.push(&double_quoted(key));
                    self.push(": ");
                    self.json(value, level + 1);
                }
                self.json_end("}", level);
            }
            Value::Sequence(items) if !items.is_empty() => {
                self.push("[");
                for (index, item) in items.iter().enumerate() {
                    self.json_line(index, level + 1);
                    self.json(item, level + 1);
                }
                self.json_end("]", level);
            }
            scalar => {
                let bytes = to_json_exposed(scalar);
                self.push(str::from_utf8(&bytes).unwrap_or_default());
            }
        }
    }

    fn json_line(&mut self, index: usize, level: usize) {
        self.push(if index > 0 { ",\n" } else { "\n" });
        self.push(&"\t".repeat(level));
    }

    fn json_end(&mut self, bracket: &str, level: usize) {
        self.push("\n");
        self.push(&"\t".repeat(level));
        self.push(bracket);
    }

    fn dotenv(&mut self, document: &Value) -> Result<(), ConvertError> {
        for (key, value) in document
            .as_mapping()
            .into_iter()
            .flat_map(manifest_yaml::Mapping::iter)
        {
            self.path.push(PathStep::Key(key.to_owned()));
            // What would read back as another key, or as the block.
            if key.contains(['=', '\n']) || key.starts_with('#') || key.starts_with(dotenv::BLOCK_PREFIX) {
                return Err(self.unwritable());
            }
            let text = self.scalar(value)?;
            let written = dotenv::written(&text).ok_or_else(|| self.unwritable())?;
            for part in [key, "=", &written, "\n"] {
                self.push(part);
            }
            self.path.pop();
        }
        Ok(())
    }

    fn ini(&mut self, document: &Value) -> Result<(), ConvertError> {
        let sections = document
            .as_mapping()
            .into_iter()
            .flat_map(manifest_yaml::Mapping::iter);
        for (name, section) in sections {
            self.path.push(PathStep::Key(name.to_owned()));
            let entries = section.as_mapping().ok_or_else(|| self.unwritable())?;
            if name.is_empty() || name.contains(['\n', '\r']) {
                return Err(self.unwritable());
            }
            // The default section has no header, and stands above all others.
            let is_default = name == ini::DEFAULT_SECTION && self.text.is_empty();
            if is_default && entries.is_empty() {
                self.path.pop();
                continue;
            }
            if !self.text.is_empty() {
                self.push("\n");
            }
            if !is_default {
                for part in ["[", name, "]\n"] {
                    self.push(part);
                }
            }
            let width = entries
                .iter()
                .map(|(key, _)| key.chars().count())
                .max()
                .unwrap_or_default();
            for (key, value) in entries.iter() {
                self.path.push(PathStep::Key(key.to_owned()));
                if !ini::is_plain_key(key) {
                    return Err(self.unwritable());
                }
                let text = self.scalar(value)?;
                let written = ini::written(&text).ok_or_else(|| self.unwritable())?;
                for part in [format!("{key:width$}").as_str(), " = ", &written, "\n"] {
                    self.push(part);
                }
                self.path.pop();
            }
            self.path.pop();
        }
        Ok(())
    }

    fn binary(&mut self, document: &Value) -> Result<(), ConvertError> {
        self.path.push(PathStep::Key(PAYLOAD_KEY.to_owned()));
        let payload = document
            .get_path(&[PAYLOAD_KEY])
            .ok_or_else(|| self.unwritable())?;
        let is_string = match payload {
            Value::String(_) => true,
            Value::Sensitive(value) => matches!(value.expose(), Exposed::String(_)),
            _ => false,
        };
        if !is_string {
            return Err(self.unwritable());
        }
        let text = self.scalar(payload)?;
        self.push(&text);
        Ok(())
    }

    /// A scalar as text (`ValToString` in stores/stores.go).
    fn scalar(&self, value: &Value) -> Result<Zeroizing<String>, ConvertError> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number_text(*number),
            Value::Sensitive(value) => match value.expose() {
                Exposed::String(text) => text.to_owned(),
                Exposed::Bool(value) => value.to_string(),
                Exposed::Number(number) => number_text(number),
            },
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => return Err(self.unwritable()),
        };
        Ok(Zeroizing::new(text))
    }
}

fn number_text(number: Number) -> String {
    match number {
        Number::Integer(value) => value.to_string(),
        Number::Unsigned(value) => value.to_string(),
        Number::Float(value) => float_text(value),
    }
}

/// `strconv.FormatFloat(value, 'G', -1, 64)`, with a digit after the point where it would look like an integer.
fn float_text(value: f64) -> String {
    let scientific = format!("{value:E}");
    let (digits, exponent) = scientific.split_once('E').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Go takes a precision of 6 for this decision where the digits are the shortest.
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}E{sign}{:02}", exponent.abs());
    }
    let plain = value.to_string();
    if plain.contains('.') {
        plain
    } else {
        format!("{plain}.0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, expected) in [
            (1.0, "1.0"),
            (1.5, "1.5"),
            (100_000.0, "100000.0"),
            (1_000_000.0, "1E+06"),
            (123_456_789.25, "1.2345678925E+08"),
            (1e22, "1E+22"),
            (0.0001, "0.0001"),
            (0.00001, "1E-05"),
            (-0.5, "-0.5"),
        ] {
            assert_eq!(float_text(value), expected);
        }
    }
}
