//! A file for the editor that is in memory only: in a folder of its own, in a file system without a disk.
#![expect(
    clippy::disallowed_methods,
    reason = "the editor needs a file; this one is memory, and goes with the editor"
)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::cli::secrets::file::Source;

/// `statfs(2)`'s type of tmpfs and of ramfs (linux/magic.h).
const MEMORY_FILE_SYSTEMS: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// Where such a file system usually is, besides `$XDG_RUNTIME_DIR` and `$TMPDIR`.
const USUAL_PLACES: [&str; 2] = ["/dev/shm", "/tmp"];

/// Random bytes in the name of the folder; nobody else is to guess and take it.
const NAME_BYTES: usize = 16;

/// Why there is no private file.
#[derive(Debug, Error)]
pub(super) enum PrivateFileError {
    /// There is no memory to put it into.
    #[error(
        "failed to find a folder in memory (tmpfs) for the editor; there is none at {}. Plaintext is not put on a disk: \
         mount a tmpfs and name it in XDG_RUNTIME_DIR",
        .tried.join(", ")
    )]
    NoMemory {
        /// Where one was looked for.
        tried: Vec<String>,
    },
    /// The system refuses.
    #[error("failed to write the file for the editor")]
    Io(#[source] io::Error),
    /// No random name.
    #[error("failed to name the folder for the editor: the system gives no random numbers")]
    Random,
    /// The editor left something else in its place.
    #[error("failed to read what the editor wrote: {0}")]
    Unreadable(String),
}

/// A plaintext in memory, readable by its owner alone. It is overwritten and removed when it is dropped, and whatever the
/// editor put beside it goes too.
pub(super) struct PrivateFile {
    folder: PathBuf,
    path: PathBuf,
}

impl PrivateFile {
    /// A file with this name and text.
    pub(super) fn create(name: &OsStr, text: &[u8]) -> Result<Self, PrivateFileError> {
        Self::create_in(&places(), name, text)
    }

    fn create_in(places: &[PathBuf], name: &OsStr, text: &[u8]) -> Result<Self, PrivateFileError> {
        let place = places
            .iter()
            .find(|place| is_memory(place) && is_writable(place))
            .ok_or_else(|| PrivateFileError::NoMemory {
                tried: places.iter().map(|place| place.display().to_string()).collect(),
            })?;
        let folder = place.join(folder_name()?);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(PrivateFileError::Io)?;
        let path = folder.join(name);
        // From here on it is removed, whatever comes.
        let file = Self { folder, path };
        file.write(text).map_err(PrivateFileError::Io)?;
        Ok(file)
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        // That the folder is the one that was just made, in memory, and nobody's but ours.
        if !is_memory(&self.folder) {
            return Err(io::Error::other("the folder for the editor is not in memory"));
        }
        let mut file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        file.write_all(text)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the editor may put what it needs.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is in it now. Editors may have put another file in its place.
    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
        Source::File(&self.path)
            .read()
            .map_err(|error| PrivateFileError::Unreadable(error.reason().to_owned()))
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        // Memory is freed with the files; zeros spare what was in it from lying about. Nothing more can be done where
        // this fails.
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let _ = overwrite(&entry);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn overwrite(entry: &fs::DirEntry) -> io::Result<()> {
    let metadata = entry.metadata()?;
    if metadata.is_file() {
        let zeros = vec![0; usize::try_from(metadata.len()).unwrap_or(0)];
        fs::File::options()
            .write(true)
            .open(entry.path())?
            .write_all(&zeros)?;
    }
    Ok(())
}

fn places() -> Vec<PathBuf> {
    let named = ["XDG_RUNTIME_DIR", "TMPDIR"].map(std::env::var_os);
    let named = named.into_iter().flatten().map(PathBuf::from);
    let named = named.filter(|place| place.is_absolute());
    named.chain(USUAL_PLACES.map(PathBuf::from)).collect()
}

fn is_memory(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|file_system| {
        u64::try_from(file_system.f_type).is_ok_and(|kind| MEMORY_FILE_SYSTEMS.contains(&kind))
    })
}

fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

fn folder_name() -> Result<OsString, PrivateFileError> {
    let mut bytes = [0; NAME_BYTES];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| PrivateFileError::Random)?;
    Ok(format!("fluxops-edit-{:032x}", u128::from_be_bytes(bytes)).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn is_in_memory_private_and_goes() {
        let file = PrivateFile::create(OsStr::new("a.yaml"), b"hunter2").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(file.folder()), mode(file.path())), (0o700, 0o600));
        assert!(is_memory(file.path()));
        assert_eq!(&*file.read().unwrap(), b"hunter2");
        fs::write(file.folder().join("a.yaml~"), "hunter2").unwrap();
        let folder = file.folder().to_owned();
        drop(file);
        assert!(!folder.exists());
    }

    #[test]
    fn what_is_no_memory_is_refused() {
        for place in ["/proc", "/nowhere"] {
            let refused = PrivateFile::create_in(&[place.into()], OsStr::new("a"), b"hunter2");
            assert!(
                matches!(refused, Err(PrivateFileError::NoMemory { .. })),
                "{place}"
            );
        }
    }
}
