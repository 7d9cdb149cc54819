//! The files of the outbox: written whole, read with a bound, set aside when they are no good.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::OutboxError;

/// The schema of the files; another one is set aside, not guessed at.
pub(super) const SCHEMA: u32 = 1;
/// The most bytes of a file; the limits of an event keep it far below.
pub(super) const MAX_FILE_BYTES: u64 = 2 * 1024 * 1024;

pub(super) const FILE_ENDING: &str = "json";
const TEMPORARY_ENDING: &str = "tmp";
const UNREADABLE_ENDING: &str = "unreadable";

/// A stored content that says by which schema it was written.
pub(super) trait Versioned {
    fn schema(&self) -> u32;
}

/// The content of a file; one that is no good is set aside and `None`.
pub(super) fn read_or_set_aside<T: DeserializeOwned + Versioned>(
    path: &Path,
) -> Result<Option<T>, OutboxError> {
    match read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error @ OutboxError::File { .. }) => Err(error),
        Err(error) => {
            set_aside(path, &error.to_string())?;
            Ok(None)
        }
    }
}

pub(super) fn set_aside(path: &Path, why: &str) -> Result<(), OutboxError> {
    tracing::warn!(file = %path.display(), why, "set a file of the outbox aside that can not be read");
    fs::rename(path, path.with_extension(UNREADABLE_ENDING)).map_err(file_error("set aside", path))
}

fn read<T: DeserializeOwned + Versioned>(path: &Path) -> Result<T, OutboxError> {
    let file = File::open(path).map_err(file_error("open", path))?;
    let mut bytes = Vec::new();
    (file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(file_error("read", path))?;
    let path = path.to_owned();
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(OutboxError::TooLarge { path });
    }
    match serde_json::from_slice::<T>(&bytes) {
        Ok(content) if content.schema() == SCHEMA => Ok(content),
        Ok(_) => Err(OutboxError::Schema { path }),
        Err(source) => Err(OutboxError::Json { path, source }),
    }
}

/// Writes a file whole: after a crash there is the old content or the new one, never a part.
pub(super) fn write(path: &Path, content: &impl Serialize) -> Result<(), OutboxError> {
    let bytes = serde_json::to_vec(content).map_err(|source| OutboxError::Json {
        path: path.to_owned(),
        source,
    })?;
    let temporary = path.with_extension(TEMPORARY_ENDING);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(file_error("create", &temporary))?;
    file.write_all(&bytes).map_err(file_error("write", &temporary))?;
    file.sync_all().map_err(file_error("sync", &temporary))?;
    fs::rename(&temporary, path).map_err(file_error("rename", &temporary))?;
    path.parent().map_or(Ok(()), sync_directory)
}

pub(super) fn sync_directory(directory: &Path) -> Result<(), OutboxError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(file_error("sync", directory))
}

pub(super) fn make_directory(directory: &Path) -> Result<(), OutboxError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(file_error("create", directory))
}

/// The files that were written whole, in the order of their names; what a crash left half-written is removed.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>, OutboxError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(file_error("list", directory))? {
        let path = entry.map_err(file_error("list", directory))?.path();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some(FILE_ENDING) => files.push(path),
            Some(TEMPORARY_ENDING) => fs::remove_file(&path).map_err(file_error("remove", &path))?,
            _ => {}
        }
    }
    files.sort_unstable();
    Ok(files)
}

pub(super) fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OutboxError {
    let path = path.to_owned();
    move |source| OutboxError::File { action, path, source }
}
