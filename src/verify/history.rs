//! The commits between a trusted one and a new head. Pure but for the [`Commits`] that it reads.
//!
//! Git's own `trusted..head` stops by commit dates, which whoever makes a commit sets at will. Here only what the
//! objects name as their parents counts: a commit is left out if, and only if, the trusted one descends from it.

use std::collections::{HashMap, HashSet};

use git_signature::ObjectId;

use crate::source::ObjectError;

/// The most commits that are walked, on either side of the trusted one. The largest public histories have about as
/// many.
pub const MAX_HISTORY: usize = 2_000_000;

/// Where commits are read.
pub trait Commits {
    /// The exact content of a commit object, or nothing if the repository does not have it.
    fn commit(&self, id: ObjectId) -> Result<Option<Vec<u8>>, ObjectError>;
}

/// Why there is no way from a trusted commit to a head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The trusted commit is not in the repository.
    #[error("failed to find the last trusted commit {trusted} in the repository")]
    TrustedMissing {
        /// The commit.
        trusted: ObjectId,
    },
    /// The head is an ancestor of the trusted commit: the remote went back.
    #[error("failed to follow history: {head} is older than the last trusted commit {trusted}")]
    Rewound {
        /// The last trusted commit.
        trusted: ObjectId,
        /// The new head.
        head: ObjectId,
    },
    /// The head descends from an ancestor of the trusted commit only: history was rewritten.
    #[error(
        "failed to follow history: {head} does not descend from the last trusted commit {trusted}, only from older ones"
    )]
    Diverged {
        /// The last trusted commit.
        trusted: ObjectId,
        /// The new head.
        head: ObjectId,
    },
    /// The head has nothing in common with the trusted commit.
    #[error(
        "failed to follow history: {head} and the last trusted commit {trusted} have no commit in common"
    )]
    Unrelated {
        /// The last trusted commit.
        trusted: ObjectId,
        /// The new head.
        head: ObjectId,
    },
    /// A commit in between is not in the repository.
    #[error(
        "failed to follow history: {missing} is not in the repository, which may be shallow; fetch all of it"
    )]
    Incomplete {
        /// The commit that is named as a parent, or as the head.
        missing: ObjectId,
    },
    /// There are too many commits.
    #[error(
        "failed to follow history: there are more than {limit} commits to look at; name a newer one to start from"
    )]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl HistoryError {
    /// One word for a condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TrustedMissing { .. } => "TrustedCommitMissing",
            Self::Rewound { .. } => "Rewound",
            Self::Diverged { .. } => "Diverged",
            Self::Unrelated { .. } => "UnrelatedHistory",
            Self::Incomplete { .. } => "IncompleteHistory",
            Self::TooLong { .. } => "HistoryTooLong",
            Self::Object(_) => "GitOperationFailed",
        }
    }
}

/// All commits that the head descends from and the trusted one does not, parents before their children; the head is
/// the last of them. None if the head is the trusted commit.
pub fn since(
    commits: &impl Commits,
    trusted: ObjectId,
    head: ObjectId,
) -> Result<Vec<ObjectId>, HistoryError> {
    between(commits, trusted, head, MAX_HISTORY)
}

/// All commits that the head descends from, parents before their children, and the head as the last.
pub fn all(commits: &impl Commits, head: ObjectId) -> Result<Vec<ObjectId>, HistoryError> {
    let walk = Walk::from(commits, head, None, MAX_HISTORY)?;
    match walk.missing.first() {
        Some(missing) => Err(HistoryError::Incomplete { missing: *missing }),
        None => Ok(walk.parents_first(head, &HashSet::new())),
    }
}

