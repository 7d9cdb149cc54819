//! The way to a value as sops writes it on the command line: `["data"]["items"][0]`.

use manifest_yaml::{Exposed, Value};
use sops::{Format, KeyPath, Opened, PathStep};
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum TreePathError {
    /// Not a list of steps in brackets.
    #[error("failed to read the path {text}: it has to be written as '[\"key\"][0]'")]
    Syntax {
        /// What was given.
        text: String,
    },
}

/// Why there is nothing at a path, or nothing that can be printed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ExtractError {
    /// A key or an item is not there.
    #[error("failed to find {path}")]
    NotFound {
        /// The path, up to what is missing.
        path: KeyPath,
    },
    /// The document that paths are looked up in is empty.
    #[error("failed to find anything: the first document is empty")]
    Empty,
    /// The format has no form for a part of a file.
    #[error("failed to print {path} as {format}: it has no form for it")]
    Unwritable {
        /// The value.
        path: KeyPath,
        /// The format.
        format: &'static str,
    },
    /// The map has no form in the format.
    #[error(transparent)]
    Convert(#[from] sops::ConvertError),
}

/// Reads a path (`parseTreePath` in cmd/sops/main.go). Text is taken as it stands between its quotes; there are no
/// escapes. What makes sops stop with a trace, as a negative index does, is refused; brackets in a key, which confuse
/// sops, do not matter.
pub(super) fn parse(text: &str) -> Result<KeyPath, TreePathError> {
    let syntax = || TreePathError::Syntax {
        text: text.to_owned(),
    };
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = rest.strip_prefix('[').ok_or_else(syntax)?;
        let quoted = ['"', '\''].into_iter().find(|quote| rest.starts_with(*quote));
        let (step, after) = if let Some(quote) = quoted {
            let key = rest.strip_prefix(quote).unwrap_or_default();
            let (key, after) = key.split_once(&format!("{quote}]")).ok_or_else(syntax)?;
            (PathStep::Key(key.to_owned()), after)
        } else {
            let (index, after) = rest.split_once(']').ok_or_else(syntax)?;
            (PathStep::Index(index.parse().map_err(|_| syntax())?), after)
        };
        steps.push(step);
        rest = after;
    }
    if steps.is_empty() {
        return Err(syntax());
    }
    Ok(steps.into_iter().collect())
}

/// The part of a file at a path, as `sops decrypt --extract` prints it: strings as they are, maps as files of the
/// format, other values as the format writes them.
pub(super) fn extract(
    mut opened: Opened,
    path: &KeyPath,
    format: Format,
) -> Result<Zeroizing<Vec<u8>>, ExtractError> {
    let root = opened.documents.first_mut().ok_or(ExtractError::Empty)?;
    let value = find(root, path)?.share();
    let text = match &value {
        Value::String(text) => Some(text.as_str()),
        Value::Sensitive(value) => match value.expose() {
            Exposed::String(text) => Some(text),
            Exposed::Bool(_) | Exposed::Number(_) => None,
        },
        _ => None,
    };
    if let Some(text) = text {
        return Ok(Zeroizing::new(text.as_bytes().to_vec()));
    }
    let unwritable = || ExtractError::Unwritable {
        path: path.clone(),
        format: format.name(),
    };
    let is_map = value.as_mapping().is_some();
    *root = value;
    if is_map {
        return Ok(opened.write_as(format)?);
    }
    // Only maps have documents beside them.
    opened.documents.truncate(1);
    let value = opened.documents.first().ok_or(ExtractError::Empty)?;
    match format {
        Format::Yaml => Ok(opened.write_as(format)?),
        Format::Json => {
            let mut text = opened.write_as(format)?;
            text.pop_if(|byte| *byte == b'\n');
            Ok(text)
        }
        Format::Ini => Ok(manifest_yaml::to_json_exposed(value)),
        Format::Dotenv | Format::Binary => Err(unwritable()),
    }
}

fn find<'a>(root: &'a Value, path: &KeyPath) -> Result<&'a Value, ExtractError> {
    let mut value = root;
    for (index, step) in path.steps().iter().enumerate() {
        let found = match step {
            PathStep::Key(key) => value.as_mapping().and_then(|mapping| mapping.get(key)),
            PathStep::Index(item) => value.as_sequence().and_then(|items| items.get(*item)),
        };
        value = found.ok_or_else(|| ExtractError::NotFound {
            path: path.steps().iter().take(index + 1).cloned().collect(),
        })?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_sops_reads_them() {
        for (text, expected) in [
            (r#"["a"]"#, "a"),
            ("['a']", "a"),
            (r#"["a"][0]["b"]"#, "a[0].b"),
            (r#"["tls.crt"]"#, r#"["tls.crt"]"#),
            (r#"["a[0]"]"#, r#"["a[0]"]"#),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            "a",
            r#""""#,
            "[",
            "[]",
            "[-1]",
            "[x]",
            r#"["a""#,
            r#"["a"]b"#,
            r#"["a'"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
