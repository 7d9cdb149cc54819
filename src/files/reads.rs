//! What was read of a tree, by the ids that Git has for it: as long as they are the same, so is what came of them.

use std::collections::BTreeMap;

use git2::Oid;

use super::git_tree::{Entry, Reader, Tree};
use crate::verify::Rules;

/// Everything that was looked at, what was looked for in vain included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    entries: BTreeMap<String, Seen>,
    listings: BTreeMap<String, Oid>,
}

/// What stood at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    Nothing,
    /// A folder, whatever is in it.
    Folder,
    /// Something else, which is told by its id.
    Other(Entry, Oid),
}

impl Reads {
    pub(super) fn entry(&mut self, path: &str, seen: Seen) {
        self.entries.insert(path.to_owned(), seen);
    }

    pub(super) fn listing(&mut self, folder: &str, tree: Oid) {
        self.listings.insert(folder.to_owned(), tree);
    }

    /// Something that was read and that rules do not cover. That there is a folder, or nothing, is no content.
    pub fn outside(&self, rules: &Rules) -> Option<&str> {
        let read = self.entries.iter().filter_map(|(path, seen)| match seen {
            Seen::Other(..) => Some(path),
            Seen::Nothing | Seen::Folder => None,
        });
        let mut read = read.chain(self.listings.keys()).map(String::as_str);
        read.find(|path| !rules.paths().any(|rule| rule.covers(path)))
    }

    /// Whether the same is at the same places of another tree. What cannot be looked at is not the same.
    pub fn hold_in(&self, tree: &Tree) -> bool {
        let Ok(Reader::Git(commit)) = tree.reader() else {
            return false;
        };
        self.entries
            .iter()
            .all(|(path, seen)| commit.seen(path).is_ok_and(|now| now == *seen))
            && self
                .listings
                .iter()
                .all(|(folder, tree)| commit.folder(folder).is_ok_and(|now| now.id() == *tree))
    }
}
