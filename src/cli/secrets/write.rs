//! Writing a file whole or not at all.
#![expect(
    clippy::disallowed_methods,
    reason = "writing the file in place, or where --output says, is what the user asked for"
)]

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::file::FileError;

/// Who may read a file that was not there before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NewFile {
    /// Whom the umask lets: it is sealed.
    Shared,
    /// Its owner alone: it is plaintext.
    Private,
}

impl NewFile {
    fn mode(self) -> u32 {
        match self {
            Self::Shared => 0o666,
            Self::Private => 0o600,
        }
    }
}

/// Puts bytes in place of a file, or makes it: written beside it, synced, and renamed over it. Its mode is kept, and its
/// owner where the system lets us. A symbolic link stays one, and what it points to is replaced, as with sops. What is
/// no file, such as a pipe or a terminal, is written to.
pub(super) fn write(path: &Path, bytes: &[u8], new_file: NewFile) -> Result<(), FileError> {
    let written = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            fs::canonicalize(path).and_then(|target| replace(&target, bytes, Some(&metadata), new_file))
        }
        Ok(metadata) if metadata.is_dir() => {
            Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"))
        }
        Ok(_) => fs::File::options()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => replace(path, bytes, None, new_file),
        Err(error) => Err(error),
    };
    written.map_err(|error| FileError::new(path, format!("failed to write it: {error}")))
}

fn replace(path: &Path, bytes: &[u8], old: Option<&fs::Metadata>, new_file: NewFile) -> io::Result<()> {
    let beside = beside(path)?;
    let mode = old.map_or_else(|| new_file.mode(), |_| NewFile::Private.mode());
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    let written = (|| {
        if let Some(old) = old {
            take_over(&file, old)?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // What is beside is of no use to anybody; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&beside);
        return written;
    }
    // That the new name is on the disk too, as far as the file system has a way to say so.
    if let Ok(folder) = fs::File::open(path.parent().unwrap_or(Path::new("/"))) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Owner and mode. Only root can give files away: for others the file stays theirs, and its mode closed to the group
/// that it had.
fn take_over(file: &fs::File, old: &fs::Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    let is_kept = (new.uid(), new.gid()) == (old.uid(), old.gid())
        || std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid())).is_ok();
    let mode = old.permissions().mode() & 0o777;
    let mode = if is_kept { mode } else { mode & !0o070 };
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// The name of the file to be, in the same folder.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidFilename, "it has no name"))?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.new", std::process::id()));
    Ok(path.with_file_name(beside))
}
