//! Counting what a build reads.

use std::cell::Cell;

use manifest_yaml::Value;
use thiserror::Error;

use crate::{Content, EntryKind, Tree, TreeError};

/// How many files a build may read; one that is read several times counts each time, as in bases that share bases.
pub const MAX_FILES: usize = 100_000;

/// How many documents the manifests of a build may have.
pub const MAX_DOCUMENTS: usize = 100_000;

/// How many bytes a build may read: of kustomizations and of generators' files as they are, of manifests their keys
/// and scalars.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;

/// A limit that a build goes over.
#[derive(Debug, Error)]
#[error("more than {limit} {what}")]
pub(crate) struct Exceeded {
    pub(crate) what: &'static str,
    pub(crate) limit: usize,
}

/// A tree that gives only so much.
pub(crate) struct Metered<'tree> {
    tree: &'tree dyn Tree,
    files: Cell<usize>,
    documents: Cell<usize>,
    bytes: Cell<usize>,
}

impl<'tree> Metered<'tree> {
    pub(crate) fn new(tree: &'tree dyn Tree) -> Self {
        Self {
            tree,
            files: Cell::new(0),
            documents: Cell::new(0),
            bytes: Cell::new(0),
        }
    }
}

fn count(counter: &Cell<usize>, more: usize, what: &'static str, limit: usize) -> Result<(), TreeError> {
    counter.set(counter.get().saturating_add(more));
    if counter.get() > limit {
        return Err(TreeError::new(Exceeded { what, limit }));
    }
    Ok(())
}

impl Tree for Metered<'_> {
    fn entry(&self, path: &str) -> Option<EntryKind> {
        self.tree.entry(path)
    }

    fn documents(&self, path: &str) -> Result<Vec<Value>, TreeError> {
        count(&self.files, 1, "files", MAX_FILES)?;
        let documents = self.tree.documents(path)?;
        count(&self.documents, documents.len(), "documents", MAX_DOCUMENTS)?;
        let bytes = documents.iter().map(weight).sum();
        count(&self.bytes, bytes, "bytes", MAX_BYTES)?;
        Ok(documents)
    }

    fn content(&self, path: &str) -> Result<Content, TreeError> {
        count(&self.files, 1, "files", MAX_FILES)?;
        let content = self.tree.content(path)?;
        let bytes = match &content {
            Content::Plain(bytes) => bytes.len(),
            Content::Sensitive(bytes) => bytes.len(),
        };
        count(&self.bytes, bytes, "bytes", MAX_BYTES)?;
        Ok(content)
    }
}

/// About as many bytes as a value takes in a file.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Sequence(items) => items.iter().map(|item| 1 + weight(item)).sum(),
        Value::Mapping(map) => map.iter().map(|(key, value)| 1 + key.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Sensitive(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree in which every file has the same size.
    struct Uniform {
        documents: usize,
        bytes: usize,
    }

    impl Tree for Uniform {
        fn entry(&self, _: &str) -> Option<EntryKind> {
            Some(EntryKind::File)
        }

        fn documents(&self, _: &str) -> Result<Vec<Value>, TreeError> {
            Ok((0..self.documents)
                .map(|_| "x".repeat(self.bytes).into())
                .collect())
        }

        fn content(&self, _: &str) -> Result<Content, TreeError> {
            Ok(Content::Plain(vec![0; self.bytes]))
        }
    }

    fn error(read: impl Fn(&Metered<'_>) -> Result<(), TreeError>, tree: &Uniform) -> (usize, String) {
        let metered = Metered::new(tree);
        for times in 1.. {
            if let Err(error) = read(&metered) {
                let exceeded = error.exceeded().unwrap();
                return (times, exceeded.to_string());
            }
        }
        unreachable!("the numbers end")
    }

    #[test]
    fn limits_are_kept() {
        let documents = |metered: &Metered<'_>| metered.documents("a").map(drop);
        let content = |metered: &Metered<'_>| metered.content("a").map(drop);
        let small = Uniform {
            documents: 1,
            bytes: 1,
        };
        assert_eq!(
            error(content, &small),
            (MAX_FILES + 1, format!("more than {MAX_FILES} files"))
        );
        let many = Uniform {
            documents: MAX_DOCUMENTS / 4,
            bytes: 1,
        };
        assert_eq!(
            error(documents, &many),
            (5, format!("more than {MAX_DOCUMENTS} documents"))
        );
        let large = Uniform {
            documents: 2,
            bytes: MAX_BYTES / 8,
        };
        assert_eq!(
            error(documents, &large),
            (5, format!("more than {MAX_BYTES} bytes"))
        );
        assert_eq!(
            error(content, &large),
            (9, format!("more than {MAX_BYTES} bytes"))
        );
    }
}
