//! What Deliveries left in the cluster, held against what watches see of it.
//!
//! One record for the reconciles, which write down how they left each object, and for the watches, which look whether it
//! still is so. Both happen at once: a watch brings our own write before the run that made it is over.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::known::{Content, Known};
use super::ownership::Imprint;
use crate::cluster::{Actor, Place, Resource};
use crate::name::{Key, ObjectRef};

/// The record.
#[derive(Default)]
pub struct Left {
    state: Mutex<State>,
    moved: Notify,
    drifted: Notify,
}

/// An object as a run left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftObject {
    /// Which object.
    pub object: ObjectRef,
    /// How it is addressed.
    pub resource: Resource,
    /// What it bore of us; nothing where it was left missing.
    pub imprint: Option<Imprint>,
    /// What was sent of it; nothing where it was left otherwise.
    pub content: Option<Content>,
}

#[derive(Default)]
struct State {
    objects: HashMap<ObjectRef, Entry>,
    deliveries: BTreeMap<Key, Holding>,
    drifted: BTreeMap<Key, BTreeSet<ObjectRef>>,
}

/// What is known of one Delivery.
#[derive(Default)]
struct Holding {
    places: BTreeSet<Place>,
    /// A run is writing: what watches see may be its own work.
    is_writing: bool,
}

struct Entry {
    owner: Arc<Key>,
    left: Option<Imprint>,
    content: Option<Content>,
    /// What a watch saw that nobody was told of yet. A run that fails is tried again by itself, not for this.
    seen: Option<Seen>,
}

/// What a watch saw of an object last.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// It is there.
    There(Imprint),
    /// It is gone, or lost our label.
    Gone(Imprint),
    /// It was not listed.
    Unlisted,
}

impl Entry {
    /// Whether what was seen is news, and not what we left.
    fn has_drifted(&self) -> bool {
        match (&self.left, &self.seen) {
            (Some(left), Some(Seen::There(seen))) => left.is_superseded_by(seen),
            (Some(left), Some(Seen::Gone(seen))) => left.precedes(seen),
            (Some(_), Some(Seen::Unlisted)) | (None, Some(Seen::There(_))) => true,
            (_, None) | (None, Some(Seen::Gone(_) | Seen::Unlisted)) => false,
        }
    }
}

/// A run that may write. While there is one, nothing that is seen of its objects counts as drift yet.
#[must_use = "when it is dropped, what was seen meanwhile is held against what was left before"]
pub struct Writing<'a> {
    left: &'a Left,
    delivery: &'a Key,
}

impl Left {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a run of a Delivery begins to look and to write.
    pub fn begin<'a>(&'a self, delivery: &'a Key) -> Writing<'a> {
        let mut state = self.state();
        state.deliveries.entry(delivery.clone()).or_default().is_writing = true;
        Writing { left: self, delivery }
    }

    /// How the last run of a Delivery left its objects that were as they should be.
    pub fn known(&self, delivery: &Key) -> Known {
        let state = self.state();
        let ours = state
            .objects
            .iter()
            .filter(|(_, entry)| *entry.owner == *delivery);
        let left = ours.filter_map(|(object, entry)| Some((object.clone(), (entry.left?, entry.content?))));
        Known {
            owner: Some(delivery.clone()),
            left: left.collect(),
        }
    }

    /// Forgets a Delivery that is gone, or whose objects are not held against anything.
    pub fn forget(&self, delivery: &Key) {
        let mut state = self.state();
        state.objects.retain(|_, entry| *entry.owner != *delivery);
        state.drifted.remove(delivery);
        let was_watched = state
            .deliveries
            .remove(delivery)
            .is_some_and(|holding| !holding.places.is_empty());
        drop(state);
        if was_watched {
            self.moved.notify_one();
        }
    }

    /// Takes in that an object was seen.
    pub fn there(&self, object: &ObjectRef, imprint: Imprint) {
        self.see(object, Seen::There(imprint));
    }