fn between(
    commits: &impl Commits,
    trusted: ObjectId,
    head: ObjectId,
    limit: usize,
) -> Result<Vec<ObjectId>, HistoryError> {
    if head == trusted {
        return Ok(Vec::new());
    }
    if commits.commit(trusted)?.is_none() {
        return Err(HistoryError::TrustedMissing { trusted });
    }
    let new = Walk::from(commits, head, Some(trusted), limit)?;
    let descends = new.parents.values().any(|parents| parents.contains(&trusted));
    // What stands beside the trusted commit, not behind it, may be older than it: branches that were merged since. Only
    // where a way leads past the trusted commit does it take the commits behind it to tell.
    if descends && !new.has_end() {
        return Ok(new.parents_first(head, &HashSet::new()));
    }
    let old = Walk::from(commits, trusted, None, limit)?;
    let old: HashSet<ObjectId> = old.known().collect();
    if descends {
        return match new.missing.iter().find(|id| !old.contains(id)) {
            Some(missing) => Err(HistoryError::Incomplete { missing: *missing }),
            None => Ok(new.parents_first(head, &old)),
        };
    }
    Err(if new.missing.contains(&head) {
        HistoryError::Incomplete { missing: head }
    } else if old.contains(&head) {
        HistoryError::Rewound { trusted, head }
    } else if let Some(missing) = new.missing.iter().find(|id| !old.contains(id)) {
        HistoryError::Incomplete { missing: *missing }
    } else if new.known().any(|id| old.contains(&id)) {
        HistoryError::Diverged { trusted, head }
    } else {
        HistoryError::Unrelated { trusted, head }
    })
}

/// A commit and all that it descends from, up to a boundary.
struct Walk {
    parents: HashMap<ObjectId, Vec<ObjectId>>,
    missing: Vec<ObjectId>,
}

impl Walk {
    fn from(
        commits: &impl Commits,
        start: ObjectId,
        boundary: Option<ObjectId>,
        limit: usize,
    ) -> Result<Self, HistoryError> {
        let mut walk = Self {
            parents: HashMap::new(),
            missing: Vec::new(),
        };
        let mut seen = HashSet::from([start]);
        let mut pending = vec![start];
        while let Some(id) = pending.pop() {
            let Some(raw) = commits.commit(id)? else {
                walk.missing.push(id);
                continue;
            };
            let parents = parents(&raw);
            for parent in &parents {
                if Some(*parent) != boundary && seen.insert(*parent) {
                    pending.push(*parent);
                }
            }
            if seen.len() > limit {
                return Err(HistoryError::TooLong { limit });
            }
            walk.parents.insert(id, parents);
        }
        Ok(walk)
    }

    fn known(&self) -> impl Iterator<Item = ObjectId> {
        self.parents.keys().chain(&self.missing).copied()
    }

    /// Whether a way ends elsewhere than at the boundary.
    fn has_end(&self) -> bool {
        !self.missing.is_empty() || self.parents.values().any(Vec::is_empty)
    }

    /// What was walked, without some, each commit after its parents.
    fn parents_first(&self, head: ObjectId, without: &HashSet<ObjectId>) -> Vec<ObjectId> {
        let mut order = Vec::with_capacity(self.parents.len());
        let mut begun = HashSet::from([head]);
        let mut path = vec![(head, 0)];
        while let Some((id, next)) = path.last_mut() {
            let parent = self.parents.get(id).and_then(|parents| parents.get(*next));
            *next += 1;
            if let Some(parent) = parent {
                let is_new = self.parents.contains_key(parent) && !without.contains(parent);
                if is_new && begun.insert(*parent) {
                    path.push((*parent, 0));
                }
            } else {
                order.push(*id);
                path.pop();
            }
        }
        order
    }
}

