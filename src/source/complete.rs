//! Whether all that a revision needs is here: nothing is believed of a pack but what was looked up.

use std::collections::HashSet;

use git2::{ObjectType, Odb, Oid, Repository};

use super::error::FetchError;
use super::mirror::{Target, target};

/// The most folders within each other.
pub const MAX_TREE_DEPTH: usize = 64;

/// Checks that nothing new is missing: the commits down to complete ones, and the files of the wanted one.
pub(super) fn check_complete(repository: &Repository, want: Oid, complete: &[Oid]) -> Result<(), FetchError> {
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
