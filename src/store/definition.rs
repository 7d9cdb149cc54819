//! A spec as its user wrote it, with what surrounds it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::api::{
    Conditions, DeliverySpec, DeliveryStatus, GROUP, GitSourceSpec, GitSourceStatus, NotifierSpec,
    ReceiverSpec, ReceiverStatus,
};
use crate::name::{FINALIZER, InvalidName, Key, Kind, ObjectName};

/// The annotation that asks for a reconcile now; its value is a time, or anything else that is new.
pub const REQUESTED_AT: &str = "fluxops.dev/requestedAt";
/// The annotation that accepts a commit as a source's head that does not descend from the last trusted one: the commit's
/// full id, and behind an `@` anything that makes it another request than the one before.
pub const ACCEPT_REWIND: &str = "fluxops.dev/acceptRewind";
/// The annotation with the older revision that a Delivery holds.
pub const HELD_REVISION: &str = "fluxops.dev/heldRevision";
/// The annotation with who asked for that.
pub const HELD_BY: &str = "fluxops.dev/heldBy";
/// The annotation with when that was, written as RFC 3339.
pub const HELD_AT: &str = "fluxops.dev/heldAt";
/// Flux's annotation that asks for a reconcile now.
const FLUX_REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

/// One of our objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition<Spec, Status> {
    /// Its name.
    pub key: Key,
    /// Its identity over its life, in the cluster.
    pub uid: Option<String>,
    /// Its generation, in the cluster.
    pub generation: Option<i64>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What asks for a reconcile now.
    pub requested_at: Option<String>,
    /// Which commit is accepted although it does not descend from the last trusted one: [`ACCEPT_REWIND`].
    pub accept_rewind: Option<String>,
    /// The older revision that somebody asked for.
    pub hold: Option<Hold>,
    /// Whether it is being deleted and waits for us.
    pub deletion: Deletion,
    /// What it asks for.
    pub spec: Spec,
    /// What was last published of it.
    pub status: Status,
}

/// That an older revision is held, in place of newer ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Which.
    pub revision: String,
    /// Who asked for it, if they are known.
    pub by: Option<String>,
    /// When, written as RFC 3339, if it is known.
    pub at: Option<String>,
}

/// Whether an object is being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is not, and our finalizer is not on it.
    Unguarded,
    /// It is not, and our finalizer is on it.
    Guarded,
    /// It is, and our finalizer is on it: it waits for us.
    Asked,
    /// It is, and nothing is left for us to do.
    Released,
}

/// One of our objects, by kind.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way into a map")]
pub enum Parsed {
    /// A `GitSource`.
    GitSource(Definition<GitSourceSpec, GitSourceStatus>),
    /// A Delivery.
    Delivery(Definition<DeliverySpec, DeliveryStatus>),
    /// A Notifier.
    Notifier(Definition<NotifierSpec, ()>),
    /// A Receiver.
    Receiver(Definition<ReceiverSpec, ReceiverStatus>),
}

/// All of our objects. One that cannot be read does not keep the others from being.
#[derive(Debug, Default)]
pub struct Definitions {
    /// The sources.
    pub sources: BTreeMap<Key, Definition<GitSourceSpec, GitSourceStatus>>,
    /// The deliveries.
    pub deliveries: BTreeMap<Key, Definition<DeliverySpec, DeliveryStatus>>,
    /// The notifiers.
    pub notifiers: BTreeMap<Key, Definition<NotifierSpec, ()>>,
    /// The receivers.
    pub receivers: BTreeMap<Key, Definition<ReceiverSpec, ReceiverStatus>>,
    /// Those whose spec cannot be read, and why.
    pub invalid: BTreeMap<ObjectName, InvalidDefinition>,
}

/// Why an object of ours cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDefinition {
    /// It has no usable name.
    #[error("failed to read {kind}: {source}")]
    Name {
        /// Which kind.
        kind: Kind,
        /// Why.
        source: InvalidName,
    },
    /// Its spec is none.
    #[error("failed to read the spec of {}: {}", .0.object, .0.reason)]
    Spec(Box<Unreadable>),
}

/// An object of ours whose spec is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which object.
    pub object: ObjectName,
    /// Its identity over its life, in the cluster.
    pub uid: Option<String>,
    /// Its generation, in the cluster.
    pub generation: Option<i64>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted and waits for us.
    pub deletion: Deletion,
    /// What its status says now.
    pub conditions: Conditions,
    /// Why, with the field.
    pub reason: String,
}

#[derive(Deserialize)]
struct Envelope {
    metadata: Metadata,
    #[serde(default)]
    spec: Json,
    #[serde(default)]
    status: Json,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    uid: Option<String>,
    generation: Option<i64>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    finalizers: Vec<String>,
    deletion_timestamp: Option<String>,
}

impl Parsed {
    /// Reads an object of one of our kinds.
    pub fn read(kind: Kind, object: Json) -> Result<Self, InvalidDefinition> {
        let nameless = || InvalidDefinition::Name {
            kind,
            source: InvalidName::NotDns(String::new(), crate::name::MAX_NAME),
        };
        let envelope: Envelope = serde_json::from_value(object).map_err(|_| nameless())?;
        match kind {
            Kind::GitSource => definition(kind, envelope).map(Self::GitSource),
            Kind::Delivery => definition(kind, envelope).map(Self::Delivery),
            Kind::Notifier => definition(kind, envelope).map(Self::Notifier),
            Kind::Receiver => definition(kind, envelope).map(Self::Receiver),
        }
    }

