//! The files of a tree.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::{CommandError, Exit};

/// What Git keeps for itself; nobody seals it.
const GIT: &str = ".git";

/// The files that are named and those below the folders that are, in the order of their names. Symbolic links below
/// folders are not followed: what they point to is looked at in its own place.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if metadata.is_dir() {
            collect(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    let mut pending = vec![folder.to_owned()];
    let first = files.len();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let entry = entry.map_err(|error| unreadable(&folder, &error))?;
            let kind = entry.file_type().map_err(|error| unreadable(&folder, &error))?;
            // As the user would write it.
            let path = entry.path();
            let path = path.strip_prefix("./").map_or(path.clone(), Path::to_owned);
            if kind.is_dir() && entry.file_name() != GIT {
                pending.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    if let Some(found) = files.get_mut(first..) {
        found.sort_unstable();
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::new(
        Exit::Unusable,
        format!("failed to read {}: {error}", path.display()),
    )
}