/// The parents that a commit names: the `parent` lines behind its `tree` line, and none where it has another form.
/// Whether a commit has the right form is for its verification to say, which reads the same lines.
fn parents(raw: &[u8]) -> Vec<ObjectId> {
    let lines = raw.split(|byte| *byte == b'\n').skip(1);
    lines
        .map_while(|line| str::from_utf8(line.strip_prefix(b"parent ")?).ok()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Commits by number: each names the numbers of its parents, all of them smaller.
    #[derive(Debug)]
    struct Graph {
        parents: Vec<Vec<usize>>,
        absent: HashSet<usize>,
    }

    impl Graph {
        fn of(parents: &[&[usize]]) -> Self {
            Self {
                parents: parents.iter().map(|parents| parents.to_vec()).collect(),
                absent: HashSet::new(),
            }
        }

        fn without(mut self, absent: usize) -> Self {
            self.absent.insert(absent);
            self
        }

        fn since(&self, trusted: usize, head: usize) -> Result<Vec<usize>, HistoryError> {
            since(self, id(trusted), id(head)).map(|ids| ids.into_iter().map(number).collect())
        }

        fn ancestors(&self, of: usize) -> HashSet<usize> {
            let mut found = HashSet::from([of]);
            for commit in (0..=of).rev() {
                if found.contains(&commit) {
                    found.extend(&self.parents[commit]);
                }
            }
            found
        }
    }

    impl Commits for Graph {
        fn commit(&self, id: ObjectId) -> Result<Option<Vec<u8>>, ObjectError> {
            let number = number(id);
            if self.absent.contains(&number) || number >= self.parents.len() {
                return Ok(None);
            }
            let named = |parent: &usize| format!("parent {}\n", super::tests::id(*parent));
            let parents: Vec<String> = self.parents[number].iter().map(named).collect();
            // What the message says is no parent.
            let raw = format!(
                "tree {}\n{}author a <a> 0 +0000\n\nparent {}\n",
                super::tests::id(0),
                parents.concat(),
                super::tests::id(0)
            );
            Ok(Some(raw.into_bytes()))
        }
    }

    fn id(number: usize) -> ObjectId {
        format!("{:040x}", number + 1).parse().unwrap()
    }

    fn number(id: ObjectId) -> usize {
        usize::from_str_radix(&id.to_string(), 16).unwrap() - 1
    }

    #[test]
    fn every_commit_since_the_trusted_one_is_found_over_all_parents() {
        // 0 - 1 - 2 - 5 - 6
        //  \         /
        //   3 ----- 4
        let graph = Graph::of(&[&[], &[0], &[1], &[0], &[3], &[2, 4], &[5]]);
        assert_eq!(graph.since(6, 6).unwrap(), [] as [usize; 0]);
        assert_eq!(graph.since(5, 6).unwrap(), [6]);
        assert_eq!(graph.since(2, 6).unwrap(), [3, 4, 5, 6]);
        assert_eq!(graph.since(4, 6).unwrap(), [1, 2, 5, 6]);
        assert_eq!(graph.since(0, 6).unwrap(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_does_not_descend_is_told_apart() {
        let graph = Graph::of(&[&[], &[0], &[0], &[], &[3]]);
        let (of, is) = (|trusted, head| graph.since(trusted, head).unwrap_err(), id);
        assert_eq!(
            of(1, 0),
            HistoryError::Rewound {
                trusted: is(1),
                head: is(0)
            }
        );
        assert_eq!(
            of(1, 2),
            HistoryError::Diverged {
                trusted: is(1),
                head: is(2)
            }
        );
        assert_eq!(
            of(1, 4),
            HistoryError::Unrelated {
                trusted: is(1),
                head: is(4)
            }
        );
        assert_eq!(of(9, 1), HistoryError::TrustedMissing { trusted: is(9) });
        assert_eq!(of(1, 9), HistoryError::Incomplete { missing: is(9) });
    }

    #[test]
    fn an_unrelated_history_that_was_merged_is_new_from_its_first_commit() {
        let graph = Graph::of(&[&[], &[0], &[], &[2], &[1, 3]]);
        assert_eq!(graph.since(1, 4).unwrap(), [2, 3, 4]);
    }

    #[test]
    fn a_gap_is_refused_unless_the_trusted_commit_is_in_front_of_it() {
        let line = || Graph::of(&[&[], &[0], &[1], &[2]]);
        assert_eq!(line().without(0).since(1, 3).unwrap(), [2, 3]);
        let refused = line().without(2).since(1, 3).unwrap_err();
        assert_eq!(refused, HistoryError::Incomplete { missing: id(2) });
        // The merged branch began behind the trusted commit, where the clone ends for both.
        let merged = || Graph::of(&[&[], &[0], &[0], &[1, 2]]);
        assert_eq!(merged().without(0).since(1, 3).unwrap(), [2, 3]);
        let refused = merged().without(2).since(1, 3).unwrap_err();
        assert_eq!(refused, HistoryError::Incomplete { missing: id(2) });
    }

    #[test]
    fn all_of_a_history_is_there_or_refused() {
        let graph = || Graph::of(&[&[], &[0], &[], &[1, 2]]);
        let found: Vec<usize> = all(&graph(), id(3)).unwrap().into_iter().map(number).collect();
        assert_eq!(found, [0, 1, 2, 3]);
        let refused = all(&graph().without(0), id(3)).unwrap_err();
        assert_eq!(refused, HistoryError::Incomplete { missing: id(0) });
    }

    #[test]
    fn each_reason_is_in_the_documentation() {
        let documented = include_str!("../../docs/verdict-reasons.md");
        let (trusted, head, missing) = (id(0), id(1), id(2));
        for error in [
            HistoryError::TrustedMissing { trusted },
            HistoryError::Rewound { trusted, head },
            HistoryError::Diverged { trusted, head },
            HistoryError::Unrelated { trusted, head },
            HistoryError::Incomplete { missing },
            HistoryError::TooLong { limit: 1 },
        ] {
            let row = format!("| `{}` |", error.reason());
            assert!(documented.contains(&row), "{row}");
        }
    }

    #[test]
    fn there_is_a_limit() {
        let line = Graph::of(&[&[], &[0], &[1], &[2], &[3]]);
        assert_eq!(between(&line, id(0), id(4), 4).unwrap().len(), 4);
        let refused = between(&line, id(0), id(4), 3).unwrap_err();
        assert_eq!(refused, HistoryError::TooLong { limit: 3 });
    }

    fn graphs() -> impl Strategy<Value = (Graph, usize, usize)> {
        let size = 2_usize..24;
        size.prop_flat_map(|size| {
            let parents: Vec<_> = (0..size)
                .map(|commit| prop::collection::vec(0..commit.max(1), 0..=commit.min(3)))
                .collect();
            (parents, 0..size, 0..size)
        })
        .prop_map(|(mut parents, trusted, head)| {
            for list in &mut parents {
                list.dedup();
            }
            (
                Graph {
                    parents,
                    absent: HashSet::new(),
                },
                trusted,
                head,
            )
        })
    }

    proptest! {
        #[test]
        fn it_is_the_difference_of_what_both_descend_from((graph, trusted, head) in graphs()) {
            let (old, new) = (graph.ancestors(trusted), graph.ancestors(head));
            match graph.since(trusted, head) {
                Ok(found) => {
                    prop_assert!(new.contains(&trusted));
                    let expected: HashSet<usize> = new.difference(&old).copied().collect();
                    prop_assert_eq!(found.iter().copied().collect::<HashSet<_>>(), expected);
                    for (place, commit) in found.iter().enumerate() {
                        for parent in &graph.parents[*commit] {
                            let is_before = found[..place].contains(parent);
                            prop_assert!(is_before || old.contains(parent));
                        }
                    }
                }
                Err(HistoryError::Rewound { .. }) => prop_assert!(old.contains(&head) && trusted != head),
                Err(HistoryError::Diverged { .. }) => {
                    prop_assert!(!new.contains(&trusted) && !new.is_disjoint(&old));
                }
                Err(HistoryError::Unrelated { .. }) => prop_assert!(new.is_disjoint(&old)),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}
