//! Changes of one value of a plain text, made where it is written: every other byte stays.
//!
//! What a change means is said by [`model`], as sops does it on values. How it is written is found here and in
//! [`writing`]; the result has to read back as the model says, so that a text that cannot be changed this way is
//! refused and never changed otherwise.

mod model;
mod target;
mod writing;

use manifest_yaml::{Limits, Value, splice, to_json_exposed};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::error::OpenError;
use crate::format::Format;
use crate::key_path::KeyPath;
use crate::open::read_plain;

use target::Target;

/// Why a value cannot be set or taken out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeEditError {
    /// The path has no step.
    #[error("failed to change the file: the path is empty")]
    EmptyPath,
    /// There is no such value.
    #[error("failed to find {path}")]
    NotFound {
        /// The path, up to what is missing.
        path: KeyPath,
    },
    /// A key of a list, or an index of a map.
    #[error("failed to go to {path}: a list has no keys, and a map no indexes")]
    WrongStep {
        /// The path, up to the step.
        path: KeyPath,
    },
    /// What is written there is also elsewhere, by an alias.
    #[error("failed to change {path}: it is written by an alias; change what the alias refers to, by hand")]
    Alias {
        /// The path, up to the alias.
        path: KeyPath,
    },
    /// The format has no form for the value, or the text is written in a way that it cannot be put into.
    #[error("failed to write {path} into the {format} file: there is no form for it; edit the file instead", format = format.name())]
    Unwritable {
        /// The value.
        path: KeyPath,
        /// The format.
        format: Format,
    },
    /// The text is not of its format.
    #[error(transparent)]
    Read(#[from] OpenError),
}

/// A plain text with another value at a path of its first document, as `sops set` has it (`set` in sops.go): what is
/// missing above the value is made, and a list grows by one item where the index is behind its end.
///
/// ```
/// use manifest_yaml::{Limits, Value};
/// use sops::{Format, KeyPath, PathStep};
///
/// let plain = "user: shop # the owner\npassword: hunter2\n";
/// let password = KeyPath::from_iter([PathStep::Key("password".to_owned())]);
/// let changed = sops::set_value(plain, Format::Yaml, &password, &Value::from("correct"), &Limits::default())?;
/// assert_eq!(*changed, "user: shop # the owner\npassword: correct\n");
/// # Ok::<(), sops::TreeEditError>(())
/// ```
///
/// With [`decrypt`](crate::decrypt()) before it and [`edit`](crate::edit()) behind it, this sets a value of a sealed file.
pub fn set_value(
    text: &str,
    format: Format,
    path: &KeyPath,
    value: &Value,
    limits: &Limits,
) -> Result<Zeroizing<String>, TreeEditError> {
    apply(Change::Set(value), text, format, path, limits)
}

/// A plain text without the value at a path of its first document, as `sops unset` has it (`unset` in sops.go).
pub fn unset_value(
    text: &str,
    format: Format,
    path: &KeyPath,
    limits: &Limits,
) -> Result<Zeroizing<String>, TreeEditError> {
    apply(Change::Unset, text, format, path, limits)
}

#[derive(Clone, Copy)]
enum Change<'a> {
    Set(&'a Value),
    Unset,
}

fn apply(
    change: Change<'_>,
    text: &str,
    format: Format,
    path: &KeyPath,
    limits: &Limits,
) -> Result<Zeroizing<String>, TreeEditError> {
    if path.steps().is_empty() {
        return Err(TreeEditError::EmptyPath);
    }
    let unwritable = || TreeEditError::Unwritable {
        path: path.clone(),
        format,
    };
    if format == Format::Binary {
        return Err(unwritable());
    }
    let mut expected = Documents::read(text, format, limits)?;
    let root = expected.first_mut().ok_or_else(unwritable)?;
    match change {
        Change::Set(value) => model::set(root, path, value)?,
        Change::Unset => model::unset(root, path)?,
    }
    let tree = format
        .parse(text, limits)
        .map_err(|error| TreeEditError::Read(OpenError::Parse(error)))?;
    let target = Target::find(text, &tree, path)?;
    let edit = match change {
        Change::Set(value) => target.set(value),
        Change::Unset => target.unset(),
    }
    .ok_or_else(unwritable)?;
    let changed = splice(text, vec![edit]).map_err(|_| unwritable())?;
    match Documents::read(&changed, format, limits) {
        Ok(found) if found.are(&expected, format) => Ok(changed),
        _ => Err(unwritable()),
    }
}