    /// Takes in that an object was seen to go.
    pub fn gone(&self, object: &ObjectRef, imprint: Imprint) {
        self.see(object, Seen::Gone(imprint));
    }

    /// Takes in which objects a place has. Those that we left there and that are not among them are gone.
    pub fn listed(&self, place: &Place, there: &HashSet<ObjectRef>) {
        let missing: Vec<ObjectRef> = self
            .state()
            .objects
            .iter()
            .filter(|(object, entry)| entry.left.is_some() && place.has(object) && !there.contains(object))
            .map(|(object, _)| object.clone())
            .collect();
        for object in missing {
            self.see(&object, Seen::Unlisted);
        }
    }

    fn see(&self, object: &ObjectRef, seen: Seen) {
        let mut state = self.state();
        let State {
            objects,
            deliveries,
            drifted,
        } = &mut *state;
        let Some(entry) = objects.get_mut(object) else {
            return;
        };
        entry.seen = Some(seen);
        let is_writing = deliveries
            .get(&*entry.owner)
            .is_some_and(|holding| holding.is_writing);
        if !is_writing && entry.has_drifted() {
            entry.seen = None;
            drifted
                .entry(Key::clone(&entry.owner))
                .or_default()
                .insert(object.clone());
            drop(state);
            self.drifted.notify_one();
        }
    }

    /// The Deliveries that drifted since the last call, each with the objects that did; waits until there are some.
    pub async fn drifted(&self) -> BTreeMap<Key, BTreeSet<ObjectRef>> {
        loop {
            let drifted = std::mem::take(&mut self.state().drifted);
            if !drifted.is_empty() {
                return drifted;
            }
            self.drifted.notified().await;
        }
    }

    /// Where objects of ours are, each with the Deliveries that they belong to.
    pub fn places(&self) -> BTreeMap<Place, BTreeSet<Key>> {
        let mut places: BTreeMap<Place, BTreeSet<Key>> = BTreeMap::new();
        for (delivery, holding) in &self.state().deliveries {
            for place in &holding.places {
                places.entry(place.clone()).or_default().insert(delivery.clone());
            }
        }
        places
    }

    /// Waits until [`Self::places`] may be others.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }
}

