//! The order of the output.

use crate::kustomization::{LegacyOrder, Sort};
use crate::resource::{Id, KindSelector, Resource};

/// Kinds that others need (`defaultOrderFirst` of kustomize's `SortOrderTransformer`).
const FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
/// Kinds that could stand in the way of others (`defaultOrderLast`).
const LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Sorts objects as the kustomization that is built asks for; without a word from it, in the legacy order.
pub(crate) fn sort(resources: &mut [Resource], sort: Option<&Sort>) {
    let rank: Box<dyn Fn(&str) -> i64> = match sort {
        Some(Sort::Fifo) => return,
        Some(Sort::Legacy(Some(LegacyOrder { first, last }))) => {
            Box::new(move |kind| rank(kind, first, last))
        }
        None | Some(Sort::Legacy(None)) => Box::new(|kind| rank(kind, FIRST, LAST)),
    };
    resources.sort_by_cached_key(|resource| {
        let id = resource.id();
        (rank(&id.kind), kind_key(&id), name_key(&id, resource.namespace()))
    });
}

/// Below zero for the kinds that come first, above zero for those that come last. Of a kind that is listed twice the
/// later place counts.
fn rank<S: AsRef<str>>(kind: &str, first: &[S], last: &[S]) -> i64 {
    let place = |kinds: &[S]| kinds.iter().rposition(|listed| listed.as_ref() == kind);
    let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    match (place(first), place(last)) {
        (_, Some(place)) => signed(place).saturating_add(1),
        (Some(place), None) => signed(place) - signed(first.len()),
        (None, None) => 0,
    }
}

/// Where kustomize sorts the references to a kind (`IsLessThan` of kyaml's gvk.go).
pub(crate) fn reference_rank(kinds: &KindSelector) -> (i64, String) {
    let key = group_version_kind(&kinds.group, &kinds.version, &kinds.kind);
    (rank(&kinds.kind, FIRST, LAST), key)
}

/// Group, version and kind as kustomize compares them (`legacyGVKSortString`); of all kinds called Namespace, that of
/// the core group comes first (`gvkLessThan`).
fn kind_key(id: &Id) -> String {
    if id.group.is_empty() && id.kind == "Namespace" {
        return String::new();
    }
    group_version_kind(&id.group, &id.version, &id.kind)
}

fn group_version_kind(group: &str, version: &str, kind: &str) -> String {
    let or = |part: &str, placeholder: &str| if part.is_empty() { placeholder } else { part }.to_owned();
    [or(group, "~G"), or(version, "~V"), or(kind, "~K")].join("_")
}

/// Namespace as it is written, and name (`legacyResIDSortString`).
fn name_key(id: &Id, namespace: &str) -> String {
    let or = |part: &str, placeholder: &str| if part.is_empty() { placeholder } else { part }.to_owned();
    [or(namespace, "~X"), or(&id.name, "~N")].join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_kinds() {
        assert_eq!(rank("Namespace", FIRST, LAST), -22);
        assert_eq!(rank("PodDisruptionBudget", FIRST, LAST), -1);
        assert_eq!(rank("Ingress", FIRST, LAST), 0);
        assert_eq!(rank("ValidatingWebhookConfiguration", FIRST, LAST), 2);
    }
}
