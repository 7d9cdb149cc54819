//! A repository in a folder of this machine: `file://`, with `--config` only.

use std::path::Path;

use git2::{ObjectType, Oid, Repository};

use super::error::FetchError;
use super::upload_pack::{Remote, RemoteReference, Sink};

/// An opened repository and the references that were asked about.
pub(super) struct Local {
    repository: Repository,
    references: Vec<RemoteReference>,
}

impl Local {
    pub(super) fn open(path: &Path, prefixes: &[&str]) -> Result<Self, FetchError> {
        let repository = Repository::open(path).map_err(|error| unreadable(&error))?;
        let mut references = Vec::new();
        for reference in repository.references().map_err(|error| unreadable(&error))? {
            let reference = reference
                .and_then(|reference| reference.resolve())
                .map_err(|error| unreadable(&error))?;
            if let (Ok(name), Some(target)) = (reference.name(), reference.target())
                && prefixes.iter().any(|prefix| name.starts_with(prefix))
            {
                references.push(RemoteReference {
                    name: name.to_owned(),
                    target,
                });
            }
        }
        Ok(Self {
            repository,
            references,
        })
    }
}

impl Remote for Local {
    fn references(&self) -> &[RemoteReference] {
        &self.references
    }

    fn objects(&mut self, want: &[Oid], have: &[Oid], sink: &mut Sink<'_>) -> Result<(), FetchError> {
        let mut result = Ok(());
        let packed = pack(&self.repository, want, have, &mut |piece| {
            result = sink(piece);
            result.is_ok()
        });
        result.and(packed.map_err(|error| unreadable(&error)))
    }
}

fn pack(
    repository: &Repository,
    want: &[Oid],
    have: &[Oid],
    sink: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), git2::Error> {
    let odb = repository.odb()?;
    let mut walk = repository.revwalk()?;
    let mut tags = Vec::new();
    for id in want {
        let object = repository.find_object(*id, None)?;
        // A tag of a tree alone leads to no commit, and what it leads to is not asked for.
        if let Ok(commit) = object.peel_to_commit() {
            walk.push(commit.id())?;
        }
        if object.kind() == Some(ObjectType::Tag) {
            tags.push(*id);
        }
    }
    for id in have.iter().filter(|id| odb.exists(**id)) {
        walk.hide(*id)?;
    }
    let mut builder = repository.packbuilder()?;
    builder.insert_walk(&mut walk)?;
    for tag in tags {
        builder.insert_object(tag, None)?;
    }
    builder.foreach(sink)
}

fn unreadable(error: &git2::Error) -> FetchError {
    FetchError::Local(error.message().to_owned())
}
