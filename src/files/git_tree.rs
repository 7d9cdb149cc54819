//! A tree in a bare repository, or a folder on disk for the commands that render one.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use git_signature::ObjectId;
use git2::{ObjectType, Oid, Repository, TreeEntry};

use super::reads::{Reads, Seen};
use super::{FilesError, MAX_FILE_BYTES};
use crate::source::{MAX_UNPACKED_OBJECT, Mirror};

/// Where files come from: of a commit that was verified, or of a folder that the user named.
pub struct Tree(Origin);

enum Origin {
    Git { mirror: Mirror, tree: ObjectId },
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
    Git(Commit),
    Folder(PathBuf),
}

/// The tree of a commit. All of its objects have to be there: the one that is not condemns the mirror.
pub(crate) struct Commit {
    mirror: Mirror,
    repository: Repository,
    root: Oid,
    reads: RefCell<Reads>,
}

/// What a Git LFS pointer begins with (git-lfs `docs/spec.md`).
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// No pointer is larger (git-lfs `docs/spec.md`).
const MAX_LFS_POINTER: usize = 1024;

impl Tree {
    /// A tree in a mirror; for the step that verified the commit it belongs to.
    pub(crate) fn git(mirror: Mirror, tree: ObjectId) -> Self {
        Self(Origin::Git { mirror, tree })
    }

    /// A folder on disk; for commands on the user's own files, never for the reconciler.
    pub fn folder(path: &Path) -> Self {
        Self(Origin::Folder(path.to_owned()))
    }

    pub(super) fn reader(&self) -> Result<Reader, FilesError> {
        match &self.0 {
            Origin::Git { mirror, tree } => {
                let mirror = mirror.clone();
                let repository =
                    Repository::open_bare(mirror.path()).map_err(|error| unreadable(&mirror, "", &error))?;
                let root =
                    Oid::from_bytes(tree.as_bytes()).map_err(|error| unreadable(&mirror, "", &error))?;
                Ok(Reader::Git(Commit {
                    mirror,
                    repository,
                    root,
                    reads: RefCell::default(),
                }))
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
            Self::Git(commit) => {
                let seen = commit.seen(path)?;
                commit.reads.borrow_mut().entry(path, seen);
                Ok(match seen {
                    Seen::Nothing => None,
                    Seen::Folder => Some(Entry::Folder),
                    Seen::Other(entry, _) => Some(entry),
                })
            }
            Self::Folder(root) => on_disk(&root.join(path), path),
        }
    }

    /// The names in a folder.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<(String, Entry)>, FilesError> {
        check(folder)?;
        match self {
            Self::Git(commit) => {
                let named = |entry: TreeEntry<'_>| {
                    let name = entry
                        .name()
                        .map_err(|_| FilesError::Name(folder.to_owned()))?
                        .to_owned();
                    check(&name)?;
                    Ok((name, kind(&entry, folder)?))
                };
                let tree = commit.folder(folder)?;
                commit.reads.borrow_mut().listing(folder, tree.id());
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
            Self::Git(commit) => commit.read(path)?,
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

    /// What was read; nothing of a folder on disk.
    pub(super) fn into_reads(self) -> Reads {
        match self {
            Self::Git(commit) => commit.reads.into_inner(),
            Self::Folder(_) => Reads::default(),
        }
    }
}

impl Commit {
    /// What stands at a path.
    pub(super) fn seen(&self, path: &str) -> Result<Seen, FilesError> {
        Ok(match self.entry(path)? {
            None => Seen::Nothing,
            Some(entry) => match kind(&entry, path)? {
                Entry::Folder => Seen::Folder,
                other => Seen::Other(other, entry.id()),
            },
        })
    }

    /// The entry at a path; nothing where there is none.
    fn entry(&self, path: &str) -> Result<Option<TreeEntry<'static>>, FilesError> {
        let mut tree = self.tree(self.root, path)?;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            // Folder by folder, since to libgit2 a missing object and a missing name are the same.
            let Some(entry) = tree.get_name(name).map(|entry| entry.to_owned()) else {
                return Ok(None);
            };
            if names.peek().is_none() {
                return Ok(Some(entry));
            }
            if entry.kind() != Some(ObjectType::Tree) {
                return Ok(None);
            }
            tree = self.tree(entry.id(), path)?;
        }
        Ok(None)
    }

    pub(super) fn folder(&self, path: &str) -> Result<git2::Tree<'_>, FilesError> {
        if path.is_empty() {
            return self.tree(self.root, path);
        }
        match self.entry(path)? {
            Some(entry) if entry.kind() == Some(ObjectType::Tree) => self.tree(entry.id(), path),
            _ => Err(FilesError::NoSuchFolder(path.to_owned())),
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, FilesError> {
        let entry = self
            .entry(path)?
            .ok_or_else(|| FilesError::NoSuchFile(path.to_owned()))?;
        let unreadable = |error: git2::Error| unreadable(&self.mirror, path, &error);
        let database = self.repository.odb().map_err(unreadable)?;
        // The size is known before anything is unpacked.
        let (bytes, _) = database.read_header(entry.id()).map_err(unreadable)?;
        if bytes as u64 > MAX_UNPACKED_OBJECT {
            return Err(unreadable(git2::Error::from_str(
                "it has a size that none was fetched with",
            )));
        }
        within_limit(path, bytes)?;
        Ok(database.read(entry.id()).map_err(unreadable)?.data().to_vec())
    }

    fn tree(&self, id: Oid, path: &str) -> Result<git2::Tree<'_>, FilesError> {
        self.repository
            .find_tree(id)
            .map_err(|error| unreadable(&self.mirror, path, &error))
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

fn unreadable(mirror: &Mirror, path: &str, error: &git2::Error) -> FilesError {
    mirror.condemn();
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
