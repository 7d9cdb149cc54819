//! How an opened value is written into a text.

use manifest_yaml::syntax::CollectionStyle;
use manifest_yaml::{Sensitive, Value, to_yaml_exposed};
use zeroize::Zeroizing;

use crate::format::{Format, dotenv, ini};
use crate::scalar::{Kind, Scalar, TRUE};

/// Where a value is written.
pub(crate) struct Setting<'text> {
    pub(crate) format: Format,
    pub(crate) layout: CollectionStyle,
    /// Spaces before the lines of a block scalar.
    pub(crate) indent: usize,
    /// The line break of the text.
    pub(crate) line_break: &'text str,
    /// The comment at the end of the line, without `#`. Only a block scalar takes it in, beside its header: behind its
    /// last line it would become part of it.
    pub(crate) comment: Option<&'text str>,
}

/// The line break of a text, by its first one.
pub(crate) fn line_break_of(text: &str) -> &'static str {
    match text
        .find('\n')
        .and_then(|at| at.checked_sub(1))
        .and_then(|before| text.as_bytes().get(before))
    {
        Some(b'\r') => "\r\n",
        _ => "\n",
    }
}

/// The text of a value that reads back as the same value, in YAML and JSON with the same type; `None` where the format
/// has no such text. Floats without a fraction are written like integers, as sops does; both have the same bytes under
/// the message authentication code. An infinity has no form in JSON: [`unseal`](crate::unseal) has refused it.
pub(crate) fn render(scalar: &Scalar<'_>, setting: &Setting<'_>) -> Option<Zeroizing<String>> {
    let text = scalar.as_str();
    if is_block(scalar, setting) {
        return Some(literal(text, setting));
    }
    let plain = |text: &str| Some(Zeroizing::new(text.to_owned()));
    match (scalar.kind(), setting.format) {
        (Kind::Bool, _) => plain(if text == TRUE { "true" } else { "false" }),
        (Kind::String | Kind::Bytes | Kind::Comment, Format::Dotenv) => dotenv::written(text),
        (Kind::String | Kind::Bytes | Kind::Comment, Format::Ini) => ini::written(text),
        (Kind::Integer, _)
        | (Kind::Time, Format::Yaml)
        | (Kind::Time | Kind::Float, Format::Dotenv | Format::Ini) => plain(text),
        (Kind::Float, _) => plain(match text {
            "+Inf" => ".inf",
            "-Inf" => "-.inf",
            "NaN" => ".nan",
            "-0" => "-0.0",
            text => text,
        }),
        (Kind::Time | Kind::String | Kind::Bytes | Kind::Comment, _) => Some(string(text, setting)),
    }
}

/// Whether a value is written as a block scalar.
pub(crate) fn is_block(scalar: &Scalar<'_>, setting: &Setting<'_>) -> bool {
    scalar.kind() == Kind::String
        && setting.format == Format::Yaml
        && setting.layout == CollectionStyle::Block
        && is_fit_for_literal(scalar.as_str())
}

fn string(text: &str, setting: &Setting<'_>) -> Zeroizing<String> {
    if setting.format != Format::Yaml || setting.layout == CollectionStyle::Flow {
        return double_quoted(text);
    }
    if text.contains(['\n', '\r']) {
        return double_quoted(text);
    }
    let mut written = to_yaml_exposed(&Value::Sensitive(Sensitive::string(text.to_owned())));
    while written.ends_with('\n') {
        written.pop();
    }
    if written.contains('\n') {
        double_quoted(text)
    } else {
        written
    }
}

/// Several lines that every reader takes from a `|` block as they are: without leading spaces that would need an
/// indentation indicator, without lines of blanks, with at most one line break at the end.
fn is_fit_for_literal(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !lines.starts_with([' ', '\t', '\n'])
        && !lines.ends_with('\n')
        && text
            .chars()
            .all(|character| character == '\n' || character == '\t' || !needs_escape(character))
        && lines
            .split('\n')
            .all(|line| line.is_empty() || !line.trim().is_empty())
}

fn literal(text: &str, setting: &Setting<'_>) -> Zeroizing<String> {
    let (header, lines) = match text.strip_suffix('\n') {
        Some(lines) => ("|", lines),
        None => ("|-", text),
    };
    let per_line = setting.indent + setting.line_break.len();
    let comment = setting.comment.map_or(0, |comment| " #".len() + comment.len());
    let capacity = text.len() + (lines.split('\n').count() + 1) * per_line + header.len() + comment;
    let mut written = Zeroizing::new(String::with_capacity(capacity));
    written.push_str(header);
    if let Some(comment) = setting.comment {
        written.push_str(" #");
        written.push_str(comment);
    }
    for line in lines.split('\n') {
        written.push_str(setting.line_break);
        if !line.is_empty() {
            written.extend(std::iter::repeat_n(' ', setting.indent));
            written.push_str(line);
        }
    }
    written
}

