//! JSON in a text: paths of targets can lead on into it (`setValueInStructuredData` of kustomize's replacement.go).

use manifest_yaml::{Limits, Schema, Value, from_yaml};

use super::targets::{Set, Walk};
use crate::field_path::Part;
use crate::go_json::{Layout, to_go_json};
use crate::scalar::{Text, Visibility};

/// The text after `set` has run on the fields in it that the path leads to, and how many these are. It is sensitive if
/// anything in it has become so.
pub(super) fn visit_text(
    walk: &Walk<'_>,
    text: &Text,
    parts: &[Part],
    set: &mut Set<'_>,
) -> Result<(usize, Text), String> {
    let visibility = text.visibility;
    let text = text.text.as_str();
    let mut documents = from_yaml(text.as_bytes(), Schema::GoYamlV3, &Limits::default())
        .map_err(|_| "leads into a text that is neither JSON nor YAML".to_owned())?
        .into_iter();
    let mut value = match (documents.next(), documents.next()) {
        (Some(document), None) => document.value,
        _ => return Err("leads into a text that is not one document".to_owned()),
    };
    if !matches!(value, Value::Mapping(_) | Value::Sequence(_)) {
        return Err("leads into a text, where a map or a list is expected".to_owned());
    }
    if !text.trim_start().starts_with(['{', '[']) {
        return Err(
            "leads into a text with YAML in it, which cannot be changed without changing how it is \
            written; write it as JSON"
                .to_owned(),
        );
    }
    let count = walk.visit(&mut value, parts, set)?;
    let layout = if text.contains('\n') && text.contains("  ") {
        Layout::Indented
    } else {
        Layout::Compact
    };
    let changed = Text {
        text: to_go_json(&value, layout),
        visibility: visibility.and(visibility_of(&value)),
    };
    Ok((count, changed))
}

/// Whether anything in a value is sensitive.
fn visibility_of(value: &Value) -> Visibility {
    match value {
        Value::Sensitive(_) => Visibility::Sensitive,
        Value::Sequence(items) => items
            .iter()
            .fold(Visibility::Plain, |all, item| all.and(visibility_of(item))),
        Value::Mapping(map) => map
            .values()
            .fold(Visibility::Plain, |all, item| all.and(visibility_of(item))),
        _ => Visibility::Plain,
    }
}
