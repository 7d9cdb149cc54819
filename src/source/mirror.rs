//! The bare repository in the state directory that one URL is mirrored into.
//!
//! `refs/fluxops/<id>` says: this object and all that it leads to is here. Such a reference is made only after
//! that was checked. The names of the remote's references are never used, so they cannot clash or escape.
//! The mirror is a cache: one that cannot be read is cloned anew, beside it, and stays until the clone is whole.
#![expect(
    clippy::disallowed_methods,
    reason = "the lock of a mirror and the word that it is damaged are files; nothing secret is in them"
)]

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use git_signature::ObjectId;
use git2::{ErrorCode, ObjectType, Oid, Repository};

use super::Approvals;
use super::clock::{Clock, Step};
use super::complete::check_complete;
use super::error::FetchError;
use super::receive::receive;
use super::upload_pack::{Remote, RemoteReference};
use super::url::GitUrl;
use crate::name::hex;

/// The most packs of a mirror. Each fetch adds one; with more the mirror is cloned anew, into a single one.
pub const MAX_PACKS: usize = 200;
/// How many commits that we have are named to the remote.
pub const MAX_HAVES: usize = 256;
/// How many complete objects are remembered; older ones stay readable until the mirror is cloned anew.
pub const MAX_MARKS: usize = 32;
const MARKS: &str = "refs/fluxops/";
/// A file of this name in a mirror says that an object in it could not be read.
const CONDEMNED: &str = "fluxops-condemned";

/// Where a mirror is. The folder need not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    path: PathBuf,
}

/// The right to change a mirror, held by one fetch at a time, across processes.
pub(super) struct Lock {
    _file: File,
}

/// The repository that one fetch works on.
pub(super) struct Workspace {
    mirror: Mirror,
    repository: Repository,
    place: Place,
    _lock: Lock,
}

