//! The files of a command: read within a limit, written whole or not at all.
#![expect(
    clippy::disallowed_methods,
    reason = "writing the file in place is what the user asked for"
)]

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use zeroize::Zeroizing;

use crate::files::MAX_FILE_BYTES;

/// A format by the name that sops gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Type {
    Yaml,
    Json,
    Dotenv,
    Ini,
    Binary,
}

impl From<Type> for sops::Format {
    fn from(given: Type) -> Self {
        match given {
            Type::Yaml => Self::Yaml,
            Type::Json => Self::Json,
            Type::Dotenv => Self::Dotenv,
            Type::Ini => Self::Ini,
            Type::Binary => Self::Binary,
        }
    }
}

/// Why a file was left as it was.
#[derive(Debug)]
pub(super) struct FileError {
    path: PathBuf,
    reason: String,
}

impl FileError {
    pub(super) fn new(path: &Path, reason: impl fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path.display(), self.reason)
    }
}

/// The format of a file: the given one, or by its extension.
pub(super) fn format(path: &Path, given: Option<Type>) -> sops::Format {
    match given {
        Some(given) => given.into(),
        None => path.to_str().map_or(sops::Format::Binary, sops::Format::of_path),
    }
}

/// A file's text.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let bytes = fs::metadata(path)
        .map_err(|error| FileError::new(path, error))?
        .len();
    if bytes > MAX_FILE_BYTES as u64 {
        return Err(FileError::new(
            path,
            format!("it has {bytes} bytes, more than the {MAX_FILE_BYTES} that are read"),
        ));
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(|error| FileError::new(path, error))?);
    let text = str::from_utf8(&bytes).map_err(|_| FileError::new(path, "it is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Puts a text in place of a file: written beside it, synced, and renamed over it; its mode is kept.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    let failed = |error: io::Error| FileError::new(path, error);
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| FileError::new(path, "it has no name"))?;
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file = fs::File::options().write(true).create_new(true).open(&beside)?;
        file.set_permissions(fs::metadata(path)?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // What is beside is of no use to anybody; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}
