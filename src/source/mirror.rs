//! The bare repository in the state directory that one URL is mirrored into.
//!
//! `refs/fluxops/<id>` says: this object and all that it leads to is here. Such a reference is made only after
//! that was checked. The names of the remote's references are never used, so they cannot clash or escape.
//! The mirror is a cache: one that cannot be read is deleted, and cloned anew by the next fetch.
#![expect(
    clippy::disallowed_methods,
    reason = "the lock of a mirror is a file; nothing secret is in it"
)]

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use super::clock::{Clock, Step};
use super::error::FetchError;
use super::upload_pack::Remote;
use super::url::GitUrl;
use crate::name::hex;

/// The most bytes of a pack.
pub const MAX_PACK_BYTES: u64 = 1 << 30;
/// The most objects in a pack.
pub const MAX_PACK_OBJECTS: u64 = 2_000_000;
/// The most folders within each other.
pub const MAX_TREE_DEPTH: usize = 64;
/// The most packs of a mirror. Each fetch adds one; with more the mirror is cloned anew, into a single one.
pub const MAX_PACKS: usize = 200;
/// How many commits that we have are named to the remote.
pub const MAX_HAVES: usize = 256;
/// How many complete objects are remembered; older ones stay readable until the mirror is cloned anew.
pub const MAX_MARKS: usize = 32;
const MARKS: &str = "refs/fluxops/";
/// A pack begins with "PACK", a version and the number of objects (gitformat-pack(5)).
const PACK_HEADER: usize = 12;

/// Where a mirror is. The folder need not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    path: PathBuf,
}

/// The right to change a mirror, held by one fetch at a time, across processes.
pub(super) struct Lock {
    _file: File,
}

/// What a reference leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) commit: Oid,
    pub(super) tag: Option<Oid>,
}

impl Mirror {
    /// The mirror of a URL in a state directory: `git/<first 16 hex digits of the URL's SHA-256>`.
    pub fn of(state_dir: &Path, url: &GitUrl) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, url.to_string().as_bytes());
        let name = hex(digest.as_ref().get(..8).unwrap_or_default());
        Self {
            path: state_dir.join("git").join(name),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the bare repository for reading.
    pub fn open(&self) -> Result<Repository, FetchError> {
        Repository::open_bare(&self.path).map_err(|error| unusable(&error))
    }

    /// Deletes what is there, so that the next fetch clones anew: for when an object turns out to be unreadable.
    pub fn discard(&self) -> Result<(), FetchError> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unwritable(&error)),
            _ => Ok(()),
        }
    }

    pub(super) fn lock(&self, clock: &Clock) -> Result<Lock, FetchError> {
        if let Some(parent) = self.path.parent() {
            private_folder(parent)?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.with_extension("lock"));
        let file = file.map_err(|error| unwritable(&error))?;
        clock.one_step().poll(Step::Lock, || match file.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unwritable(&error)),
        })?;
        Ok(Lock { _file: file })
    }

    /// Opens the repository for a fetch. What cannot be read is deleted and made anew.
    pub(super) fn prepare(&self, _lock: &Lock) -> Result<Repository, FetchError> {
        if self.path.exists() {
            match self
                .open()
                .and_then(|repository| check_marks(&repository).map(|()| repository))
            {
                Ok(repository) => return Ok(repository),
                Err(error) => {
                    tracing::warn!(mirror = %self.path.display(), %error, "the mirror is damaged; cloning anew");
                }
            }
        }
        self.recreate()
    }

    /// Makes sure that `want` and all it leads to is here.
    pub(super) fn bring(
        &self,
        mut repository: Repository,
        want: Oid,
        remote: &mut dyn Remote,
        _lock: &Lock,
    ) -> Result<Repository, FetchError> {
        if is_marked(&repository, want) {
            return Ok(repository);
        }
        if count_packs(&self.path) > MAX_PACKS {
            tracing::info!(mirror = %self.path.display(), "the mirror has many packs; cloning anew");
            drop(repository);
            repository = self.recreate()?;
        }
        let marks = marks(&repository)?;
        receive(&repository, want, &haves(&repository, &marks)?, remote)?;
        check_complete(&repository, want, &marks)?;
        mark(&repository, want, &marks)?;
        Ok(repository)
    }

    fn recreate(&self) -> Result<Repository, FetchError> {
        self.discard()?;
        private_folder(&self.path)?;
        Repository::init_bare(&self.path).map_err(|error| unusable(&error))
    }
}

