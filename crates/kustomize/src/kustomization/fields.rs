//! Strict reading of a map: every field is taken once by its name and type, and what is left is refused.

use manifest_yaml::{Mapping, Number, Value};

use crate::BuildError;

/// The fields of a map that have not been taken yet. As in Go, `null` is the same as nothing.
pub(crate) struct Fields<'file> {
    file: &'file str,
    /// The path to the map; empty for the document.
    path: String,
    entries: Mapping,
    unknown: Unknown,
}

/// What to do with fields that nobody takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refuse,
    Ignore,
}

impl<'file> Fields<'file> {
    pub(crate) fn of_document(file: &'file str, document: Value) -> Result<Self, BuildError> {
        Self::of_map(file, String::new(), document)
    }

    pub(crate) fn of_map(file: &'file str, path: String, value: Value) -> Result<Self, BuildError> {
        match value {
            Value::Mapping(entries) => Ok(Self {
                file,
                path,
                entries,
                unknown: Unknown::Refuse,
            }),
            other => Err(type_error(file, path, "a map", &other)),
        }
    }

    /// The same fields, of which those that nobody takes do no harm; nor do those of maps within.
    pub(crate) fn ignoring_unknown(self) -> Self {
        Self {
            unknown: Unknown::Ignore,
            ..self
        }
    }

    /// A map within, in which unknown fields are treated as here.
    fn within(&self, path: String, value: Value) -> Result<Self, BuildError> {
        Ok(Self {
            unknown: self.unknown,
            ..Self::of_map(self.file, path, value)?
        })
    }

    /// The file, and the path to the map in it.
    pub(crate) fn place(&self) -> (String, String) {
        (self.file.to_owned(), self.path.clone())
    }

    /// The full path of a field.
    pub(crate) fn path_of(&self, field: &str) -> String {
        match self.path.as_str() {
            "" => field.to_owned(),
            path => format!("{path}.{field}"),
        }
    }

    /// Whether there is no field that says anything; an empty string does not.
    pub(crate) fn say_nothing(&self) -> bool {
        self.entries.values().all(is_nothing)
    }

    pub(crate) fn string(&mut self, field: &str) -> Result<Option<String>, BuildError> {
        let string = |path, value| match value {
            Value::String(text) => Ok(text),
            other => Err(type_error(self.file, path, "a string", &other)),
        };
        self.take(field)
            .map(|(path, value)| string(path, value))
            .transpose()
    }

    /// A flag; `false` where it is missing.
    pub(crate) fn flag(&mut self, field: &str) -> Result<bool, BuildError> {
        match self.take(field) {
            None => Ok(false),
            Some((_, Value::Bool(value))) => Ok(value),
            Some((path, other)) => Err(type_error(self.file, path, "true or false", &other)),
        }
    }

    pub(crate) fn integer(&mut self, field: &str) -> Result<Option<i64>, BuildError> {
        match self.take(field) {
            None => Ok(None),
            Some((_, Value::Number(Number::Integer(value)))) => Ok(Some(value)),
            Some((path, other)) => Err(type_error(self.file, path, "an integer", &other)),
        }
    }

    pub(crate) fn strings(&mut self, field: &str) -> Result<Vec<String>, BuildError> {
        let file = self.file;
        let string = |(path, value)| match value {
            Value::String(text) => Ok(text),
            other => Err(type_error(file, path, "a string", &other)),
        };
        self.items(field)?.map(string).collect()
    }

    pub(crate) fn maps(&mut self, field: &str) -> Result<Vec<Self>, BuildError> {
        let items = self.items(field)?;
        items.map(|(path, value)| self.within(path, value)).collect()
    }

    pub(crate) fn map(&mut self, field: &str) -> Result<Option<Self>, BuildError> {
        let taken = self.take(field);
        taken.map(|(path, value)| self.within(path, value)).transpose()
    }

    /// A map of strings, in any order; `null` is an empty string.
    pub(crate) fn string_map(&mut self, field: &str) -> Result<Vec<(String, String)>, BuildError> {
        let Some(map) = self.map(field)? else {
            return Ok(Vec::new());
        };
        let Self {
            file, path, entries, ..
        } = map;
        let string = |(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            Value::Null => Ok((key, String::new())),
            other => Err(type_error(file, format!("{path}.{key}"), "a string", &other)),
        };
        entries.into_iter().map(string).collect()
    }

    /// Refuses a field that the engine does not have, unless it is there without saying anything.
    pub(crate) fn unsupported(&mut self, field: &str, instead: &'static str) -> Result<(), BuildError> {
        let says_nothing =
            |value: &Value| is_nothing(value) || value.as_sequence().is_some_and(<[_]>::is_empty);
        match self.take(field) {
            Some((field, value)) if !says_nothing(&value) => Err(BuildError::UnsupportedField {
                file: self.file.to_owned(),
                field,
                instead,
            }),
            _ => Ok(()),
        }
    }

    /// Refuses what has not been taken.
    pub(crate) fn finish(self) -> Result<(), BuildError> {
        match self.entries.keys().next() {
            Some(_) if self.unknown == Unknown::Ignore => Ok(()),
            None => Ok(()),
            Some(field) => Err(BuildError::UnknownField {
                file: self.file.to_owned(),
                field: self.path_of(field),
            }),
        }
    }

    pub(crate) fn value_error(&self, field: &str, problem: impl Into<String>) -> BuildError {
        BuildError::FieldValue {
            file: self.file.to_owned(),
            field: self.path_of(field),
            problem: problem.into(),
        }
    }

    /// A field with its path. As Go does, it is found in other upper and lower case too, but not if it is there twice.
    fn take(&mut self, field: &str) -> Option<(String, Value)> {
        let value = self.entries.remove(field).or_else(|| {
            let other_case = |key: &&str| key.eq_ignore_ascii_case(field);
            let key = self.entries.keys().find(other_case)?.to_owned();
            self.entries.remove(&key)
        });
        match value? {
            Value::Null => None,
            value => Some((self.path_of(field), value)),
        }
    }

    fn items(&mut self, field: &str) -> Result<impl Iterator<Item = (String, Value)> + use<>, BuildError> {
        let (path, items) = match self.take(field) {
            None => (String::new(), Vec::new()),
            Some((path, Value::Sequence(items))) => (path, items),
            Some((path, other)) => return Err(type_error(self.file, path, "a list", &other)),
        };
        let with_path = move |(index, item)| (format!("{path}[{index}]"), item);
        Ok(items.into_iter().enumerate().map(with_path))
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn type_error(file: &str, path: String, expected: &'static str, found: &Value) -> BuildError {
    BuildError::FieldType {
        file: file.to_owned(),
        field: if path.is_empty() {
            "the document".to_owned()
        } else {
            path
        },
        expected,
        found: found.kind_name(),
    }
}
