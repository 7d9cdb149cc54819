//! Which Secrets and `ConfigMap`s were read for which of our objects, so that a change of one is noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::name::{Key, ObjectName};

/// The kinds that our objects refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReferenceKind {
    /// A Secret.
    Secret,
    /// A `ConfigMap`.
    ConfigMap,
}

/// An object that others refer to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) kind: ReferenceKind,
    pub(super) key: Key,
}

/// In which state an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Version {
    /// It is not there.
    Absent,
    /// It is there.
    Present {
        /// Which object has the name.
        uid: String,
        /// Which state of it.
        resource_version: String,
    },
}

/// What was read for whom, each in the state that it had then.
#[derive(Debug, Default)]
pub(super) struct References {
    readers: Mutex<BTreeMap<ObjectName, BTreeMap<Reference, Version>>>,
}

impl References {
    /// Notes that something was read, or looked for in vain.
    pub(super) fn note(&self, reader: &ObjectName, reference: Reference, version: Version) {
        let mut readers = self.readers();
        readers
            .entry(reader.clone())
            .or_default()
            .insert(reference, version);
    }

    /// Forgets what was read for an object: it is gone, or reads anew.
    pub(super) fn forget(&self, reader: &ObjectName) {
        self.readers().remove(reader);
    }

    /// Everything that was read, each once.
    pub(super) fn all(&self) -> BTreeSet<Reference> {
        let readers = self.readers();
        readers.values().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Those for whom something was read that is in another state now. Each hears of it once.
    pub(super) fn changed(&self, now: &BTreeMap<Reference, Version>) -> BTreeSet<ObjectName> {
        let mut changed = BTreeSet::new();
        for (reader, read) in self.readers().iter_mut() {
            for (reference, then) in read {
                if let Some(now) = now.get(reference).filter(|now| *now != then) {
                    then.clone_from(now);
                    changed.insert(reader.clone());
                }
            }
        }
        changed
    }

    /// A thread that panicked left the map whole.
    fn readers(&self) -> MutexGuard<'_, BTreeMap<ObjectName, BTreeMap<Reference, Version>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Kind;

    fn reader(name: &str) -> ObjectName {
        ObjectName {
            kind: Kind::GitSource,
            key: Key::new("apps", name).unwrap(),
        }
    }

    fn secret(name: &str) -> Reference {
        Reference {
            kind: ReferenceKind::Secret,
            key: Key::new("apps", name).unwrap(),
        }
    }

    fn version(resource_version: &str) -> Version {
        Version::Present {
            uid: "one".to_owned(),
            resource_version: resource_version.to_owned(),
        }
    }

    #[test]
    fn each_reader_hears_once_of_what_is_other_than_it_read() {
        let references = References::default();
        references.note(&reader("early"), secret("keys"), version("1"));
        references.note(&reader("late"), secret("keys"), version("2"));
        references.note(&reader("vain"), secret("missing"), Version::Absent);
        assert_eq!(references.all(), [secret("keys"), secret("missing")].into());

        let now = [(secret("keys"), version("2"))].into();
        assert_eq!(references.changed(&now), [reader("early")].into());
        assert_eq!(references.changed(&now), BTreeSet::new());
        let now = [
            (secret("missing"), version("3")),
            (secret("keys"), Version::Absent),
        ]
        .into();
        let all = ["early", "late", "vain"].map(reader);
        assert_eq!(references.changed(&now), all.into());
    }

    #[test]
    fn what_could_not_be_looked_at_is_no_change_and_what_is_forgotten_neither() {
        let references = References::default();
        references.note(&reader("one"), secret("keys"), version("1"));
        assert_eq!(references.changed(&BTreeMap::new()), BTreeSet::new());
        references.forget(&reader("one"));
        assert_eq!(
            references.changed(&[(secret("keys"), version("2"))].into()),
            BTreeSet::new()
        );
        assert_eq!(references.all(), BTreeSet::new());
    }
}