/// The values of a text, the first document even if it is empty.
struct Documents(Vec<Value>);

impl Documents {
    fn read(text: &str, format: Format, limits: &Limits) -> Result<Self, TreeEditError> {
        let tree = format
            .parse(text, limits)
            .map_err(|error| TreeEditError::Read(OpenError::Parse(error)))?;
        let mut documents = read_plain(text.as_bytes(), format, limits)?.documents;
        let is_first_empty = tree
            .documents()
            .first()
            .and_then(|document| document.root.as_ref()?.as_entries())
            .is_none_or(<[_]>::is_empty);
        if is_first_empty {
            documents.insert(0, Value::from(manifest_yaml::Mapping::new()));
        }
        Ok(Self(documents))
    }

    fn first_mut(&mut self) -> Option<&mut Value> {
        self.0.first_mut()
    }

    fn are(&self, other: &Self, format: Format) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(left, right)| same(left, right, format))
    }
}

/// Whether two values are the same to sops: numbers by what they are, and in formats of lines everything by its text.
fn same(left: &Value, right: &Value, format: Format) -> bool {
    match (left, right) {
        (Value::Mapping(left), Value::Mapping(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|((key, value), (other_key, other))| key == other_key && same(value, other, format))
        }
        (Value::Sequence(left), Value::Sequence(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right, format))
        }
        _ if matches!(format, Format::Dotenv | Format::Ini) => unquoted(left) == unquoted(right),
        _ => match (number(left), number(right)) {
            (Some(left), Some(right)) => left.to_bits() == right.to_bits() || to_same_text(left, right),
            _ => to_json_exposed(left) == to_json_exposed(right),
        },
    }
}

fn to_same_text(left: f64, right: f64) -> bool {
    left.to_string() == right.to_string()
}

/// A float, or an integer that a float without a fraction may be written as.
fn number(value: &Value) -> Option<f64> {
    let text = to_json_exposed(value);
    let is_number = matches!(value, Value::Number(_)) || writing::is_sensitive_number(value);
    is_number
        .then(|| str::from_utf8(&text).ok()?.parse().ok())
        .flatten()
}

/// A scalar as text.
fn unquoted(value: &Value) -> Zeroizing<Vec<u8>> {
    let mut json = to_json_exposed(value);
    if json.first() == Some(&b'"') {
        return json;
    }
    json.insert(0, b'"');
    json.push(b'"');
    json
}

#[cfg(test)]
mod tests {
    use manifest_yaml::from_json;

    use super::*;
    use crate::key_path::PathStep;

    fn path(text: &str) -> KeyPath {
        text.split('.')
            .map(|step| match step.parse() {
                Ok(index) => PathStep::Index(index),
                Err(_) => PathStep::Key(step.to_owned()),
            })
            .collect()
    }

    fn value(json: &str) -> Value {
        let mut documents = from_json(json.as_bytes(), &Limits::default()).unwrap();
        // A null is no document.
        documents.pop().map_or(Value::Null, |document| document.value)
    }

    fn after_set(format: Format, text: &str, at: &str, json: &str) -> Result<String, TreeEditError> {
        set_value(text, format, &path(at), &value(json), &Limits::default()).map(|text| text.to_string())
    }

    fn after_unset(format: Format, text: &str, at: &str) -> Result<String, TreeEditError> {
        unset_value(text, format, &path(at), &Limits::default()).map(|text| text.to_string())
    }

