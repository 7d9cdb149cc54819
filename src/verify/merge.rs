//! The three-way merge of two trees, by our own account and in memory: what a merge by a button has to be.
//!
//! Path by path, as `git merge` does it without looking for renames: what one side alone changed is taken from it, and
//! what both changed is merged line by line where it is a text. Everything else is a conflict. Where Git would find a
//! rename and merge further, this refuses: that merge is for a person to make and to sign.

use std::collections::BTreeSet;

use git_signature::{CollisionAttack, ObjectId, ObjectKind};
use git2::{MergeFileInput, MergeFileOptions, MergeFileResult};

use super::Commits;
use super::tree::{self, Entries, Entry, Mode};
use crate::source::{MAX_TREE_DEPTH, ObjectError};

/// The largest file that is merged line by line, in bytes. Larger ones may be changed by one side alone.
pub const MAX_MERGED_FILE: u64 = 1024 * 1024;
/// The most files of one merge that both sides changed.
pub const MAX_MERGED_FILES: usize = 1000;
/// The most folders of one merge that both sides changed.
pub const MAX_MERGED_FOLDERS: usize = 10_000;
/// The largest tree object, in bytes: some 100,000 names in one folder.
const MAX_TREE_BYTES: u64 = 8 * 1024 * 1024;
/// As many bytes are looked at to tell a binary file, by a NUL byte, as Git does (`buffer_is_binary`).
const BINARY_SAMPLE: usize = 8000;

/// Where commits are read, and what is in them.
pub trait Contents: Commits {
    /// The exact content of a tree or a blob of at most `limit` bytes, checked against its id.
    fn content(&self, id: ObjectId, limit: u64) -> Result<Vec<u8>, ObjectError>;

    /// What the database takes for a merge base of two commits. A hint: it may go by dates, and there may be others.
    fn merge_base(&self, ours: ObjectId, theirs: ObjectId) -> Result<Option<ObjectId>, ObjectError>;
}

