//! Where the entries of generated objects come from.

use std::collections::HashSet;

use zeroize::Zeroizing;

use crate::BuildError;
use crate::folder::Folder;
use crate::kustomization::{ConfigMapGenerator, Reference};
use crate::path;
use crate::tree;

/// What one key holds.
pub(super) enum Content {
    /// Anybody may read it.
    Plain(Vec<u8>),
    /// It came out of a sealed file.
    Sensitive(Zeroizing<Vec<u8>>),
}

impl Content {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Sensitive(bytes) => bytes,
        }
    }
}

/// The entries of a generator, with every key once: those of `envs`, then of `literals`, then of `files`.
pub(super) fn entries(
    generator: &ConfigMapGenerator,
    folder: &Folder<'_>,
) -> Result<Vec<(String, Content)>, BuildError> {
    let mut entries = Vec::new();
    for reference in &generator.envs {
        entries.extend(from_env_file(reference, folder)?);
    }
    for literal in &generator.literals {
        entries.push(from_literal(literal, folder)?);
    }
    for reference in &generator.files {
        entries.push(from_file(reference, folder)?);
    }
    let mut keys = HashSet::new();
    match entries.iter().find(|(key, _)| !keys.insert(key.as_str())) {
        Some((key, _)) => Err(folder.field_error(&generator.field, format!("has the key {key:?} twice"))),
        None => Ok(entries),
    }
}

/// `key=value`; quotes around the value are taken off (`parseLiteralSource` of kustomize's kv.go).
fn from_literal(literal: &Reference, folder: &Folder<'_>) -> Result<(String, Content), BuildError> {
    match literal.path.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((
            key.to_owned(),
            Content::Plain(unquoted(value).as_bytes().to_vec()),
        )),
        _ => Err(folder.field_error(&literal.field, "is not of the form key=value")),
    }
}

fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// `path`, or `key=path` (`ParseFileSource` of kustomize's generators/utils.go).
fn from_file(reference: &Reference, folder: &Folder<'_>) -> Result<(String, Content), BuildError> {
    let parts: Vec<&str> = reference.path.split('=').collect();
    let (key, path) = match parts.as_slice() {
        [path] => (path::file_name(path), *path),
        [key, path] if !key.is_empty() && !path.is_empty() => (*key, *path),
        _ => return Err(folder.field_error(&reference.field, "is not of the form path or key=path")),
    };
    let content = match folder.content(&reference.field, path)? {
        tree::Content::Plain(bytes) => Content::Plain(bytes),
        tree::Content::Sensitive(bytes) => Content::Sensitive(bytes),
    };
    Ok((key.to_owned(), content))
}

/// Lines of `key=value`, comments and empty lines (`keyValuesFromLine` of kustomize's kv.go).
fn from_env_file(reference: &Reference, folder: &Folder<'_>) -> Result<Vec<(String, Content)>, BuildError> {
    let content = folder.content(&reference.field, &reference.path)?;
    let (bytes, is_sensitive) = match &content {
        tree::Content::Plain(bytes) => (bytes.as_slice(), false),
        tree::Content::Sensitive(bytes) => (bytes.as_slice(), true),
    };
    let mut entries = Vec::new();
    for (index, line) in lines(bytes).enumerate() {
        let refuse = |problem: &str| {
            folder.field_error(
                &reference.field,
                format!("leads to a file whose line {} {problem}", index + 1),
            )
        };
        if line.len() > MAX_ENV_LINE {
            return Err(refuse("is too long"));
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(refuse("is not UTF-8"));
        };
        let line = match index {
            0 => line.strip_prefix('\u{feff}').unwrap_or(line),
            _ => line,
        };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        // kustomize leaves such a line out without a word.
        if key.is_empty() {
            return Err(refuse("has no key"));
        }
        let value = value.as_bytes();
        let content = if is_sensitive {
            Content::Sensitive(Zeroizing::new(value.to_vec()))
        } else {
            Content::Plain(value.to_vec())
        };
        entries.push((key.to_owned(), content));
    }
    Ok(entries)
}

/// The longest line of an env file, in bytes. Go's scanner stops at longer ones, and kustomize leaves out the rest of
/// the file without a word.
const MAX_ENV_LINE: usize = 64 * 1024 - 1;

/// Lines as Go's scanner splits them: ended by a line feed, with or without a carriage return before it.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    text.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}
