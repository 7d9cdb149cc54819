//! YAML, as kubectl and kustomize write it: two spaces, lists not indented under their key.

use super::sink::Sink;
use super::{Disclosure, json, write_number};
use crate::syntax::ScalarStyle;
use crate::{Exposed, Mapping, Scalar, Schema, Value, resolve_scalar};

/// go-yaml's scanner takes a key on one line up to 1,024 characters; a longer one needs `?`.
const LONGEST_SIMPLE_KEY: usize = 1000;

pub(super) fn write(sink: &mut Sink, value: &Value, disclosure: Disclosure) {
    let writer = Writer { disclosure };
    match value {
        Value::Mapping(mapping) if !mapping.is_empty() => writer.mapping(sink, mapping, 0),
        Value::Sequence(items) if !items.is_empty() => writer.sequence(sink, items, 0),
        scalar => {
            writer.scalar(sink, scalar, 0);
            sink.push("\n");
        }
    }
}

struct Writer {
    disclosure: Disclosure,
}

impl Writer {
    /// The entries of a map; the first one starts where the sink is.
    fn mapping(&self, sink: &mut Sink, mapping: &Mapping, indent: usize) {
        for (index, (key, value)) in mapping.iter().enumerate() {
            if index > 0 {
                push_indent(sink, indent);
            }
            if key.chars().count() > LONGEST_SIMPLE_KEY {
                sink.push("? ");
                write_inline(sink, key);
                sink.push("\n");
                push_indent(sink, indent);
            } else {
                write_inline(sink, key);
            }
            sink.push(":");
            match value {
                Value::Mapping(inner) if !inner.is_empty() => {
                    sink.push("\n");
                    push_indent(sink, indent + 2);
                    self.mapping(sink, inner, indent + 2);
                }
                Value::Sequence(items) if !items.is_empty() => {
                    sink.push("\n");
                    push_indent(sink, indent);
                    self.sequence(sink, items, indent);
                }
                scalar => {
                    sink.push(" ");
                    self.scalar(sink, scalar, indent);
                    sink.push("\n");
                }
            }
        }
    }

    /// The items of a list; the first one starts where the sink is.
    fn sequence(&self, sink: &mut Sink, items: &[Value], indent: usize) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                push_indent(sink, indent);
            }
            sink.push("- ");
            match item {
                Value::Mapping(inner) if !inner.is_empty() => self.mapping(sink, inner, indent + 2),
                Value::Sequence(inner) if !inner.is_empty() => self.sequence(sink, inner, indent + 2),
                scalar => {
                    self.scalar(sink, scalar, indent);
                    sink.push("\n");
                }
            }
        }
    }

    /// A scalar or an empty collection, without the line break after it.
    fn scalar(&self, sink: &mut Sink, value: &Value, indent: usize) {
        match value {
            Value::Null => sink.push("null"),
            Value::Bool(value) => sink.push_display(value),
            Value::Number(number) => write_number(sink, *number),
            Value::String(text) => write_string(sink, text, indent),
            Value::Sensitive(scalar) => match self.disclosure.of(scalar) {
                Exposed::String(text) => write_string(sink, text, indent),
                Exposed::Bool(value) => sink.push_display(value),
                Exposed::Number(number) => write_number(sink, number),
            },
            Value::Sequence(_) => sink.push("[]"),
            Value::Mapping(_) => sink.push("{}"),
        }
    }
}

fn push_indent(sink: &mut Sink, indent: usize) {
    for _ in 0..indent {
        sink.push(" ");
    }
}

fn write_string(sink: &mut Sink, text: &str, indent: usize) {
    if is_block_safe(text) {
        write_block(sink, text, indent);
    } else {
        write_inline(sink, text);
    }
}

/// Whether a literal block keeps the text: it has lines, none is only space, and the first shows the indentation.
fn is_block_safe(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && text
            .chars()
            .all(|character| matches!(character, '\n' | '\t') || is_printable(character))
        && text
            .lines()
            .all(|line| line.is_empty() || !line.trim().is_empty())
}

fn write_block(sink: &mut Sink, text: &str, indent: usize) {
    let body = text.trim_end_matches('\n');
    sink.push(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        sink.push("\n");
        if !line.is_empty() {
            push_indent(sink, indent + 2);
            sink.push(line);
        }
    }
}

/// A string on one line, in the lightest style that keeps it a string everywhere.
fn write_inline(sink: &mut Sink, text: &str) {
    if is_plain_safe(text) {
        sink.push(text);
    } else if text.contains(['"', '\\']) && text.chars().all(is_printable) {
        sink.push("'");
        for (index, part) in text.split('\'').enumerate() {
            if index > 0 {
                sink.push("''");
            }
            sink.push(part);
        }
        sink.push("'");
    } else {
        // Every JSON string is a double-quoted YAML scalar.
        json::write_string(sink, text);
    }
}

fn is_plain_safe(text: &str) -> bool {
    is_plain_form(text) && !is_another_type(text)
}

/// Whether a text can be a plain scalar at all, on one line and anywhere in a block collection.
fn is_plain_form(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let starts_well = match first {
        '-' => text
            .chars()
            .nth(1)
            .is_some_and(|second| second == '-' || second.is_ascii_alphanumeric()),
        '/' | '_' | '.' | '+' | '(' | '$' | '^' | ';' | '~' | '\\' | '<' | '=' => true,
        _ => first.is_alphanumeric(),
    };
    starts_well
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(is_printable)
}

/// Whether some reader takes a plain scalar for something else than a string: by its words in any case (YAML 1.1), by
/// either schema, or because it is made of what numbers, times and sexagesimals are made of.
fn is_another_type(text: &str) -> bool {
    const WORDS: [&str; 17] = [
        "", "~", "null", "y", "n", "yes", "no", "on", "off", "true", "false", ".inf", "+.inf", "-.inf",
        ".nan", "<<", "=",
    ];
    let is_string = |schema| {
        matches!(
            resolve_scalar(schema, text, ScalarStyle::Plain, None),
            Ok(Scalar::String(_))
        )
    };
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.'))
            && text.contains(|character: char| character.is_ascii_digit())
            && text.chars().all(|character| {
                character.is_ascii_hexdigit()
                    || matches!(
                        character,
                        '+' | '-'
                            | '.'
                            | ','
                            | ':'
                            | '_'
                            | ' '
                            | 'x'
                            | 'X'
                            | 'o'
                            | 'O'
                            | 'T'
                            | 't'
                            | 'Z'
                            | 'z'
                    )
            })
        || !is_string(Schema::Kubernetes)
        || !is_string(Schema::GoYamlV3)
}

/// Characters that are themselves in every style: no controls, no line breaks of any YAML version, no invisible marks.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}