/// Why two trees have no merge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Both sides changed the same, and differently.
    #[error("both sides changed {path:?}")]
    Conflict {
        /// The file or folder.
        path: String,
    },
    /// It would take too long.
    #[error("both sides changed more than {limit} {what}")]
    TooMuch {
        /// Files, or folders.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// An object is larger than what is merged.
    #[error("{path:?} was changed by both sides and is larger than {limit} bytes")]
    TooLarge {
        /// The file or folder.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// Folders are nested too deeply.
    #[error("folders are nested deeper than {MAX_TREE_DEPTH}")]
    TooDeep,
    /// A commit or a tree is none that Git writes.
    #[error("the object {0} is malformed")]
    Malformed(ObjectId),
    /// An object is part of an attack on SHA-1.
    #[error(transparent)]
    Collision(#[from] CollisionAttack),
    /// An object cannot be read.
    #[error(transparent)]
    Object(ObjectError),
}

/// The id of the tree that the merge of two trees has, given the one that both began with.
pub fn merge(
    contents: &impl Contents,
    base: ObjectId,
    ours: ObjectId,
    theirs: ObjectId,
) -> Result<ObjectId, MergeError> {
    let mut merge = Merge {
        contents,
        files: MAX_MERGED_FILES,
        folders: MAX_MERGED_FOLDERS,
        path: Vec::new(),
    };
    let merged = merge.folder(Sides {
        base: Some(base),
        ours: Some(ours),
        theirs: Some(theirs),
    })?;
    Ok(tree::id(&merged)?)
}

struct Merge<'a, C> {
    contents: &'a C,
    /// How many more are merged.
    files: usize,
    folders: usize,
    /// The folder that is being merged, name by name.
    path: Vec<Vec<u8>>,
}

/// The same thing in three places.
#[derive(Clone, Copy)]
struct Sides<T> {
    base: T,
    ours: T,
    theirs: T,
}

impl<T: Copy> Sides<T> {
    fn map<U>(self, f: impl Fn(T) -> U) -> Sides<U> {
        Sides {
            base: f(self.base),
            ours: f(self.ours),
            theirs: f(self.theirs),
        }
    }

    fn try_map<U, E>(self, mut f: impl FnMut(T) -> Result<U, E>) -> Result<Sides<U>, E> {
        Ok(Sides {
            base: f(self.base)?,
            ours: f(self.ours)?,
            theirs: f(self.theirs)?,
        })
    }
}

impl<T: PartialEq + Copy> Sides<T> {
    /// What is taken where one side at most changed it, or both alike.
    fn trivial(self) -> Option<T> {
        if self.ours == self.theirs || self.base == self.theirs {
            Some(self.ours)
        } else if self.base == self.ours {
            Some(self.theirs)
        } else {
            None
        }
    }
}

impl<C: Contents> Merge<'_, C> {
    /// Merges a folder that both sides changed; a side that does not have it has nothing in it.
    fn folder(&mut self, ids: Sides<Option<ObjectId>>) -> Result<Entries, MergeError> {
        if self.path.len() > MAX_TREE_DEPTH {
            return Err(MergeError::TooDeep);
        }
        let limit = MAX_MERGED_FOLDERS;
        let what = "folders";
        self.folders = self
            .folders
            .checked_sub(1)
            .ok_or(MergeError::TooMuch { what, limit })?;
        let trees = ids.try_map(|id| id.map_or_else(|| Ok(Entries::new()), |id| self.tree(id)))?;
        let Sides { base, ours, theirs } = &trees;
        let names: BTreeSet<&Vec<u8>> = [base, ours, theirs].into_iter().flat_map(Entries::keys).collect();
        let mut merged = Entries::new();
        for name in names {
            let entries = Sides {
                base: base.get(name).copied(),
                ours: ours.get(name).copied(),
                theirs: theirs.get(name).copied(),
            };
            self.path.push(name.clone());
            let entry = match entries.trivial() {
                Some(entry) => entry,
                None => self.entry(entries)?,
            };
            self.path.pop();
            if let Some(entry) = entry {
                merged.insert(name.clone(), entry);
            }
        }
        Ok(merged)
    }

    /// Merges what both sides changed.
    fn entry(&mut self, entries: Sides<Option<Entry>>) -> Result<Option<Entry>, MergeError> {
        let folder = |entry: Option<Entry>| {
            entry
                .filter(|entry| entry.mode == Mode::Folder)
                .map(|entry| entry.id)
        };
        let is_folder_or_none = |entry: Option<Entry>| entry.is_none_or(|entry| entry.mode == Mode::Folder);
        if is_folder_or_none(entries.ours) && is_folder_or_none(entries.theirs) {
            let is_file_gone =
                !is_folder_or_none(entries.base) && (entries.ours.is_none() || entries.theirs.is_none());
            if is_file_gone {
                return Err(self.conflict());
            }
            let merged = self.folder(entries.map(folder))?;
            if merged.is_empty() {
                return Ok(None);
            }
            let (mode, id) = (Mode::Folder, tree::id(&merged)?);
            return Ok(Some(Entry { mode, id }));
        }
        let Sides {
            base: Some(base),
            ours: Some(ours),
            theirs: Some(theirs),
        } = entries
        else {
            return Err(self.conflict());
        };
        let sides = Sides { base, ours, theirs };
        if ![base, ours, theirs].iter().all(|entry| entry.mode.is_file()) {
            return Err(self.conflict());
        }
        let mode = sides
            .map(|entry| entry.mode)
            .trivial()
            .ok_or_else(|| self.conflict())?;
        let ids = sides.map(|entry| entry.id);
        let id = match ids.trivial() {
            Some(id) => id,
            None => self.text(ids)?,
        };
        Ok(Some(Entry { mode, id }))
    }

    /// Merges a text that both sides changed.
    fn text(&mut self, ids: Sides<ObjectId>) -> Result<ObjectId, MergeError> {
        let limit = MAX_MERGED_FILES;
        let what = "files";
        self.files = self
            .files
            .checked_sub(1)
            .ok_or(MergeError::TooMuch { what, limit })?;
        let texts = ids.try_map(|id| self.content(id, MAX_MERGED_FILE))?;
        let Sides { base, ours, theirs } = &texts;
        if [base, ours, theirs].into_iter().any(|text| is_binary(text)) {
            return Err(self.conflict());
        }
        let merged = merge_text(base, ours, theirs)
            .filter(MergeFileResult::is_automergeable)
            .ok_or_else(|| self.conflict())?;
        Ok(ObjectId::of(ObjectKind::Blob, merged.content())?)
    }

    fn tree(&self, id: ObjectId) -> Result<Entries, MergeError> {
        let raw = self.content(id, MAX_TREE_BYTES)?;
        tree::read(&raw).ok_or(MergeError::Malformed(id))
    }

    fn content(&self, id: ObjectId, limit: u64) -> Result<Vec<u8>, MergeError> {
        self.contents.content(id, limit).map_err(|error| match error {
            ObjectError::TooLarge { limit, .. } => MergeError::TooLarge {
                path: self.shown_path(),
                limit,
            },
            error @ ObjectError::Unreadable(_) => MergeError::Object(error),
        })
    }

    fn conflict(&self) -> MergeError {
        MergeError::Conflict {
            path: self.shown_path(),
        }
    }

    fn shown_path(&self) -> String {
        let names = self.path.iter().map(|name| String::from_utf8_lossy(name));
        names.collect::<Vec<_>>().join("/")
    }
}

/// The merge that libgit2 makes of three texts, with Git's own algorithm; nothing if it cannot.
fn merge_text(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<MergeFileResult> {
    let mut inputs = [
        MergeFileInput::new(),
        MergeFileInput::new(),
        MergeFileInput::new(),
    ];
    for (input, text) in inputs.iter_mut().zip([base, ours, theirs]) {
        input.content(text);
    }
    let [base, ours, theirs] = &inputs;
    let mut options = MergeFileOptions::new();
    git2::merge_file(base, ours, theirs, Some(&mut options)).ok()
}

fn is_binary(text: &[u8]) -> bool {
    text.iter().take(BINARY_SAMPLE).any(|byte| *byte == 0)
}
