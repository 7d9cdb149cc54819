//! What the `managedFields` of an object say: which fields are ours, and who took some of them.
//!
//! A write that changes one of our fields takes it from our entry, whoever makes it and however (structured-merge-diff,
//! `merge/update.go`). A write that does not leaves our entry as it is, its time included: so the status of a
//! Deployment, or a key that somebody added, is told from a change of ours without looking at a value.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use serde_json::Value as Json;

use crate::cluster::{Metadata, Refusal};
use crate::name::{FIELD_MANAGER, ObjectRef};

/// The most fields that are named of an object that departs from what was applied.
pub const MAX_NAMED_FIELDS: usize = 10;

/// An object as it was left, as far as that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imprint {
    /// The resource version, where it is a number as in etcd. These are ordered (Kubernetes 1.35, KEP-5504).
    version: Option<u64>,
    /// The digest of our entry, and of the object's identity over its life.
    digest: [u8; SHA256_OUTPUT_LEN],
}

impl Imprint {
    /// What an object bears of us now.
    pub fn of(metadata: &Metadata) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(metadata.uid.as_bytes());
        for entry in entries(metadata).filter(|entry| is_ours(entry)) {
            let time = text(entry, "time").and_then(|time| time.parse::<Timestamp>().ok());
            context.update(&time.map_or(0, Timestamp::as_second).to_be_bytes());
            context.update(text(entry, "apiVersion").unwrap_or_default().as_bytes());
            let fields = entry.get("fieldsV1").map(Json::to_string);
            context.update(fields.unwrap_or_default().as_bytes());
        }
        let mut digest = [0; SHA256_OUTPUT_LEN];
        for (byte, computed) in digest.iter_mut().zip(context.finish().as_ref()) {
            *byte = *computed;
        }
        Self {
            version: metadata.resource_version.parse().ok(),
            digest,
        }
    }

    /// Whether another state of the object bears the same of us.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// Whether our fields are other in this later state of the object. One that is earlier says nothing.
    pub fn is_superseded_by(&self, seen: &Self) -> bool {
        self.precedes(seen) && self.digest != seen.digest
    }

    /// Whether a state of the object may be later than this one. Of versions that are no numbers nobody knows.
    pub fn precedes(&self, seen: &Self) -> bool {
        match (self.version, seen.version) {
            (Some(left), Some(seen)) => left < seen,
            _ => true,
        }
    }
}

/// An object that is not as it was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    /// Which object.
    pub object: ObjectRef,
    /// What became of it.
    pub departure: Departure,
}

/// How an object departs from what was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// It is gone.
    Gone,
    /// Some of our fields are no longer ours.
    Changed {
        /// Their paths without any value; at most [`MAX_NAMED_FIELDS`].
        fields: Vec<String>,
        /// The field managers that own them now. None, where they were taken away.
        managers: BTreeSet<String>,
    },
}

impl Departure {
    /// How a live object departs from what applying it would make of it.
    pub(super) fn between(live: &Metadata, wanted: &Metadata) -> Self {
        let nothing = Json::Object(serde_json::Map::new());
        let mut lost = Vec::new();
        let kept = our_fields(live).unwrap_or(&nothing);
        missing_leaves(
            our_fields(wanted).unwrap_or(&nothing),
            Some(kept),
            &mut Vec::new(),
            &mut lost,
        );
        let owns = |entry: &&Json| {
            let fields = entry.get("fieldsV1").unwrap_or(&nothing);
            !is_ours(entry) && lost.iter().any(|path| holds(fields, path))
        };
        let managers = entries(live)
            .filter(owns)
            .filter_map(|entry| text(entry, "manager"));
        let mut fields: Vec<String> = lost.iter().map(|path| shown(path)).collect();
        fields.dedup();
        fields.truncate(MAX_NAMED_FIELDS);
        Self::Changed {
            managers: managers.map(printable).collect(),
            fields,
        }
    }

    /// How an object departs from what cannot be made of it.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        let fields = refusal.causes().iter().map(|cause| cause.field.clone());
        Self::Changed {
            fields: fields.take(MAX_NAMED_FIELDS).collect(),
            managers: BTreeSet::new(),
        }
    }

    /// Whether no field was lost that is to be ours.
    pub(super) fn is_of_no_field(&self) -> bool {
        matches!(self, Self::Changed { fields, .. } if fields.is_empty())
    }

    /// Who made it, as far as the object says.
    pub fn managers(&self) -> impl Iterator<Item = &str> {
        let managers = match self {
            Self::Gone => None,
            Self::Changed { managers, .. } => Some(managers),
        };
        managers.into_iter().flatten().map(String::as_str)
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Changed { fields, managers } = self else {
            return formatter.write_str("it is gone");
        };
        if fields.is_empty() {
            formatter.write_str("it was changed")?;
        } else {
            write!(formatter, "{} changed", fields.join(", "))?;
        }
        if !managers.is_empty() {
            let managers: Vec<&str> = managers.iter().map(String::as_str).collect();
            write!(formatter, " by {}", managers.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Drifted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.object, self.departure)
    }
}

fn entries(metadata: &Metadata) -> impl Iterator<Item = &Json> {
    metadata.managed_fields.as_array().into_iter().flatten()
}

