//! Merges that a forge makes and signs (`verify.forge`).
//!
//! Who presses "merge" on GitHub or GitLab does not sign: the forge does, with a key of its own. That key would sign
//! anything for anybody who gets into the forge. It counts for one thing alone, of which nothing has to be believed: a
//! merge of two commits that are trusted without it, whose tree is the one that we make of theirs ourselves.

use std::collections::HashSet;

use git_signature::{Commit, ObjectId};

use super::merge::{Contents, MergeError, merge};
use super::{HistoryError, since};
use crate::source::ObjectError;

/// Why a commit that is signed with the forge's key is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForgeRefusal {
    /// It is an ordinary commit, a squash, a rebase or an octopus.
    #[error(
        "the forge signed it, and it has {parents} parents: the forge's key counts for a merge of two commits alone, \
         never for an edit, a squash or a rebase; sign it with a key that is trusted"
    )]
    NotMerge {
        /// How many parents it has.
        parents: usize,
    },
    /// There is none, or more than one.
    #[error(
        "the forge signed this merge, and its parents have no merge base or several, so that there is more than one \
         way to merge them; make the merge yourself and sign it"
    )]
    NoSingleBase,
    /// It cannot be made without a decision.
    #[error(
        "the forge signed this merge, which we cannot make without a decision: {0}; make it yourself and sign it"
    )]
    NoCleanMerge(MergeError),
    /// Somebody put something else into it.
    #[error(
        "the forge signed this merge, and its tree is not the merge of its parents (that has the tree {expected}): \
         something was changed in it; find out who did"
    )]
    Altered {
        /// The tree that the merge has when we make it.
        expected: ObjectId,
    },
    /// A parent is refused.
    #[error("the forge signed this merge, and its parent {parent} is refused")]
    ParentRefused {
        /// The parent.
        parent: ObjectId,
    },
}

impl ForgeRefusal {
    /// One word for a condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotMerge { .. } => "ForgeSignedNoMerge",
            Self::NoSingleBase => "ForgeMergeBase",
            Self::NoCleanMerge(_) => "ForgeMergeConflict",
            Self::Altered { .. } => "ForgeMergeAltered",
            Self::ParentRefused { .. } => "ForgeMergeParent",
        }
    }
}

/// Why it cannot be said whether a merge is one.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForgeError {
    #[error(transparent)]
    Refused(#[from] ForgeRefusal),
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl From<ObjectError> for ForgeError {
    fn from(error: ObjectError) -> Self {
        Self::History(error.into())
    }
}

/// Holds a commit that the forge signed against what it may sign. Its parents come back: they have to be trusted too.
pub(super) fn check(contents: &impl Contents, commit: &Commit<'_>) -> Result<[ObjectId; 2], ForgeError> {
    let parents = commit.parents.as_slice();
    let &[ours, theirs] = parents else {
        let parents = parents.len();
        return Err(ForgeRefusal::NotMerge { parents }.into());
    };
    let base = single_base(contents, ours, theirs)?;
    let trees = [base, ours, theirs].map(|id| tree_of(contents, id));
    let [base, ours_tree, theirs_tree] = trees;
    let merged = merge(contents, base?, ours_tree?, theirs_tree?);
    let expected = merged.map_err(|error| match error {
        MergeError::Object(error) => ForgeError::from(error),
        error => ForgeRefusal::NoCleanMerge(error).into(),
    })?;
    if expected == commit.tree {
        Ok([ours, theirs])
    } else {
        Err(ForgeRefusal::Altered { expected }.into())
    }
}

/// The commit that all others descend from which two commits descend from. What the database says is proven by the
/// commits alone: none that stands beside it is behind both.
pub(super) fn single_base(
    contents: &impl Contents,
    ours: ObjectId,
    theirs: ObjectId,
) -> Result<ObjectId, ForgeError> {
    let base = contents
        .merge_base(ours, theirs)?
        .ok_or(ForgeRefusal::NoSingleBase)?;
    let beside = |head| match since(contents, base, head) {
        Err(
            HistoryError::Rewound { .. } | HistoryError::Diverged { .. } | HistoryError::Unrelated { .. },
        ) => Err(ForgeRefusal::NoSingleBase.into()),
        found => found.map_err(ForgeError::from),
    };
    let beside_ours: HashSet<ObjectId> = beside(ours)?.into_iter().collect();
    if beside(theirs)?.iter().any(|id| beside_ours.contains(id)) {
        return Err(ForgeRefusal::NoSingleBase.into());
    }
    Ok(base)
}

fn tree_of(contents: &impl Contents, id: ObjectId) -> Result<ObjectId, ForgeError> {
    let missing = HistoryError::Incomplete { missing: id };
    let raw = contents.commit(id)?.ok_or(missing)?;
    let malformed = |_| ForgeRefusal::NoCleanMerge(MergeError::Malformed(id));
    Ok(Commit::parse(&raw, id).map_err(malformed)?.tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_in_the_documentation() {
        let documented = include_str!("../../docs/verdict-reasons.md");
        let id = ObjectId::from_bytes([1; 20]);
        for refusal in [
            ForgeRefusal::NotMerge { parents: 1 },
            ForgeRefusal::NoSingleBase,
            ForgeRefusal::NoCleanMerge(MergeError::TooDeep),
            ForgeRefusal::Altered { expected: id },
            ForgeRefusal::ParentRefused { parent: id },
        ] {
            let row = format!("| `{}` |", refusal.reason());
            assert!(documented.contains(&row), "{row}");
        }
    }
}