    #[test]
    fn values_are_set_where_they_are_written() {
        for (text, at, json, expected) in [
            ("a: b # c\nd: e\n", "a", "\"x\"", "a: x # c\nd: e\n"),
            ("a: b\n", "a", "12", "a: 12\n"),
            ("a: b\n", "a", "\"12\"", "a: \"12\"\n"),
            ("a: b\n", "a", "null", "a: null\n"),
            ("a: b\n", "a", "true", "a: true\n"),
            ("a: b\n", "a", "1.5", "a: 1.5\n"),
            ("a: b\n", "c", "\"d\"", "a: b\nc: d\n"),
            ("a: b", "c", "\"d\"", "a: b\nc: d"),
            ("a:\n    b: c\n", "a.d", "\"e\"", "a:\n    b: c\n    d: e\n"),
            (
                "a:\n    b: c\nz: y\n",
                "a.d",
                "\"e\"",
                "a:\n    b: c\n    d: e\nz: y\n",
            ),
            ("a:\n- b\n- c\n", "a.1", "\"d\"", "a:\n- b\n- d\n"),
            (
                "a:\n- b\n- c\nd: e\n",
                "a.7",
                "\"f\"",
                "a:\n- b\n- c\n- f\nd: e\n",
            ),
            ("a: [b, c]\n", "a.2", "\"d\"", "a: [b, c, \"d\"]\n"),
            ("a: []\n", "a.0", "\"d\"", "a: [\"d\"]\n"),
            ("a: {}\n", "a.b", "\"d\"", "a: {\"b\": \"d\"}\n"),
            ("a: {b: c}\n", "a.d", "1", "a: {b: c, \"d\": 1}\n"),
            ("a: b\n", "a.b.c", "1", "a:\n  b:\n    c: 1\n"),
            ("a: b\n", "c.d.0", "1", "a: b\nc:\n  d:\n  - 1\n"),
            ("a:\n  b: c\n", "a", "\"d\"", "a: d\n"),
            (
                "a: b\n",
                "a",
                "{\"x\": [1, {\"y\": null}], \"z\": {}}",
                "a:\n  x:\n  - 1\n  - \"y\": null\n  z: {}\n",
            ),
            ("- \n", "a", "1", ""),
            ("a: |\n  b\n  c\nd: e\n", "a", "\"f\"", "a: f\nd: e\n"),
            ("a: b # c\n", "a", "\"x\\ny\\n\"", "a: \"x\\ny\\n\" # c\n"),
            ("a: b\n", "a", "\"x\\ny\\n\"", "a: |\n  x\n  y\n"),
            ("a: b\r\nc: d\r\n", "e", "1", "a: b\r\nc: d\r\ne: 1\r\n"),
            ("a: b\n---\nc: d\n", "e", "1", "a: b\ne: 1\n---\nc: d\n"),
            ("{}\n", "a", "1", "{\"a\": 1}\n"),
        ] {
            match after_set(Format::Yaml, text, at, json) {
                Ok(changed) => assert_eq!(changed, expected, "{text:?} {at} {json}"),
                Err(error) => assert_eq!("", expected, "{text}: {error}"),
            }
        }
        let json = "{\n\t\"a\": \"b\",\n\t\"c\": [\n\t\t1\n\t]\n}\n";
        for (at, value, expected) in [
            ("a", "1", "{\n\t\"a\": 1,\n\t\"c\": [\n\t\t1\n\t]\n}\n"),
            (
                "d",
                "\"e\"",
                "{\n\t\"a\": \"b\",\n\t\"c\": [\n\t\t1\n\t],\n\t\"d\": \"e\"\n}\n",
            ),
            (
                "c.1",
                "2",
                "{\n\t\"a\": \"b\",\n\t\"c\": [\n\t\t1,\n\t\t2\n\t]\n}\n",
            ),
        ] {
            assert_eq!(after_set(Format::Json, json, at, value).unwrap(), expected);
        }
    }

