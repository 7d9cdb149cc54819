//! Which folder is rendered.

use crate::files::FilesError;

/// A folder below the root of a source, without `.`, `..` or a leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(String);

impl Folder {
    /// The folder that a spec names, as Flux reads it: `./apps/`, `apps` and `/apps` are one.
    pub fn parse(path: &str) -> Result<Self, FilesError> {
        let parts: Vec<&str> = path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if parts.contains(&"..") || path.contains(['\0', '\\']) {
            return Err(FilesError::PathEscapes(path.to_owned()));
        }
        Ok(Self(parts.join("/")))
    }

    /// The path; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
