//! JSON.

use super::sink::Sink;
use super::{Disclosure, write_number};
use crate::{Exposed, Mapping, Value};

pub(super) fn write(sink: &mut Sink, value: &Value, disclosure: Disclosure) {
    match value {
        Value::Null => sink.push("null"),
        Value::Bool(value) => sink.push_display(value),
        Value::Number(number) => write_number(sink, *number),
        Value::String(text) => write_string(sink, text),
        Value::Sensitive(scalar) => match disclosure.of(scalar) {
            Exposed::String(text) => write_string(sink, text),
            Exposed::Bool(value) => sink.push_display(value),
            Exposed::Number(number) => write_number(sink, number),
        },
        Value::Sequence(items) => write_sequence(sink, items, disclosure),
        Value::Mapping(mapping) => write_mapping(sink, mapping, disclosure),
    }
}

fn write_sequence(sink: &mut Sink, items: &[Value], disclosure: Disclosure) {
    sink.push("[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            sink.push(",");
        }
        write(sink, item, disclosure);
    }
    sink.push("]");
}

fn write_mapping(sink: &mut Sink, mapping: &Mapping, disclosure: Disclosure) {
    sink.push("{");
    for (index, (key, value)) in mapping.iter().enumerate() {
        if index > 0 {
            sink.push(",");
        }
        write_string(sink, key);
        sink.push(":");
        write(sink, value, disclosure);
    }
    sink.push("}");
}

/// RFC 8259 §7, and the two separators that are line breaks in JavaScript and in YAML 1.1.
pub(super) fn write_string(sink: &mut Sink, text: &str) {
    sink.push("\"");
    let mut rest = text;
    while let Some(at) = rest.find(needs_escape) {
        sink.push(rest.get(..at).unwrap_or_default());
        let mut characters = rest.get(at..).unwrap_or_default().chars();
        match characters.next() {
            Some('"') => sink.push("\\\""),
            Some('\\') => sink.push("\\\\"),
            Some('\n') => sink.push("\\n"),
            Some('\r') => sink.push("\\r"),
            Some('\t') => sink.push("\\t"),
            Some(other) => sink.push_display(format_args!("\\u{:04x}", u32::from(other))),
            None => {}
        }
        rest = characters.as_str();
    }
    sink.push(rest);
    sink.push("\"");
}

fn needs_escape(character: char) -> bool {
    matches!(
        character,
        '"' | '\\' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    ) || character.is_control()
}
