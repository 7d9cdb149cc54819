//! A tree in memory.

use std::collections::{BTreeMap, BTreeSet};

use kustomize::{Content, EntryKind, Tree, TreeError, read_manifest};
use manifest_yaml::{Limits, Sensitive, Value};
use zeroize::Zeroizing;

#[derive(Clone, Default)]
pub(crate) struct MemoryTree {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Files that count as sealed: their content is sensitive, and so is every string below `data`, `stringData` and
    /// `sealed` of their documents.
    pub(crate) sealed: BTreeSet<String>,
}

impl MemoryTree {
    pub(crate) fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
        let files = files
            .into_iter()
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        Self {
            files: files.collect(),
            sealed: BTreeSet::new(),
        }
    }

    pub(crate) fn seal(mut self, path: &str) -> Self {
        self.sealed.insert(path.to_owned());
        self
    }

    fn bytes(&self, path: &str) -> Result<&[u8], TreeError> {
        self.files
            .get(path)
            .map(Vec::as_slice)
            .ok_or_else(|| TreeError::new("no such file"))
    }
}

impl Tree for MemoryTree {
    fn entry(&self, path: &str) -> Option<EntryKind> {
        if self.files.contains_key(path) {
            return Some(EntryKind::File);
        }
        let folder = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        self.files
            .keys()
            .any(|file| file.starts_with(&folder))
            .then_some(EntryKind::Directory)
    }

    fn documents(&self, path: &str) -> Result<Vec<Value>, TreeError> {
        let documents = read_manifest(self.bytes(path)?, &Limits::default()).map_err(TreeError::new)?;
        let values = documents.into_iter();
        if self.sealed.contains(path) {
            Ok(values.map(|value| sealed(value, false)).collect())
        } else {
            Ok(values.collect())
        }
    }

    fn content(&self, path: &str) -> Result<Content, TreeError> {
        let bytes = self.bytes(path)?.to_vec();
        Ok(if self.sealed.contains(path) {
            Content::Sensitive(Zeroizing::new(bytes))
        } else {
            Content::Plain(bytes)
        })
    }
}

fn sealed(value: Value, inside: bool) -> Value {
    match value {
        Value::String(text) if inside => Value::Sensitive(Sensitive::string(text)),
        Value::Sequence(items) => items
            .into_iter()
            .map(|item| sealed(item, inside))
            .collect::<Vec<_>>()
            .into(),
        Value::Mapping(mapping) => Value::Mapping(
            mapping
                .into_iter()
                .map(|(key, value)| {
                    let inside = inside || matches!(key.as_str(), "data" | "stringData" | "sealed");
                    (key, sealed(value, inside))
                })
                .collect(),
        ),
        other => other,
    }
}
