//! A repository in a folder of this machine: `file://`, with `--config` only.

use std::path::Path;

use git2::{Oid, Repository};

use super::error::FetchError;
use super::upload_pack::{Remote, RemoteReference, Sink};

/// An opened repository and the references that were asked about.
pub(super) struct Local {
    repository: Repository,
    references: Vec<RemoteReference>,
}

impl Local {
    pub(super) fn open(path: &Path, prefix: &str) -> Result<Self, FetchError> {
        let repository = Repository::open(path).map_err(|error| unreadable(&error))?;
        let mut references = Vec::new();
        for reference in repository.references().map_err(|error| unreadable(&error))? {
            let reference = reference
                .and_then(|reference| reference.resolve())
                .map_err(|error| unreadable(&error))?;
            if let (Ok(name), Some(target)) = (reference.name(), reference.target())
                && name.starts_with(prefix)
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

    fn objects(&mut self, want: Oid, have: &[Oid], sink: &mut Sink<'_>) -> Result<(), FetchError> {
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
    want: Oid,
    have: &[Oid],
    sink: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), git2::Error> {
    let odb = repository.odb()?;
    let commit = repository.find_object(want, None)?.peel_to_commit()?.id();
    let mut walk = repository.revwalk()?;
    walk.push(commit)?;
    for id in have.iter().filter(|id| odb.exists(**id)) {
        walk.hide(*id)?;
    }
    let mut builder = repository.packbuilder()?;
    builder.insert_walk(&mut walk)?;
    if want != commit {
        builder.insert_object(want, None)?;
    }
    builder.foreach(sink)
}

fn unreadable(error: &git2::Error) -> FetchError {
    FetchError::Local(error.message().to_owned())
}
