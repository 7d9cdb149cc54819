//! Taking over fields from kubectl.
//!
//! What `kubectl apply` made keeps its fields when they leave Git, since kubectl is still said to own them. So its
//! entries in `managedFields` become part of ours before an object is applied (`csaupgrade` of k8s.io/client-go, and what
//! Flux does): what the manifest does not have goes away then, kubectl's own copy of the object in an annotation
//! included.

use serde_json::{Value as Json, json};

use crate::cluster::Metadata;
use crate::name::FIELD_MANAGER;

/// The managers that give way, by name and operation: kubectl's two ways to apply, and what stands for all that was
/// written before an object had `managedFields`. Not those of `kubectl edit`, `patch` or `scale`.
const MANAGERS: [(&str, &str); 3] = [
    ("kubectl-client-side-apply", "Update"),
    ("kubectl", "Apply"),
    ("before-first-apply", "Update"),
];

/// What the `managedFields` of an object are once we have taken over; nothing where there is nothing to take.
pub(super) fn taken_over(live: &Metadata) -> Option<Json> {
    let entries = live.managed_fields.as_array()?;
    let (given, mut kept): (Vec<&Json>, Vec<&Json>) = entries.iter().partition(|entry| gives_way(entry));
    let first = given.first()?;
    let ours = kept
        .iter()
        .position(|entry| is_ours(entry))
        .map(|index| kept.remove(index));
    let version = ours.unwrap_or(first).get("apiVersion")?;
    // Sets of fields of different versions do not add up.
    if given.iter().any(|entry| entry.get("apiVersion") != Some(version)) {
        return None;
    }
    let mut fields = json!({});
    for entry in ours.into_iter().chain(given.iter().copied()) {
        add(&mut fields, entry.get("fieldsV1")?);
    }
    let taken = json!({
        "manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": version, "time": first.get("time"),
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    });
    Some(kept.into_iter().cloned().chain([taken]).collect())
}

fn text<'a>(entry: &'a Json, key: &str) -> &'a str {
    entry.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn gives_way(entry: &Json) -> bool {
    text(entry, "subresource").is_empty()
        && MANAGERS.contains(&(text(entry, "manager"), text(entry, "operation")))
}

fn is_ours(entry: &Json) -> bool {
    text(entry, "manager") == FIELD_MANAGER
        && text(entry, "operation") == "Apply"
        && text(entry, "subresource").is_empty()
}

/// Adds the fields of a set to another.
fn add(fields: &mut Json, more: &Json) {
    let (Some(fields), Some(more)) = (fields.as_object_mut(), more.as_object()) else {
        return;
    };
    for (step, within) in more {
        add(fields.entry(step).or_insert_with(|| json!({})), within);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, version: &str, fields: &Json) -> Json {
        json!({"manager": manager, "operation": operation, "apiVersion": version, "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn taken(entries: Json) -> Option<Json> {
        taken_over(&Metadata {
            managed_fields: entries,
            ..Metadata::default()
        })
    }

    #[test]
    fn kubectls_fields_become_ours_and_those_of_others_stay_theirs() {
        let a = json!({"f:data": {".": {}, "f:a": {}}});
        let b = json!({"f:data": {"f:b": {}}});
        let other = entry("kubectl-edit", "Update", "v1", &b);
        let both = taken(json!([
            entry("kubectl-client-side-apply", "Update", "v1", &a),
            other,
            entry("fluxops", "Apply", "v1", &b),
        ]));
        let fields = json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}});
        assert_eq!(
            both.unwrap(),
            json!([other, entry("fluxops", "Apply", "v1", &fields)])
        );
        let alone = taken(json!([entry("kubectl", "Apply", "v1", &a)]));
        assert_eq!(alone.unwrap(), json!([entry("fluxops", "Apply", "v1", &a)]));
    }

    #[test]
    fn nothing_is_taken_where_nothing_is_there_or_versions_differ() {
        let a = json!({"f:data": {"f:a": {}}});
        let mut scale = entry("kubectl", "Apply", "v1", &a);
        scale["subresource"] = "scale".into();
        for entries in [
            json!(null),
            json!([entry("fluxops", "Apply", "v1", &a)]),
            json!([entry("kubectl", "Update", "v1", &a), scale]),
            json!([
                entry("kubectl", "Apply", "v1beta1", &a),
                entry("fluxops", "Apply", "v1", &a)
            ]),
        ] {
            assert_eq!(taken(entries), None);
        }
    }
}