/// A string in double quotes, with escapes that JSON and YAML share.
pub(crate) fn double_quoted(text: &str) -> Zeroizing<String> {
    // The longest escape is six bytes for one.
    let mut written = Zeroizing::new(String::with_capacity(text.len() * 6 + 2));
    written.push('"');
    for character in text.chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if needs_escape(character) => {
                written.push_str("\\u");
                let code = u32::from(character);
                for shift in [12, 8, 4, 0] {
                    written.extend(char::from_digit((code >> shift) & 0xF, 16));
                }
            }
            _ => written.push(character),
        }
    }
    written.push('"');
    written
}

/// What YAML or one of its readers does not take as it is: controls, line separators, byte order marks.
fn needs_escape(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

#[cfg(test)]
mod tests {
    use manifest_yaml::syntax::parse_yaml;
    use manifest_yaml::{Limits, Schema, from_json, from_yaml};
    use proptest::prelude::*;

    use super::*;
    use crate::scalar::Text;

    fn setting(format: Format, layout: CollectionStyle) -> Setting<'static> {
        Setting {
            format,
            layout,
            indent: 2,
            line_break: "\n",
            comment: None,
        }
    }

    fn rendered(kind: Kind, text: &str, setting: &Setting<'_>) -> String {
        let scalar = Scalar::from_plaintext(kind, Text::Borrowed(text)).unwrap();
        render(&scalar, setting).unwrap().to_string()
    }

    #[test]
    fn types_survive() {
        let table = [
            (Kind::Integer, "42"),
            (Kind::Float, "1.5"),
            (Kind::Float, "+Inf"),
            (Kind::Float, "NaN"),
            (Kind::Float, "-0"),
            (Kind::Float, "0.0000001"),
            (Kind::Bool, "True"),
            (Kind::Time, "2024-01-01T00:00:00Z"),
            (Kind::String, "42"),
            (Kind::String, "true"),
            (Kind::String, "2024-01-01"),
            (Kind::String, "~"),
        ];
        for (kind, text) in table {
            let written = rendered(kind, text, &setting(Format::Yaml, CollectionStyle::Block));
            let stream = parse_yaml(&written, &Limits::default()).unwrap();
            let root = stream.documents()[0].root.as_ref().unwrap();
            let read = Scalar::resolve(root, Format::Yaml).unwrap().unwrap();
            assert_eq!((read.kind(), read.as_str()), (kind, text), "{written}");
        }
    }

    #[test]
    fn several_lines_are_a_block() {
        let block = setting(Format::Yaml, CollectionStyle::Block);
        let table = [
            ("a\nb\n", "|\n  a\n  b"),
            ("a\n\nb", "|-\n  a\n\n  b"),
            ("a\nb\n\n", "\"a\\nb\\n\\n\""),
            (" a\nb\n", "\" a\\nb\\n\""),
            ("a\n \nb", "\"a\\n \\nb\""),
            ("a\r\nb", "\"a\\r\\nb\""),
            ("a\n", "\"a\\n\""),
        ];
        for (text, expected) in table {
            assert_eq!(rendered(Kind::String, text, &block), expected);
        }
    }

    #[test]
    fn the_line_break_is_that_of_the_first_line() {
        for (text, expected) in [
            ("", "\n"),
            ("a", "\n"),
            ("a\nb\r\n", "\n"),
            ("a\r\nb\n", "\r\n"),
            ("\n", "\n"),
        ] {
            assert_eq!(line_break_of(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn strings_read_back(text in "(\\PC|[\n\r\t #:'\"\\\\\\[\\]{},&*!|>%@`-]){0,40}", flow in any::<bool>()) {
            let layout = if flow { CollectionStyle::Flow } else { CollectionStyle::Block };
            let written = rendered(Kind::String, &text, &setting(Format::Yaml, layout));
            let document = if flow { format!("k: [{written}]\n") } else { format!("k: {written}\nafter: x\n") };
            for schema in [Schema::Kubernetes, Schema::GoYamlV3] {
                let read = from_yaml(document.as_bytes(), schema, &Limits::default()).unwrap();
                let value = read[0].value.get_path(&["k"]).unwrap();
                let value = if flow { &value.as_sequence().unwrap()[0] } else { value };
                prop_assert_eq!(value.as_str(), Some(text.as_str()), "{}", document);
            }
            let json = format!("{{\"k\": {}}}", rendered(Kind::String, &text, &setting(Format::Json, CollectionStyle::Flow)));
            let read = from_json(json.as_bytes(), &Limits::default()).unwrap();
            prop_assert_eq!(read[0].value.get_path(&["k"]).unwrap().as_str(), Some(text.as_str()));
        }
    }
}