/// Whether an object and all that it leads to is in the mirror.
pub(super) fn is_marked(repository: &Repository, id: Oid) -> bool {
    repository
        .find_reference(&format!("{MARKS}{id}"))
        .is_ok_and(|mark| mark.target() == Some(id))
}

/// Follows at most one annotated tag to a commit.
pub(super) fn target(repository: &Repository, id: Oid) -> Option<Target> {
    let object = repository.find_object(id, None).ok()?;
    match object.kind()? {
        ObjectType::Commit => Some(Target {
            commit: id,
            tag: None,
        }),
        ObjectType::Tag => {
            let tag = object.as_tag()?;
            let leads_to_commit = tag.target_type() == Some(ObjectType::Commit);
            leads_to_commit.then(|| Target {
                commit: tag.target_id(),
                tag: Some(id),
            })
        }
        _ => None,
    }
}

fn receive(
    repository: &Repository,
    want: Oid,
    haves: &[Oid],
    remote: &mut dyn Remote,
) -> Result<(), FetchError> {
    let odb = repository.odb().map_err(|error| unusable(&error))?;
    let mut pack = Pack::new(&odb);
    remote.objects(want, haves, &mut |piece| pack.take(piece))?;
    pack.finish()
}

/// A pack on its way into the object database, with its size watched.
struct Pack<'odb> {
    odb: &'odb Odb<'odb>,
    /// None until the header is whole, and for a pack without objects, which the library does not take.
    writer: Option<git2::OdbPackwriter<'odb>>,
    header: Vec<u8>,
    bytes: u64,
}