impl Writing<'_> {
    /// Notes how the run left its objects. It has written all that it is going to.
    pub fn record(self, actor: &Actor, objects: Vec<LeftObject>) {
        let owner = Arc::new(self.delivery.clone());
        let mut places = BTreeSet::new();
        let mut state = self.left.state();
        let mut former = HashMap::new();
        state.objects.retain(|object, entry| {
            let stays = *entry.owner != *owner;
            if let (false, Some(seen)) = (stays, entry.seen) {
                former.insert(object.clone(), seen);
            }
            stays
        });
        for LeftObject {
            object,
            resource,
            imprint,
            content,
        } in objects
        {
            places.insert(Place::of(actor, &object, &resource));
            // That it was not there is said of the time before it was looked at.
            let seen = former
                .remove(&object)
                .filter(|seen| !matches!(seen, Seen::Unlisted));
            let entry = Entry {
                owner: Arc::clone(&owner),
                left: imprint,
                content,
                seen,
            };
            state.objects.insert(object, entry);
        }
        let holding = state.deliveries.entry(self.delivery.clone()).or_default();
        let has_moved = holding.places != places;
        holding.places = places;
        drop(state);
        if has_moved {
            self.left.moved.notify_one();
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut state = self.left.state();
        if let Some(holding) = state.deliveries.get_mut(self.delivery) {
            holding.is_writing = false;
        }
        let mut drifted = BTreeSet::new();
        for (object, entry) in &mut state.objects {
            if *entry.owner == *self.delivery && entry.has_drifted() {
                entry.seen = None;
                drifted.insert(object.clone());
            }
        }
        if !drifted.is_empty() {
            state
                .drifted
                .entry(self.delivery.clone())
                .or_default()
                .extend(drifted);
            drop(state);
            self.left.drifted.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::{Metadata, Scope};

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("apps".into()),
            name: name.into(),
        }
    }

    /// An object in a state, with one field or none of ours.
    fn imprint(version: u32, field: &str) -> Imprint {
        let fields = json!({ field: {} });
        Imprint::of(&Metadata {
            resource_version: version.to_string(),
            managed_fields: json!([{"manager": "fluxops", "operation": "Apply", "fieldsV1": fields}]),
            ..Metadata::default()
        })
    }

    fn left(name: &str, imprint: Option<Imprint>) -> LeftObject {
        let resource = Resource {
            plural: "configmaps".into(),
            scope: Scope::Namespaced,
        };
        LeftObject {
            object: object(name),
            resource,
            imprint,
            content: None,
        }
    }

    fn drifted(left: &Left) -> Vec<String> {
        let drifted = std::mem::take(&mut left.state().drifted);
        drifted
            .into_values()
            .flatten()
            .map(|object| object.name)
            .collect()
    }

    #[test]
    fn our_own_writes_are_no_drift_whenever_a_watch_brings_them() {
        let (record, web) = (Left::default(), Key::new("apps", "web").unwrap());
        record
            .begin(&web)
            .record(&Actor::Itself, vec![left("a", Some(imprint(1, "f:a")))]);
        let run = record.begin(&web);
        record.there(&object("a"), imprint(2, "f:b"));
        assert!(drifted(&record).is_empty(), "it may be ours");
        run.record(&Actor::Itself, vec![left("a", Some(imprint(2, "f:b")))]);
        record.there(&object("a"), imprint(2, "f:b"));
        record.there(&object("a"), imprint(1, "f:a"));
        record.there(&object("a"), imprint(3, "f:b"));
        assert!(drifted(&record).is_empty());
        record.there(&object("a"), imprint(4, "f:c"));
        assert_eq!(drifted(&record), ["a"]);
    }

    #[test]
    fn what_others_do_while_a_run_writes_shows_at_its_end() {
        let (record, web) = (Left::default(), Key::new("apps", "web").unwrap());
        record
            .begin(&web)
            .record(&Actor::Itself, vec![left("a", Some(imprint(1, "f:a")))]);
        let run = record.begin(&web);
        record.there(&object("a"), imprint(3, "f:c"));
        run.record(&Actor::Itself, vec![left("a", Some(imprint(2, "f:b")))]);
        assert_eq!(drifted(&record), ["a"]);
        // A run that comes to nothing has to say what was seen meanwhile, and that once.
        let run = record.begin(&web);
        record.there(&object("a"), imprint(4, "f:d"));
        drop(run);
        assert_eq!(drifted(&record), ["a"]);
        drop(record.begin(&web));
        assert!(drifted(&record).is_empty());
    }

    #[test]
    fn what_is_gone_and_what_was_not_listed_has_drifted() {
        let (record, web) = (Left::default(), Key::new("apps", "web").unwrap());
        let all = vec![
            left("a", Some(imprint(5, "f:a"))),
            left("b", Some(imprint(5, "f:a"))),
            left("missing", None),
        ];
        record.begin(&web).record(&Actor::Itself, all);
        record.gone(&object("a"), imprint(4, "f:a"));
        assert!(drifted(&record).is_empty(), "it was made again since");
        record.gone(&object("a"), imprint(6, "f:a"));
        assert_eq!(drifted(&record), ["a"]);
        let place = record.places().into_keys().next().unwrap();
        record.listed(&place, &[object("a")].into());
        assert_eq!(drifted(&record), ["b"]);
        record.gone(&object("missing"), imprint(7, "f:a"));
        assert!(drifted(&record).is_empty());
        record.there(&object("missing"), imprint(8, "f:a"));
        assert_eq!(drifted(&record), ["missing"]);
        record.there(&object("a stranger"), imprint(8, "f:a"));
        record.forget(&web);
        record.there(&object("a"), imprint(9, "f:b"));
        assert!(drifted(&record).is_empty() && record.places().is_empty());
    }
}