    /// Its name.
    pub fn name(&self) -> ObjectName {
        let (kind, key) = match self {
            Self::GitSource(definition) => (Kind::GitSource, &definition.key),
            Self::Delivery(definition) => (Kind::Delivery, &definition.key),
            Self::Notifier(definition) => (Kind::Notifier, &definition.key),
            Self::Receiver(definition) => (Kind::Receiver, &definition.key),
        };
        ObjectName {
            kind,
            key: key.clone(),
        }
    }
}

fn definition<Spec: DeserializeOwned, Status: DeserializeOwned + Default>(
    kind: Kind,
    envelope: Envelope,
) -> Result<Definition<Spec, Status>, InvalidDefinition> {
    let Envelope {
        metadata,
        spec,
        status,
    } = envelope;
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    let key =
        Key::new(namespace, &metadata.name).map_err(|source| InvalidDefinition::Name { kind, source })?;
    let guarded = metadata.finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    let deletion = match (metadata.deletion_timestamp, guarded) {
        (Some(_), true) => Deletion::Asked,
        (Some(_), false) => Deletion::Released,
        (None, true) => Deletion::Guarded,
        (None, false) => Deletion::Unguarded,
    };
    let spec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(error) => {
            return Err(InvalidDefinition::Spec(Box::new(Unreadable {
                object: ObjectName { kind, key },
                uid: metadata.uid,
                generation: metadata.generation,
                labels: metadata.labels,
                deletion,
                conditions: conditions_of(&status),
                reason: error.to_string(),
            })));
        }
    };
    let requested_at = [REQUESTED_AT, FLUX_REQUESTED_AT]
        .iter()
        .find_map(|key| metadata.annotations.get(*key));
    Ok(Definition {
        key,
        uid: metadata.uid,
        generation: metadata.generation,
        labels: metadata.labels,
        requested_at: requested_at.cloned(),
        accept_rewind: metadata.annotations.get(ACCEPT_REWIND).cloned(),
        hold: metadata.annotations.get(HELD_REVISION).map(|revision| Hold {
            revision: revision.clone(),
            by: metadata.annotations.get(HELD_BY).cloned(),
            at: metadata.annotations.get(HELD_AT).cloned(),
        }),
        deletion,
        spec,
        // A status that another version wrote is not worth failing for: it is written anew.
        status: serde_json::from_value(status).unwrap_or_default(),
    })
}

/// The conditions in a status; none where there are none that this version reads.
fn conditions_of(status: &Json) -> Conditions {
    let conditions = status.get("conditions").cloned().unwrap_or_default();
    serde_json::from_value(conditions).unwrap_or_default()
}

impl Definitions {
    /// Takes in an object, in place of the former one of its name.
    pub fn insert(&mut self, parsed: Parsed) {
        self.invalid.remove(&parsed.name());
        match parsed {
            Parsed::GitSource(definition) => drop(self.sources.insert(definition.key.clone(), definition)),
            Parsed::Delivery(definition) => drop(self.deliveries.insert(definition.key.clone(), definition)),
            Parsed::Notifier(definition) => drop(self.notifiers.insert(definition.key.clone(), definition)),
            Parsed::Receiver(definition) => drop(self.receivers.insert(definition.key.clone(), definition)),
        }
    }

    /// The names of all objects of a kind.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = ObjectName> + '_ {
        let keys: Vec<Key> = match kind {
            Kind::GitSource => self.sources.keys().cloned().collect(),
            Kind::Delivery => self.deliveries.keys().cloned().collect(),
            Kind::Notifier => self.notifiers.keys().cloned().collect(),
            Kind::Receiver => self.receivers.keys().cloned().collect(),
        };
        let invalid = self.invalid.keys().filter(move |name| name.kind == kind).cloned();
        keys.into_iter()
            .map(move |key| ObjectName { kind, key })
            .chain(invalid)
    }

    /// Forgets an object.
    pub fn remove(&mut self, name: &ObjectName) {
        self.invalid.remove(name);
        match name.kind {
            Kind::GitSource => drop(self.sources.remove(&name.key)),
            Kind::Delivery => drop(self.deliveries.remove(&name.key)),
            Kind::Notifier => drop(self.notifiers.remove(&name.key)),
            Kind::Receiver => drop(self.receivers.remove(&name.key)),
        }
    }

    /// Notes that an object cannot be read. What it said before no longer holds.
    pub fn insert_invalid(&mut self, invalid: InvalidDefinition) {
        if let InvalidDefinition::Spec(unreadable) = &invalid {
            let object = unreadable.object.clone();
            self.remove(&object);
            self.invalid.insert(object, invalid);
        }
    }
}

/// Which of our kinds an `apiVersion` and `kind` mean.
pub(crate) fn our_kind(api_version: &str, kind: &str) -> Option<Result<Kind, String>> {
    let (group, version) = api_version.split_once('/')?;
    if group != GROUP {
        return None;
    }
    Some(match (version, kind) {
        (crate::api::VERSION, "GitSource") => Ok(Kind::GitSource),
        (crate::api::VERSION, "Delivery") => Ok(Kind::Delivery),
        (crate::api::VERSION, "Notifier") => Ok(Kind::Notifier),
        (crate::api::VERSION, "Receiver") => Ok(Kind::Receiver),
        _ => Err(format!(
            "{api_version} {kind} is none of the kinds of this fluxops"
        )),
    })
}