impl<'odb> Pack<'odb> {
    fn new(odb: &'odb Odb<'odb>) -> Self {
        Self {
            odb,
            writer: None,
            header: Vec::with_capacity(PACK_HEADER),
            bytes: 0,
        }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > MAX_PACK_BYTES {
            return Err(FetchError::TooLarge {
                what: "bytes",
                limit: MAX_PACK_BYTES,
            });
        }
        let missing = PACK_HEADER.saturating_sub(self.header.len()).min(piece.len());
        let (header, rest) = piece.split_at_checked(missing).unwrap_or((piece, &[]));
        if missing > 0 {
            self.header.extend_from_slice(header);
            if self.header.len() == PACK_HEADER && pack_objects(&self.header)? > 0 {
                let mut writer = self.odb.packwriter().map_err(|error| unusable(&error))?;
                writer.write_all(&self.header).map_err(|_| bad_pack())?;
                self.writer = Some(writer);
            }
        }
        match &mut self.writer {
            Some(writer) if !rest.is_empty() => writer.write_all(rest).map_err(|_| bad_pack()),
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<(), FetchError> {
        match self.writer {
            Some(mut writer) => writer.commit().map(|_| ()).map_err(|_| bad_pack()),
            None if self.header.len() == PACK_HEADER => Ok(()),
            None => Err(FetchError::Protocol("the pack ends in its header")),
        }
    }
}

/// The number of objects that a pack's header announces.
fn pack_objects(header: &[u8]) -> Result<u64, FetchError> {
    let fields = header
        .strip_prefix(b"PACK\x00\x00\x00\x02")
        .and_then(|count| <[u8; 4]>::try_from(count).ok());
    let count = fields
        .map(u32::from_be_bytes)
        .ok_or(FetchError::Protocol("the pack is not one of version 2"))?;
    if u64::from(count) > MAX_PACK_OBJECTS {
        return Err(FetchError::TooLarge {
            what: "objects",
            limit: MAX_PACK_OBJECTS,
        });
    }
    Ok(u64::from(count))
}

/// Checks that nothing new is missing: the commits down to complete ones, and the files of the wanted one.
fn check_complete(repository: &Repository, want: Oid, complete: &[Oid]) -> Result<(), FetchError> {
    let missing = |error: git2::Error| FetchError::BadObjects(error.message().to_owned());
    let Some(Target { commit, .. }) = target(repository, want) else {
        // Whether it is missing or of another kind shows when the revision is made.
        return repository.find_object(want, None).map(|_| ()).map_err(missing);
    };
    let mut walk = repository.revwalk().map_err(missing)?;
    walk.push(commit).map_err(missing)?;
    let mut known_tree = None;
    for id in complete {
        if let Some(known) = target(repository, *id) {
            walk.hide(known.commit).map_err(missing)?;
            known_tree = known_tree.or_else(|| repository.find_commit(known.commit).ok()?.tree_id().into());
        }
    }
    for id in walk {
        repository.find_commit(id.map_err(missing)?).map_err(missing)?;
    }
    let tree = repository.find_commit(commit).map_err(missing)?.tree_id();
    let odb = repository.odb().map_err(missing)?;
    let mut check = TreeCheck {
        repository,
        odb: &odb,
        seen: HashSet::new(),
    };
    check.tree(tree, known_tree, 0)
}

/// A walk over the folders of a commit that passes by what a complete commit has in the same place.
struct TreeCheck<'repository> {
    repository: &'repository Repository,
    odb: &'repository Odb<'repository>,
    /// Folders that were looked at: the same one in many places costs once.
    seen: HashSet<Oid>,
}

impl TreeCheck<'_> {
    fn tree(&mut self, id: Oid, known: Option<Oid>, depth: usize) -> Result<(), FetchError> {
        if known == Some(id) || !self.seen.insert(id) {
            return Ok(());
        }
        if depth > MAX_TREE_DEPTH {
            return Err(FetchError::TooLarge {
                what: "folders within each other",
                limit: MAX_TREE_DEPTH as u64,
            });
        }
        let tree = self
            .repository
            .find_tree(id)
            .map_err(|error| FetchError::BadObjects(error.message().to_owned()))?;
        let known = known.and_then(|known| self.repository.find_tree(known).ok());
        for entry in &tree {
            let before = known
                .as_ref()
                .and_then(|known| known.get_name_bytes(entry.name_bytes()));
            let before = before.map(|before| before.id());
            match entry.kind() {
                Some(ObjectType::Tree) => self.tree(entry.id(), before, depth + 1)?,
                Some(ObjectType::Blob) if before != Some(entry.id()) && !self.odb.exists(entry.id()) => {
                    return Err(FetchError::BadObjects(format!(
                        "the file {} is missing",
                        entry.id()
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The complete objects, newest first as far as commits tell.
fn marks(repository: &Repository) -> Result<Vec<Oid>, FetchError> {
    let references = repository
        .references_glob(&format!("{MARKS}*"))
        .map_err(|error| unusable(&error))?;
    let mut marks = Vec::new();
    for reference in references {
        marks.extend(reference.map_err(|error| unusable(&error))?.target());
    }
    let time = |id: &Oid| {
        let commit = target(repository, *id).and_then(|target| repository.find_commit(target.commit).ok());
        std::cmp::Reverse(commit.map_or(i64::MIN, |commit| commit.time().seconds()))
    };
    marks.sort_by_cached_key(time);
    Ok(marks)
}

fn check_marks(repository: &Repository) -> Result<(), FetchError> {
    let odb = repository.odb().map_err(|error| unusable(&error))?;
    for id in marks(repository)? {
        odb.read_header(id).map_err(|error| unusable(&error))?;
        if target(repository, id).is_some_and(|target| odb.read(target.commit).is_err()) {
            return Err(FetchError::Mirror(format!(
                "{id} leads to a commit that cannot be read"
            )));
        }
    }
    Ok(())
}

/// Commits that we have, for the remote to find a common one: the newest, whatever they are called.
fn haves(repository: &Repository, marks: &[Oid]) -> Result<Vec<Oid>, FetchError> {
    let mut walk = repository.revwalk().map_err(|error| unusable(&error))?;
    walk.set_sorting(git2::Sort::TIME)
        .map_err(|error| unusable(&error))?;
    for id in marks {
        if let Some(target) = target(repository, *id) {
            walk.push(target.commit).map_err(|error| unusable(&error))?;
        }
    }
    walk.take(MAX_HAVES)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(&error))
}

/// Marks an object as complete, and forgets marks that it makes needless or that are too many.
fn mark(repository: &Repository, id: Oid, old: &[Oid]) -> Result<(), FetchError> {
    repository
        .reference(&format!("{MARKS}{id}"), id, true, "fetched")
        .map_err(|error| unusable(&error))?;
    let commit = target(repository, id).map(|target| target.commit);
    let mut kept = 1;
    for old in old {
        let is_ancestor =
            commit.is_some_and(|commit| repository.graph_descendant_of(commit, *old).unwrap_or(false));
        if is_ancestor || kept >= MAX_MARKS {
            let mut reference = repository
                .find_reference(&format!("{MARKS}{old}"))
                .map_err(|error| unusable(&error))?;
            reference.delete().map_err(|error| unusable(&error))?;
        } else {
            kept += 1;
        }
    }
    Ok(())
}

fn count_packs(mirror: &Path) -> usize {
    let entries = fs::read_dir(mirror.join("objects/pack"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "pack")
        })
        .count()
}

/// Makes a folder that only we can read.
fn private_folder(path: &Path) -> Result<(), FetchError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| unwritable(&error))
}

fn bad_pack() -> FetchError {
    FetchError::BadObjects("the pack is damaged or incomplete, or the disk is full".to_owned())
}

fn unusable(error: &git2::Error) -> FetchError {
    match error.code() {
        ErrorCode::NotFound => FetchError::Mirror("an object or a file of it is missing".to_owned()),
        _ => FetchError::Mirror(error.message().to_owned()),
    }
}

fn unwritable(error: &std::io::Error) -> FetchError {
    FetchError::Mirror(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(objects: u32) -> Vec<u8> {
        [b"PACK\x00\x00\x00\x02".to_vec(), objects.to_be_bytes().to_vec()].concat()
    }

    #[test]
    fn a_pack_has_a_bounded_number_of_objects() {
        let most = u32::try_from(MAX_PACK_OBJECTS).unwrap();
        assert_eq!(pack_objects(&header(most)).unwrap(), MAX_PACK_OBJECTS);
        assert!(matches!(
            pack_objects(&header(most + 1)),
            Err(FetchError::TooLarge { what: "objects", .. })
        ));
        for other in [&b"PACK\x00\x00\x00\x03\x00\x00\x00\x01"[..], b"", b"<html>......"] {
            assert!(pack_objects(other).is_err());
        }
    }

    #[test]
    fn a_pack_has_a_bounded_size_and_a_whole_header() {
        let folder = tempfile::TempDir::new().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let odb = repository.odb().unwrap();
        let mut pack = Pack::new(&odb);
        pack.bytes = MAX_PACK_BYTES;
        assert!(matches!(
            pack.take(b"P"),
            Err(FetchError::TooLarge { what: "bytes", .. })
        ));
        let mut pack = Pack::new(&odb);
        pack.take(b"PACK").unwrap();
        assert!(pack.finish().is_err());
        let mut pack = Pack::new(&odb);
        header(0)
            .chunks(5)
            .try_for_each(|piece| pack.take(piece))
            .unwrap();
        pack.finish().unwrap();
    }
}