/// Where a fetch works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the mirror itself.
    Mirror,
    /// In a folder beside it, which takes its place once it is whole.
    Beside,
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

    /// Says that an object in it cannot be read, so that the next fetch clones anew. Until that is done, what can
    /// be read stays.
    pub fn condemn(&self) {
        tracing::warn!(mirror = %self.path.display(), "the mirror is damaged; the next fetch clones it anew");
        if let Err(error) = File::create(self.path.join(CONDEMNED)) {
            tracing::error!(mirror = %self.path.display(), %error, "that it is damaged could not be written down");
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

    /// Opens the repository for a fetch: the mirror, or one beside it when that is absent or damaged.
    pub(super) fn prepare(&self, lock: Lock) -> Result<Workspace, FetchError> {
        // Somebody died while a clone took its place.
        if !self.path.exists() && self.old().exists() {
            fs::rename(self.old(), &self.path).map_err(|error| unwritable(&error))?;
        }
        let (repository, place) = match self.check() {
            Ok(repository) => (repository, Place::Mirror),
            Err(error) => {
                if self.path.exists() {
                    tracing::warn!(mirror = %self.path.display(), %error, "the mirror is damaged; cloning anew");
                }
                (self.init_beside()?, Place::Beside)
            }
        };
        Ok(Workspace {
            mirror: self.clone(),
            repository,
            place,
            _lock: lock,
        })
    }

    fn check(&self) -> Result<Repository, FetchError> {
        if self.path.join(CONDEMNED).exists() {
            return Err(FetchError::Mirror("an object could not be read".to_owned()));
        }
        let repository = self.open()?;
        check_marks(&repository)?;
        Ok(repository)
    }

    fn init_beside(&self) -> Result<Repository, FetchError> {
        remove(&self.beside())?;
        private_folder(&self.beside())?;
        Repository::init_bare(self.beside()).map_err(|error| unusable(&error))
    }

    /// Where a clone is made.
    fn beside(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    /// Where what was there before is while a clone takes its place.
    fn old(&self) -> PathBuf {
        self.path.with_extension("old")
    }
}

impl Workspace {
    /// What was fetched so far.
    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Whether an object and all that it leads to is here.
    pub(super) fn has(&self, id: Oid) -> bool {
        self.repository
            .find_reference(&format!("{MARKS}{id}"))
            .is_ok_and(|mark| mark.target() == Some(id))
    }

    /// Makes sure that `want` and all it leads to is here, and of the tags that approve something the objects alone.
    pub(super) fn bring(
        &mut self,
        want: Oid,
        approvals: &[RemoteReference],
        remote: &mut dyn Remote,
        clock: &Clock,
    ) -> Result<(), FetchError> {
        if self.missing(want, approvals)?.is_empty() {
            return Ok(());
        }
        if self.place == Place::Mirror && count_packs(&self.mirror.path) > MAX_PACKS {
            tracing::info!(mirror = %self.mirror.path.display(), "the mirror has many packs; cloning anew");
            self.repository = self.mirror.init_beside()?;
            self.place = Place::Beside;
        }
        let marks = marks(&self.repository)?;
        let haves = haves(&self.repository, &marks)?;
        let is_new = !self.has(want);
        receive(
            &self.repository,
            &self.missing(want, approvals)?,
            &haves,
            remote,
            clock,
        )?;
        if is_new && let Err(error) = check_complete(&self.repository, want, &marks) {
            // What is missing may be what was here before, and the remote was told that it is.
            if self.place == Place::Mirror && matches!(error, FetchError::BadObjects(_)) {
                self.mirror.condemn();
            }
            return Err(error);
        }
        if is_new {
            mark(&self.repository, want, &marks)?;
        }
        match self.place {
            Place::Mirror => Ok(()),
            Place::Beside => self.take_place(),
        }
    }

    /// What has to be asked for.
    fn missing(&self, want: Oid, approvals: &[RemoteReference]) -> Result<Vec<Oid>, FetchError> {
        let odb = self.repository.odb().map_err(|error| unusable(&error))?;
        let tags = approvals.iter().map(|approval| approval.target);
        let mut missing: Vec<Oid> = (!self.has(want)).then_some(want).into_iter().collect();
        missing.extend(tags.filter(|id| !odb.exists(*id)));
        missing.dedup();
        Ok(missing)
    }

    /// The annotated tags among references whose objects were brought.
    pub(super) fn tags(&self, approvals: &[RemoteReference]) -> Result<Approvals, FetchError> {
        let odb = self.repository.odb().map_err(|error| unusable(&error))?;
        let mut tags = Approvals::new();
        for RemoteReference { name, target } in approvals {
            let (_, kind) = odb.read_header(*target).map_err(|error| unusable(&error))?;
            if kind == ObjectType::Tag {
                let id = target.to_string().parse::<ObjectId>();
                tags.insert(
                    name.clone(),
                    id.map_err(|_| FetchError::Mirror(format!("{target} is no id")))?,
                );
            }
        }
        Ok(tags)
    }

    /// Puts the clone where the mirror is.
    fn take_place(&mut self) -> Result<(), FetchError> {
        let (path, old) = (&self.mirror.path, self.mirror.old());
        remove(&old)?;
        match fs::rename(path, &old) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(unwritable(&error)),
            _ => {}
        }
        fs::rename(self.mirror.beside(), path).map_err(|error| unwritable(&error))?;
        self.place = Place::Mirror;
        self.repository = self.mirror.open()?;
        remove(&old)
    }
}

impl Drop for Workspace {
    /// A clone that did not become whole is of no use.
    fn drop(&mut self) {
        if self.place == Place::Beside {
            let _ = remove(&self.mirror.beside());
        }
    }
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

fn remove(folder: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(&error)),
        _ => Ok(()),
    }
}

pub(super) fn unusable(error: &git2::Error) -> FetchError {
    match error.code() {
        ErrorCode::NotFound => FetchError::Mirror("an object or a file of it is missing".to_owned()),
        _ => FetchError::Mirror(error.message().to_owned()),
    }
}

fn unwritable(error: &std::io::Error) -> FetchError {
    FetchError::Mirror(error.to_string())
}
