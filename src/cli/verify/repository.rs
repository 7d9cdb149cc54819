//! The object database of a local repository: nothing else of it is read, no configuration, no work tree.

use std::path::{Path, PathBuf};

use git_signature::ObjectId;
use git2::{ObjectType, Oid, Repository};

use crate::cli::{CommandError, Exit};
use crate::source::{APPROVALS, Approvals, ObjectError};
use crate::verify::{Commits, Contents, MAX_OBJECT_BYTES};

/// A repository, which each thread opens for itself.
pub(super) struct Local {
    repository: Repository,
    place: Place,
}

/// Where a repository is found.
#[derive(Clone)]
pub(super) enum Place {
    Folder(PathBuf),
    /// Where git's environment says: a hook sees what is pushed before it is in the repository.
    Environment,
}

impl Local {
    /// The repository in a folder.
    pub(super) fn open(path: &Path) -> Result<Self, CommandError> {
        Self::at(&Place::Folder(path.to_owned()))
    }

    /// The repository that a hook runs in, what is being pushed included; the one in the folder if git runs no hook.
    pub(super) fn of_hook(path: &Path) -> Result<Self, CommandError> {
        if std::env::var_os("GIT_DIR").is_some() {
            Self::at(&Place::Environment)
        } else {
            Self::open(path)
        }
    }

    /// Where it is, for another thread to open it too.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The repository in a place.
    pub(super) fn at(place: &Place) -> Result<Self, CommandError> {
        let opened = match place {
            Place::Folder(path) => Repository::open(path),
            Place::Environment => Repository::open_from_env(),
        };
        let repository = opened.map_err(|error| {
            let what = match place {
                Place::Folder(path) => path.display().to_string(),
                Place::Environment => "of the hook".to_owned(),
            };
            CommandError::new(
                Exit::Unusable,
                format!("failed to open the repository {what}: {}", error.message()),
            )
        })?;
        Ok(Self {
            repository,
            place: place.clone(),
        })
    }

    /// The commit that a revision names.
    pub(super) fn commit_id(&self, revision: &str) -> Result<ObjectId, CommandError> {
        let object = self.repository.revparse_single(revision);
        let commit = object.and_then(|object| object.peel(ObjectType::Commit));
        to_id(commit.map_err(|error| no_such(revision, &error))?.id())
    }

    /// The object that a tag's reference names.
    pub(super) fn tag_object(&self, reference: &str) -> Result<ObjectId, CommandError> {
        let found = self
            .repository
            .find_reference(reference)
            .map_err(|error| no_such(reference, &error))?;
        let target = found.target();
        to_id(target.ok_or_else(|| {
            CommandError::new(
                Exit::Unusable,
                format!("{reference} is a symbolic reference, no tag"),
            )
        })?)
    }

    /// The tags by which people approve what stands at a path.
    pub(super) fn approvals(&self) -> Result<Approvals, CommandError> {
        let unreadable = |error: git2::Error| {
            let why = format!("failed to read the references: {}", error.message());
            CommandError::new(Exit::Unusable, why)
        };
        let mut approvals = Approvals::new();
        for reference in self.repository.references().map_err(unreadable)? {
            let reference = reference.map_err(unreadable)?;
            if let (Ok(name), Some(target)) = (reference.name(), reference.target())
                && name.starts_with(APPROVALS)
                && self.repository.find_tag(target).is_ok()
            {
                approvals.insert(name.to_owned(), to_id(target)?);
            }
        }
        Ok(approvals)
    }

    /// The exact content of a commit or tag, or nothing if it is not there.
    pub(super) fn raw(&self, id: ObjectId) -> Result<Option<Vec<u8>>, ObjectError> {
        let is_there = match (self.repository.odb(), Oid::from_bytes(id.as_bytes())) {
            (Ok(database), Ok(id)) => database.exists(id),
            _ => false,
        };
        is_there.then(|| self.content(id, MAX_OBJECT_BYTES)).transpose()
    }
}

impl Commits for Local {
    fn commit(&self, id: ObjectId) -> Result<Option<Vec<u8>>, ObjectError> {
        self.raw(id)
    }
}

impl Contents for Local {
    fn content(&self, id: ObjectId, limit: u64) -> Result<Vec<u8>, ObjectError> {
        let id = Oid::from_bytes(id.as_bytes()).map_err(|_| ObjectError::Unreadable(Oid::ZERO_SHA1))?;
        let unreadable = |_| ObjectError::Unreadable(id);
        let database = self.repository.odb().map_err(unreadable)?;
        let (size, _) = database.read_header(id).map_err(unreadable)?;
        let size = size as u64;
        if size > limit {
            return Err(ObjectError::TooLarge { id, size, limit });
        }
        let object = database.read(id).map_err(unreadable)?;
        Ok(object.data().to_vec())
    }

    fn merge_base(&self, ours: ObjectId, theirs: ObjectId) -> Result<Option<ObjectId>, ObjectError> {
        let oid = |id: ObjectId| Oid::from_bytes(id.as_bytes());
        let (Ok(ours), Ok(theirs)) = (oid(ours), oid(theirs)) else {
            return Ok(None);
        };
        let found = self.repository.merge_base(ours, theirs).ok();
        Ok(found.and_then(|id| id.to_string().parse().ok()))
    }
}

fn to_id(id: Oid) -> Result<ObjectId, CommandError> {
    let parsed = id.to_string().parse();
    parsed.map_err(|_| CommandError::new(Exit::Unusable, "failed to read an object id"))
}

fn no_such(revision: &str, error: &git2::Error) -> CommandError {
    CommandError::new(
        Exit::Unusable,
        format!("failed to find {revision:?}: {}", error.message()),
    )
}
