//! The file that records are appended to: a line is in it whole and on disk, or it is not in it.
#![expect(
    clippy::disallowed_methods,
    reason = "records hold names and words, never values"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{AuditError, CURRENT_FILE};

/// What a torn line is closed in, before it takes the place of [`CURRENT_FILE`].
const RECOVERY_FILE: &str = "audit.recovery";

/// [`CURRENT_FILE`], open at its end.
pub(super) struct CurrentFile {
    directory: PathBuf,
    path: PathBuf,
    file: File,
    bytes: u64,
    condition: Condition,
}

/// Whether what is on disk is what was appended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// It is.
    Known,
    /// A write or a sync failed and was not undone. After a failed fsync the kernel may have dropped the pages
    /// (fsync(2), NOTES), so that only reading the file again tells.
    Unknown,
}

impl CurrentFile {
    /// Opens the file; a new one is known to the directory on disk before anything is written to it.
    pub(super) fn open(directory: &Path) -> Result<Self, AuditError> {
        let path = directory.join(CURRENT_FILE);
        let is_new = !path.try_exists().map_err(io_error("open", &path))?;
        let file = private()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        if is_new {
            sync_directory(directory)?;
        }
        let bytes = file.metadata().map_err(io_error("open", &path))?.len();
        Ok(Self {
            directory: directory.to_owned(),
            path,
            file,
            bytes,
            condition: Condition::Known,
        })
    }

    /// Its length in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a line and waits until it is on disk. When that fails, the file is as it was, or is not written any
    /// more.
    pub(super) fn append(&mut self, line: &[u8]) -> Result<(), AuditError> {
        if self.condition == Condition::Unknown {
            return Err(AuditError::Unusable(self.path.clone()));
        }
        self.condition = Condition::Unknown;
        if let Err(source) = self.file.write_all(line) {
            let undone = self.file.set_len(self.bytes).and_then(|()| self.file.sync_data());
            if undone.is_ok() {
                self.condition = Condition::Known;
            }
            return Err(io_error("write", &self.path)(source));
        }
        self.file.sync_data().map_err(io_error("sync", &self.path))?;
        self.bytes += line.len() as u64;
        self.condition = Condition::Known;
        Ok(())
    }

    /// Ends the torn last line and appends the line that accounts for it, both or neither: in a copy that takes the
    /// file's place. Were the file itself written to, a second crash could leave two torn lines, which nothing tells
    /// from tampering.
    pub(super) fn close_torn_line(&mut self, line: &[u8]) -> Result<(), AuditError> {
        let beside = self.directory.join(RECOVERY_FILE);
        let failed = || io_error("repair", &beside);
        let original = File::open(&self.path).map_err(io_error("open", &self.path))?;
        let mut copy = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)
            .map_err(failed())?;
        let copied = io::copy(&mut original.take(self.bytes), &mut copy).map_err(failed())?;
        copy.write_all(b"\n")
            .and_then(|()| copy.write_all(line))
            .map_err(failed())?;
        copy.sync_all().map_err(failed())?;
        fs::rename(&beside, &self.path).map_err(failed())?;
        sync_directory(&self.directory)?;
        self.file = private()
            .append(true)
            .open(&self.path)
            .map_err(io_error("open", &self.path))?;
        self.bytes = copied + 1 + line.len() as u64;
        Ok(())
    }

    /// Sets the file aside under the number of its last record, and begins a new one.
    pub(super) fn rotate(&mut self, last: u64) -> Result<(), AuditError> {
        if self.condition == Condition::Unknown {
            return Err(AuditError::Unusable(self.path.clone()));
        }
        let aside = self.directory.join(aside_name(last));
        fs::rename(&self.path, &aside).map_err(io_error("rotate", &aside))?;
        // Until there is a new file, a record would go to the one that was set aside.
        self.condition = Condition::Unknown;
        self.file = private()
            .append(true)
            .create_new(true)
            .open(&self.path)
            .map_err(io_error("rotate", &self.path))?;
        sync_directory(&self.directory)?;
        self.bytes = 0;
        self.condition = Condition::Known;
        Ok(())
    }

    /// Takes away the right to write, as a disk does that went read-only.
    #[cfg(test)]
    pub(super) fn make_read_only(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }
}

/// The files of a log, oldest first. A file whose name is not one of ours is none of its.
pub(super) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut aside = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(last) = name.to_str().and_then(aside_number) {
            aside.push((last, directory.join(name)));
        }
    }
    aside.sort();
    let mut files: Vec<PathBuf> = aside.into_iter().map(|(_, path)| path).collect();
    let current = directory.join(CURRENT_FILE);
    if current.try_exists()? {
        files.push(current);
    }
    Ok(files)
}

/// The name of a file that was set aside, which sorts as the chain runs.
fn aside_name(last: u64) -> String {
    format!("audit-{last:012}.jsonl")
}

/// The number of the last record of a file that was set aside.
fn aside_number(name: &str) -> Option<u64> {
    let last = name
        .strip_prefix("audit-")?
        .strip_suffix(".jsonl")?
        .parse()
        .ok()?;
    (aside_name(last) == name).then_some(last)
}

/// Who may read the log: its owner.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn sync_directory(directory: &Path) -> Result<(), AuditError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(io_error("sync", directory))
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuditError {
    let path = path.to_owned();
    move |source| AuditError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_set_aside_sort_as_their_numbers() {
        assert_eq!(aside_name(7), "audit-000000000007.jsonl");
        let mut names: Vec<String> = [1_000_000, 9, 10, 1, 999_999_999_999].map(aside_name).to_vec();
        names.sort();
        let numbers: Vec<_> = names.iter().filter_map(|name| aside_number(name)).collect();
        assert_eq!(numbers, [1, 9, 10, 1_000_000, 999_999_999_999]);
    }

    #[test]
    fn other_names_are_none_of_the_log() {
        for name in [
            "audit.jsonl",
            "audit-7.jsonl",
            "audit-+00000000007.jsonl",
            "audit-backup.jsonl",
            "audit-000000000007.jsonl.gz",
        ] {
            assert_eq!(aside_number(name), None, "{name}");
        }
    }
}