    #[test]
    fn formats_of_lines_take_text() {
        for (format, text, at, json, expected) in [
            (
                Format::Dotenv,
                "A=b\n#c\nD=e\n",
                "A",
                "\"x y\"",
                "A=x y\n#c\nD=e\n",
            ),
            (Format::Dotenv, "A=b", "C", "12", "A=b\nC=12\n"),
            (
                Format::Ini,
                "[s]\na = b\n\n[t]\nc = d\n",
                "s.a",
                "\"x\"",
                "[s]\na = x\n\n[t]\nc = d\n",
            ),
            (
                Format::Ini,
                "[s]\na = b\n\n[t]\nc = d\n",
                "s.e",
                "\"x\"",
                "[s]\na = b\ne = x\n\n[t]\nc = d\n",
            ),
            (
                Format::Ini,
                "[s]\na = b\n",
                "t.c",
                "\"x\"",
                "[s]\na = b\n\n[t]\nc = x\n",
            ),
        ] {
            assert_eq!(after_set(format, text, at, json).unwrap(), expected, "{text}");
        }
        for (format, text, at, json) in [
            (Format::Dotenv, "A=b\n", "A", "{\"b\": 1}"),
            (Format::Dotenv, "A=b\n", "A.b", "1"),
            (Format::Dotenv, "A=b\n", "#A", "1"),
            (Format::Ini, "[s]\na = b\n", "s", "1"),
            (Format::Ini, "[s]\na = b\n", "s.a.b", "1"),
        ] {
            let refused = after_set(format, text, at, json);
            assert!(
                matches!(refused, Err(TreeEditError::Unwritable { .. })),
                "{at} {refused:?}"
            );
        }
    }

    #[test]
    fn values_are_taken_out() {
        for (text, at, expected) in [
            ("a: b\nc: d\n", "a", "c: d\n"),
            ("a: b\nc: d\n", "c", "a: b\n"),
            ("a:\n  b: c\nd: e\n", "a.b", "a:\n  {}\nd: e\n"),
            ("a:\n- b\n- c\n- d\n", "a.1", "a:\n- b\n- d\n"),
            ("a:\n- b: c\n  d: e\n- f\n", "a.0", "a:\n- f\n"),
            ("a:\n- b\n", "a.0", "a:\n  []\n"),
            ("a: [b, c, d]\n", "a.0", "a: [c, d]\n"),
            ("a: [b, c, d]\n", "a.2", "a: [b, c]\n"),
            ("a: [b]\n", "a.0", "a: []\n"),
            ("a: {b: c, d: e}\n", "a.b", "a: {d: e}\n"),
            ("a: b\n", "a", "{}\n"),
        ] {
            assert_eq!(
                after_unset(Format::Yaml, text, at).unwrap(),
                expected,
                "{text} {at}"
            );
        }
        assert_eq!(
            after_unset(Format::Json, "{\n\t\"a\": 1,\n\t\"b\": 2\n}\n", "b").unwrap(),
            "{\n\t\"a\": 1\n}\n"
        );
        assert_eq!(after_unset(Format::Dotenv, "A=b\nC=d\n", "A").unwrap(), "C=d\n");
        assert_eq!(
            after_unset(Format::Ini, "[s]\na = b\nc = d\n", "s.a").unwrap(),
            "[s]\nc = d\n"
        );
    }

    #[test]
    fn what_is_not_there_is_not_taken_out() {
        for (text, at) in [("a: b\n", "c"), ("a: [b]\n", "a.1"), ("a: b\n", "a.b")] {
            let refused = after_unset(Format::Yaml, text, at);
            assert!(
                matches!(refused, Err(TreeEditError::NotFound { .. })),
                "{text} {at} {refused:?}"
            );
        }
        for at in ["a.b", "0"] {
            let refused = after_set(Format::Yaml, "a: [b]\n", at, "1");
            assert!(
                matches!(refused, Err(TreeEditError::WrongStep { .. })),
                "{refused:?}"
            );
        }
        let refused = after_set(Format::Yaml, "a: &x {b: c}\nd: *x\n", "d.b", "1");
        assert!(matches!(refused, Err(TreeEditError::Alias { .. })), "{refused:?}");
    }
}
