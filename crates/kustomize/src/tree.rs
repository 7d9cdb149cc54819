//! Where the files of a build come from.

use std::error::Error;

use manifest_yaml::Value;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::meter::Exceeded;

/// What is at a path of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Directory,
}

/// The bytes of a file.
pub enum Content {
    /// Anybody may read them.
    Plain(Vec<u8>),
    /// They came out of a sealed file: what a generator makes of them stays sensitive.
    Sensitive(Zeroizing<Vec<u8>>),
}

/// A rooted tree of files, such as a commit's.
///
/// Paths are relative to the root, normalised and `/`-separated; `""` is the root. An implementation decides what
/// symbolic links are; one that follows them must not leave the root.
pub trait Tree {
    /// What is at the path, or `None` where nothing is.
    fn entry(&self, path: &str) -> Option<EntryKind>;

    /// The documents of a manifest file, opened if it is sealed, and resolved.
    ///
    /// [`read_manifest`](crate::read_manifest) reads YAML as kustomize does; documents that still have merge keys are
    /// refused.
    fn documents(&self, path: &str) -> Result<Vec<Value>, TreeError>;

    /// The bytes of a file, opened if it is sealed: for generators, and for the kustomization files themselves.
    fn content(&self, path: &str) -> Result<Content, TreeError>;
}

/// Why a [`Tree`] could not give a file.
#[derive(Debug, Error)]
#[error("failed to read the file")]
pub struct TreeError(#[source] Box<dyn Error + Send + Sync>);

impl TreeError {
    /// Wraps the reason; it is shown as the source of the error and must hold no secret.
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }

    /// The limit of the build that stands in the way of the file, if that is the reason.
    pub(crate) fn exceeded(&self) -> Option<&Exceeded> {
        self.0.downcast_ref()
    }
}
