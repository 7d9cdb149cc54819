//! A tree in a bare repository, or a folder on disk for the commands that render one.

use std::path::{Path, PathBuf};

use git_signature::ObjectId;
use git2::{ObjectType, Oid, Repository, TreeEntry};

use super::{FilesError, MAX_FILE_BYTES};

/// Where files come from: of a commit that was verified, or of a folder that the user named.
pub struct Tree(Origin);

enum Origin {
    Git { repository: PathBuf, tree: ObjectId },
    Folder(PathBuf),
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// Another repository.
    Submodule,
}

/// An open tree. It is made where it is used, since libgit2's handles stay in one thread.
pub(crate) enum Reader {
    Git { repository: Repository, root: Oid },
    Folder(PathBuf),
}

/// What a Git LFS pointer begins with (git-lfs `docs/spec.md`).
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// No pointer is larger (git-lfs `docs/spec.md`).
const MAX_LFS_POINTER: usize = 1024;

impl Tree {
    /// A tree in a bare repository; for the step that verified the commit it belongs to.
    pub(crate) fn git(repository: PathBuf, tree: ObjectId) -> Self {
        Self(Origin::Git { repository, tree })
    }

    /// A folder on disk; for commands on the user's own files, never for the reconciler.
    pub fn folder(path: &Path) -> Self {
        Self(Origin::Folder(path.to_owned()))
    }

    pub(super) fn reader(&self) -> Result<Reader, FilesError> {
        match &self.0 {
            Origin::Git { repository, tree } => {
                let failed = |error: git2::Error| failed("", &error);
                let repository = Repository::open_bare(repository).map_err(failed)?;
                let root = Oid::from_str(&tree.to_string()).map_err(failed)?;
                Ok(Reader::Git { repository, root })
            }
            Origin::Folder(path) => Ok(Reader::Folder(path.clone())),
        }
    }
}

impl Reader {
    /// What stands at a path; nothing where there is none.
    pub(super) fn entry(&self, path: &str) -> Result<Option<Entry>, FilesError> {
        check(path)?;
        if path.is_empty() {
            return Ok(Some(Entry::Folder));
        }
        match self {
            Self::Git { repository, root } => {
                let tree = repository
                    .find_tree(*root)
                    .map_err(|error| failed(path, &error))?;
                match tree.get_path(Path::new(path)) {
                    Ok(entry) => kind(&entry, path).map(Some),
                    Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
                    Err(error) => Err(failed(path, &error)),
                }
            }
            Self::Folder(root) => on_disk(&root.join(path), path),
        }
    }

    /// The names in a folder.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<(String, Entry)>, FilesError> {
        check(folder)?;
        match self {
            Self::Git { repository, root } => {
                let mut tree = repository
                    .find_tree(*root)
                    .map_err(|error| failed(folder, &error))?;
                if !folder.is_empty() {
                    let entry = tree
                        .get_path(Path::new(folder))
                        .map_err(|_| FilesError::NoSuchFolder(folder.to_owned()))?;
                    tree = repository
                        .find_tree(entry.id())
                        .map_err(|error| failed(folder, &error))?;
                }
                let named = |entry: TreeEntry<'_>| {
                    let name = entry
                        .name()
                        .map_err(|_| FilesError::Name(folder.to_owned()))?
                        .to_owned();
                    check(&name)?;
                    Ok((name, kind(&entry, folder)?))
                };
                tree.iter().map(named).collect()
            }
            Self::Folder(root) => {
                let io = |error: std::io::Error| io_failed(folder, &error);
                let mut names = Vec::new();
                for entry in std::fs::read_dir(root.join(folder)).map_err(io)? {
                    let entry = entry.map_err(io)?;
                    let name = entry
                        .file_name()
                        .into_string()
                        .map_err(|_| FilesError::Name(folder.to_owned()))?;
                    if let Some(entry) = on_disk(&entry.path(), &name)? {
                        names.push((name, entry));
                    }
                }
                Ok(names)
            }
        }
    }

    /// A regular file's bytes.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, FilesError> {
        match self.entry(path)? {
            None | Some(Entry::Folder) => return Err(FilesError::NoSuchFile(path.to_owned())),
            Some(Entry::Symlink) => return Err(FilesError::Symlink(path.to_owned())),
            Some(Entry::Submodule) => return Err(FilesError::Submodule(path.to_owned())),
            Some(Entry::File) => {}
        }
        let bytes = match self {
            Self::Git { repository, root } => {
                let failed = |error: git2::Error| failed(path, &error);
                let tree = repository.find_tree(*root).map_err(failed)?;
                let id = tree.get_path(Path::new(path)).map_err(failed)?.id();
                let database = repository.odb().map_err(failed)?;
                // The size is known before anything is unpacked.
                let (bytes, _) = database.read_header(id).map_err(failed)?;
                within_limit(path, bytes)?;
                database.read(id).map_err(failed)?.data().to_vec()
            }
            Self::Folder(root) => {
                let file = root.join(path);
                let bytes = std::fs::metadata(&file)
                    .map_err(|error| io_failed(path, &error))?
                    .len();
                within_limit(path, usize::try_from(bytes).unwrap_or(usize::MAX))?;
                std::fs::read(&file).map_err(|error| io_failed(path, &error))?
            }
        };
        if bytes.len() <= MAX_LFS_POINTER && bytes.starts_with(LFS_POINTER) {
            return Err(FilesError::LfsPointer(path.to_owned()));
        }
        Ok(bytes)
    }
}

fn within_limit(path: &str, bytes: usize) -> Result<(), FilesError> {
    if bytes > MAX_FILE_BYTES {
        Err(FilesError::TooLarge {
            path: path.to_owned(),
            bytes,
        })
    } else {
        Ok(())
    }
}

/// Paths are relative and plain, and none of their parts can be mistaken for something else.
fn check(path: &str) -> Result<(), FilesError> {
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.eq_ignore_ascii_case(".git")
            && !part.contains(['\0', '\\'])
    };
    if path.is_empty() || path.split('/').all(plain) {
        Ok(())
    } else {
        Err(FilesError::Name(path.to_owned()))
    }
}

fn kind(entry: &TreeEntry<'_>, path: &str) -> Result<Entry, FilesError> {
    const SYMLINK: i32 = 0o120_000;
    match (entry.kind(), entry.filemode()) {
        (Some(ObjectType::Tree), _) => Ok(Entry::Folder),
        (Some(ObjectType::Commit), _) => Ok(Entry::Submodule),
        (Some(ObjectType::Blob), SYMLINK) => Ok(Entry::Symlink),
        (Some(ObjectType::Blob), _) => Ok(Entry::File),
        _ => Err(FilesError::Name(path.to_owned())),
    }
}

fn on_disk(file: &Path, path: &str) -> Result<Option<Entry>, FilesError> {
    match std::fs::symlink_metadata(file) {
        Ok(metadata) if metadata.is_symlink() => Ok(Some(Entry::Symlink)),
        Ok(metadata) if metadata.is_dir() => Ok(Some(Entry::Folder)),
        Ok(metadata) if metadata.is_file() => Ok(Some(Entry::File)),
        Ok(_) => Err(FilesError::Name(path.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_failed(path, &error)),
    }
}

fn failed(path: &str, error: &git2::Error) -> FilesError {
    FilesError::ObjectDatabase {
        path: path.to_owned(),
        message: error.message().to_owned(),
    }
}

fn io_failed(path: &str, error: &std::io::Error) -> FilesError {
    FilesError::ObjectDatabase {
        path: path.to_owned(),
        message: error.to_string(),
    }
}
