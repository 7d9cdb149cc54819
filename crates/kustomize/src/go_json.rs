//! JSON as Go's `encoding/json` writes it.

use manifest_yaml::{Mapping, Value, to_json_exposed};
use zeroize::Zeroizing;

/// How a text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// In one line, without spaces.
    Compact,
    /// One entry a line, by two spaces (`MarshalIndent`).
    Indented,
}

/// Writes a value with sorted keys, sensitive scalars in plain.
pub(crate) fn to_go_json(value: &Value, layout: Layout) -> Zeroizing<String> {
    let mut writer = Writer {
        text: Zeroizing::new(String::new()),
        layout,
        depth: 0,
    };
    writer.value(value);
    writer.text
}

/// Writes a string with the escapes of Go, which keeps HTML's special characters out.
pub(crate) fn write_string(text: &str, write: &mut dyn FnMut(&str)) {
    write("\"");
    for character in text.chars() {
        match character {
            '"' => write("\\\""),
            '\\' => write("\\\\"),
            '\n' => write("\\n"),
            '\r' => write("\\r"),
            '\t' => write("\\t"),
            '\u{8}' => write("\\b"),
            '\u{c}' => write("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => write(character.encode_utf8(&mut [0; 4])),
        }
    }
    write("\"");
}

/// The keys of a map as Go sorts them.
pub(crate) fn sorted_keys(map: &Mapping) -> Vec<&str> {
    let mut keys: Vec<&str> = map.keys().collect();
    keys.sort_unstable();
    keys
}

struct Writer {
    text: Zeroizing<String>,
    layout: Layout,
    depth: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.string(text),
            Value::Sequence(items) => self.collection('[', ']', items, Self::value),
            Value::Mapping(map) => {
                let entries: Vec<(&str, &Value)> = sorted_keys(map)
                    .into_iter()
                    .filter_map(|key| Some((key, map.get(key)?)))
                    .collect();
                self.collection('{', '}', &entries, |writer, (key, value)| {
                    writer.string(key);
                    writer.text.push(':');
                    if writer.layout == Layout::Indented {
                        writer.text.push(' ');
                    }
                    writer.value(value);
                });
            }
            scalar => self
                .text
                .push_str(&String::from_utf8_lossy(&to_json_exposed(scalar))),
        }
    }

    fn string(&mut self, text: &str) {
        let out = &mut self.text;
        write_string(text, &mut |piece| out.push_str(piece));
    }

    fn collection<T>(&mut self, open: char, close: char, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.text.push(open);
        self.depth += 1;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.line_break();
            write(self, item);
        }
        self.depth -= 1;
        if !items.is_empty() {
            self.line_break();
        }
        self.text.push(close);
    }

    fn line_break(&mut self) {
        if self.layout == Layout::Indented {
            self.text.push('\n');
            for _ in 0..self.depth {
                self.text.push_str("  ");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go_does() {
        let map: Mapping = [
            ("b".to_owned(), Value::from("<&>\u{2028}")),
            (
                "a".to_owned(),
                vec![Value::Null, 1.into(), Mapping::new().into()].into(),
            ),
        ]
        .into_iter()
        .collect();
        let value = Value::Mapping(map);
        assert_eq!(
            *to_go_json(&value, Layout::Compact),
            r#"{"a":[null,1,{}],"b":"\u003c\u0026\u003e\u2028"}"#
        );
        assert_eq!(
            *to_go_json(&value, Layout::Indented),
            "{\n  \"a\": [\n    null,\n    1,\n    {}\n  ],\n  \"b\": \"\\u003c\\u0026\\u003e\\u2028\"\n}"
        );
    }
}