/// The fields that are ours by our applies.
pub(super) fn our_fields(metadata: &Metadata) -> Option<&Json> {
    let mut ours = entries(metadata).filter(|entry| is_ours(entry));
    ours.find_map(|entry| entry.get("fieldsV1"))
}

fn text<'a>(entry: &'a Json, key: &str) -> Option<&'a str> {
    entry.get(key)?.as_str()
}

/// Whether an entry is that of our applies.
fn is_ours(entry: &Json) -> bool {
    text(entry, "manager") == Some(FIELD_MANAGER)
        && text(entry, "operation") == Some("Apply")
        && text(entry, "subresource").is_none_or(str::is_empty)
}

/// The fields without children that are in one set and not in another.
fn missing_leaves<'a>(
    wanted: &'a Json,
    live: Option<&Json>,
    path: &mut Vec<&'a str>,
    missing: &mut Vec<Vec<&'a str>>,
) {
    let children = wanted.as_object().into_iter().flatten();
    for (key, child) in children {
        let found = live.and_then(|live| live.get(key));
        path.push(key);
        if child.as_object().is_none_or(serde_json::Map::is_empty) {
            if found.is_none() {
                missing.push(path.clone());
            }
        } else {
            missing_leaves(child, found, path, missing);
        }
        path.pop();
    }
}

/// Whether a set of fields has one: by itself, or by a whole that it is part of.
fn holds(fields: &Json, path: &[&str]) -> bool {
    let mut at = fields;
    for key in path {
        match at.get(key) {
            Some(child) => at = child,
            None => return at != fields && at.as_object().is_none_or(serde_json::Map::is_empty),
        }
    }
    true
}

/// A path for people. What identifies an element of a list is left out, since it is a value.
fn shown(path: &[&str]) -> String {
    let mut shown = String::new();
    for key in path {
        match key.split_once(':') {
            Some(("f", name)) => {
                if !shown.is_empty() {
                    shown.push('.');
                }
                shown.push_str(&printable(name));
            }
            Some(_) => shown.push_str("[]"),
            None => {}
        }
    }
    shown
}

/// What somebody else named, without what would change the lines of a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(version: &str, entries: Json) -> Metadata {
        Metadata {
            uid: "one".to_owned(),
            resource_version: version.to_owned(),
            managed_fields: entries,
            ..Metadata::default()
        }
    }

    fn entry(manager: &str, operation: &str, subresource: &str, time: &str, fields: &Json) -> Json {
        json!({"manager": manager, "operation": operation, "subresource": subresource, "apiVersion": "v1",
            "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn ours(fields: &Json) -> Json {
        entry("fluxops", "Apply", "", "2026-01-01T00:00:00Z", fields)
    }

    #[test]
    fn only_what_is_ours_makes_an_imprint_and_only_later_states_count() {
        let fields = json!({"f:data": {"f:a": {}}});
        let left = Imprint::of(&metadata("10", json!([ours(&fields)])));
        let status = json!({"f:status": {"f:replicas": {}}});
        let status = entry(
            "kube-controller-manager",
            "Update",
            "status",
            "2026-01-01T00:00:09Z",
            &status,
        );
        let reported = Imprint::of(&metadata("11", json!([status, ours(&fields)])));
        assert!(left.precedes(&reported) && !left.is_superseded_by(&reported));

        let taken = metadata("12", json!([ours(&json!({"f:data": {}}))]));
        assert!(left.is_superseded_by(&Imprint::of(&taken)));
        let before = Imprint::of(&Metadata {
            resource_version: "9".into(),
            ..taken.clone()
        });
        assert!(
            !left.is_superseded_by(&before),
            "what was before our write is no news"
        );
        let opaque = Imprint::of(&Metadata {
            resource_version: "x".into(),
            ..taken
        });
        assert!(left.is_superseded_by(&opaque));

        let again = entry("fluxops", "Apply", "", "2026-01-01T00:00:01Z", &fields);
        assert!(left.is_superseded_by(&Imprint::of(&metadata("13", json!([again])))));
        let other = Metadata {
            uid: "two".into(),
            ..metadata("14", json!([ours(&fields)]))
        };
        assert!(left.is_superseded_by(&Imprint::of(&other)), "it was made anew");
    }

    #[test]
    fn a_departure_names_fields_and_their_owners_and_no_value() {
        let containers =
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"secret\"}": {".": {}, "f:image": {}}}}});
        let wanted = metadata(
            "2",
            json!([ours(&json!({
                "f:data": {"f:a": {}, "f:b": {}}, "f:spec": containers["f:spec"],
            }))]),
        );
        let live = metadata(
            "2",
            json!([
                entry("by-hand", "Update", "", "2026-01-01T00:00:05Z", &containers),
                entry(
                    "bystander",
                    "Update",
                    "",
                    "2026-01-01T00:00:05Z",
                    &json!({"f:data": {"f:c": {}}})
                ),
                ours(&json!({"f:data": {"f:a": {}}})),
            ]),
        );
        let departure = Departure::between(&live, &wanted);
        assert_eq!(
            departure.to_string(),
            "data.b, spec.containers[], spec.containers[].image changed by by-hand"
        );
        let nobody = Departure::between(&metadata("2", json!([])), &metadata("2", json!([])));
        assert_eq!(nobody.to_string(), "it was changed");
        assert_eq!(Departure::Gone.managers().count(), 0);
    }
}
