//! Tree objects: read, and written as Git would, for their ids alone.

use std::collections::BTreeMap;

use git_signature::{CollisionAttack, ObjectId, ObjectKind};

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: Mode,
    pub(super) id: ObjectId,
}

/// The modes that Git writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Folder,
    File,
    Executable,
    Symlink,
    Submodule,
}

/// The entries of one tree, by their names' bytes.
pub(super) type Entries = BTreeMap<Vec<u8>, Entry>;

const MODES: [(Mode, &[u8]); 5] = [
    (Mode::Folder, b"40000"),
    (Mode::File, b"100644"),
    (Mode::Executable, b"100755"),
    (Mode::Symlink, b"120000"),
    (Mode::Submodule, b"160000"),
];

impl Mode {
    /// Whether there is a file's content to merge.
    pub(super) fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Executable)
    }

    fn as_bytes(self) -> &'static [u8] {
        match MODES.iter().find(|(mode, _)| *mode == self) {
            Some((_, bytes)) => bytes,
            None => b"",
        }
    }
}

/// Reads a tree; nothing if it is not one that Git writes: `mode SP name NUL id`, with the names in order.
pub(super) fn read(raw: &[u8]) -> Option<Entries> {
    let mut entries = Entries::new();
    let mut rest = raw;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let (mode, after) = rest.split_at(space);
        let (mode, _) = MODES.iter().find(|(_, bytes)| *bytes == mode)?;
        let after = after.get(1..)?;
        let end = after.iter().position(|byte| *byte == 0)?;
        let (name, after) = after.split_at(end);
        let (id, after) = after.get(1..)?.split_first_chunk::<20>()?;
        if name.is_empty() || name.contains(&b'/') {
            return None;
        }
        let entry = Entry {
            mode: *mode,
            id: ObjectId::from_bytes(*id),
        };
        if entries.insert(name.to_vec(), entry).is_some() {
            return None;
        }
        rest = after;
    }
    // Whatever was read says all that is there if writing it gives the same bytes.
    (write(&entries) == raw).then_some(entries)
}

/// The id of the tree with these entries.
pub(super) fn id(entries: &Entries) -> Result<ObjectId, CollisionAttack> {
    ObjectId::of(ObjectKind::Tree, &write(entries))
}

/// In Git's order a folder's name counts as if a slash ended it.
fn write(entries: &Entries) -> Vec<u8> {
    let mut sorted: Vec<(Vec<u8>, &[u8], &Entry)> = entries
        .iter()
        .map(|(name, entry)| {
            let mut key = name.clone();
            if entry.mode == Mode::Folder {
                key.push(b'/');
            }
            (key, name.as_slice(), entry)
        })
        .collect();
    sorted.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let mut raw = Vec::new();
    for (_, name, Entry { mode, id }) in sorted {
        raw.extend_from_slice(mode.as_bytes());
        raw.push(b' ');
        raw.extend_from_slice(name);
        raw.push(0);
        raw.extend_from_slice(id.as_bytes());
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: &str, name: &str) -> Vec<u8> {
        let mut raw = format!("{mode} {name}\0").into_bytes();
        raw.extend([7; 20]);
        raw
    }

    #[test]
    fn trees_are_read_as_git_writes_them_and_in_no_other_way() {
        // A folder stands behind "a.b" and in front of "a0", a file in front of both.
        let good = [entry("100644", "a.b"), entry("40000", "a"), entry("160000", "a0")].concat();
        let read_back = read(&good).unwrap();
        assert_eq!(read_back.len(), 3);
        assert_eq!(id(&read_back), ObjectId::of(ObjectKind::Tree, &good));
        assert_eq!(read(b""), Some(Entries::new()));
        for bad in [
            entry("040000", "a"),
            entry("100664", "a"),
            entry("100644", ""),
            entry("100644", "a/b"),
            [entry("100644", "a"), entry("100644", "a")].concat(),
            [entry("100644", "a"), entry("40000", "a")].concat(),
            [entry("100644", "b"), entry("100644", "a")].concat(),
            [entry("40000", "a"), entry("100644", "a.b")].concat(),
            good[..good.len() - 1].to_vec(),
            b"100644 a".to_vec(),
            b"100644".to_vec(),
        ] {
            assert_eq!(read(&bad), None, "{bad:?}");
        }
    }
}
