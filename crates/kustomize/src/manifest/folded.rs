//! Folded texts that go-yaml has written and read again.

use manifest_yaml::Limits;
use manifest_yaml::syntax::parse_yaml;

/// What a folded text becomes; nothing where it stays as it is.
pub(super) fn written_and_read(text: &str) -> Option<String> {
    if !text.contains('\n') {
        return None;
    }
    let written = format!("- >{}\n{}", hints(text), body(text));
    let stream = parse_yaml(&written, &Limits::default()).ok()?;
    let [document] = stream.documents() else {
        return None;
    };
    let [item] = document.root.as_ref()?.as_items()? else {
        return None;
    };
    item.as_scalar().filter(|read| *read != text).map(str::to_owned)
}

/// The indicators behind `>` (`yaml_emitter_write_block_scalar_hints` of go-yaml's emitterc.go).
fn hints(text: &str) -> String {
    let indentation = if text.starts_with([' ', '\n']) { "2" } else { "" };
    let chomping = match text.strip_suffix('\n') {
        None => "-",
        Some("") => "+",
        Some(rest) if rest.ends_with('\n') => "+",
        Some(_) => "",
    };
    format!("{indentation}{chomping}")
}

/// The lines (`yaml_emitter_write_folded_scalar`). Whether a break between lines is doubled, so that it is not taken for
/// a space, is decided by the beginning of the whole text and not of the next line: that is what goes wrong.
fn body(text: &str) -> String {
    let first = text.trim_start_matches('\n').chars().next();
    let doubles = first.is_some_and(|first| !matches!(first, ' ' | '\t'));
    let mut body = String::new();
    let mut in_breaks = true;
    let mut is_indented_more = true;
    for character in text.chars() {
        if character == '\n' {
            if !in_breaks && !is_indented_more && doubles {
                body.push('\n');
            }
            body.push('\n');
            in_breaks = true;
            continue;
        }
        if in_breaks {
            body.push_str("  ");
            is_indented_more = matches!(character, ' ' | '\t');
        }
        body.push(character);
        in_breaks = false;
    }
    if !body.ends_with('\n') {
        body.push('\n');
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_are_added_before_lines_that_are_indented_more() {
        for (text, expected) in [
            ("one line", None),
            ("one\ntwo\n", None),
            ("call(\n  argument\n)", Some("call(\n\n  argument\n)")),
            ("a\n  b\n  c\nd\n", Some("a\n\n  b\n  c\nd\n")),
        ] {
            assert_eq!(written_and_read(text).as_deref(), expected, "{text:?}");
        }
    }
}
