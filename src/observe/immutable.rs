//! Which refusals mean that an object would have to be made anew.
//!
//! The API server has no code for a field that cannot be changed on an object that is there. So those that are known to
//! be such are listed, by kind, field, reason and what the server's words mean; each row is made live by the tests.
//! What is not listed is refused like any other mistake, since a mistake that deletes an object is worse than one that
//! stops a commit.

use serde_json::Value as Json;

use crate::cluster::{Cause, Metadata, Refusal, Wording};
use crate::name::ObjectRef;

/// Who has to ask for an object to be deleted and made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// The Delivery, by `spec.force`, or the object itself.
    Delivery,
    /// The object itself, by its annotation: what it holds goes with it.
    Object,
}

/// Fields of some kinds that cannot be changed, and how the API server says so.
struct Row {
    group: &'static str,
    kinds: &'static [&'static str],
    fields: &'static [&'static str],
    reason: &'static str,
    wording: Wording,
    consent: Consent,
}

/// The reason of a cause with a value that may not be (`field.ErrorTypeInvalid` of k8s.io/apimachinery).
const INVALID: &str = "FieldValueInvalid";
/// The reason of a cause with a field that may not be (`field.ErrorTypeForbidden`).
const FORBIDDEN: &str = "FieldValueForbidden";

const fn row(
    group: &'static str,
    kinds: &'static [&'static str],
    fields: &'static [&'static str],
    reason: &'static str,
    wording: Wording,
) -> Row {
    Row {
        group,
        kinds,
        fields,
        reason,
        wording,
        consent: Consent::Delivery,
    }
}

/// The same for kinds whose objects hold what cannot be made again from a commit.
const fn holding(
    group: &'static str,
    kinds: &'static [&'static str],
    fields: &'static [&'static str],
    reason: &'static str,
    wording: Wording,
) -> Row {
    Row {
        consent: Consent::Object,
        ..row(group, kinds, fields, reason, wording)
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";

const ROWS: [Row; 22] = [
    row(
        "apps",
        &["Deployment", "DaemonSet", "ReplicaSet"],
        &["spec.selector"],
        INVALID,
        Wording::Immutable,
    ),
    row(
        "apps",
        &["StatefulSet"],
        &["spec"],
        FORBIDDEN,
        Wording::StatefulSet,
    ),
    row(
        "batch",
        &["Job"],
        &[
            "spec.backoffLimitPerIndex",
            "spec.completionMode",
            "spec.completions",
            "spec.managedBy",
            "spec.podFailurePolicy",
            "spec.selector",
            "spec.successPolicy",
            "spec.template",
        ],
        INVALID,
        Wording::Immutable,
    ),
    row("", &["Pod"], &["spec"], FORBIDDEN, Wording::Pod),
    row(
        "",
        &["Service"],
        &["spec.clusterIPs[0]", "spec.loadBalancerClass"],
        INVALID,
        Wording::SetOnce,
    ),
    row(
        "",
        &["Service"],
        &["spec.healthCheckNodePort"],
        FORBIDDEN,
        Wording::Immutable,
    ),
    row(
        "",
        &["ConfigMap"],
        &["binaryData", "data", "immutable"],
        FORBIDDEN,
        Wording::MadeImmutable,
    ),
    row(
        "",
        &["Secret"],
        &["data", "immutable"],
        FORBIDDEN,
        Wording::MadeImmutable,
    ),
    row("", &["Secret"], &["type"], INVALID, Wording::Immutable),
    row(
        "",
        &["ResourceQuota"],
        &["spec.scopes"],
        INVALID,
        Wording::Immutable,
    ),
    row(
        "discovery.k8s.io",
        &["EndpointSlice"],
        &["addressType"],
        INVALID,
        Wording::Immutable,
    ),
    row(
        RBAC,
        &["RoleBinding", "ClusterRoleBinding"],
        &["roleRef"],
        INVALID,
        Wording::RoleRef,
    ),
    row(
        STORAGE,
        &["StorageClass"],
        &["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"],
        INVALID,
        Wording::Immutable,
    ),
    // The server writes it so.
    row(
        STORAGE,
        &["CSIDriver"],
        &["spec.attachedRequired"],
        INVALID,
        Wording::Immutable,
    ),
    row(
        "scheduling.k8s.io",
        &["PriorityClass"],
        &["value"],
        FORBIDDEN,
        Wording::Priority,
    ),
    row(
        "scheduling.k8s.io",
        &["PriorityClass"],
        &["preemptionPolicy"],
        INVALID,
        Wording::Immutable,
    ),
    row(
        "node.k8s.io",
        &["RuntimeClass"],
        &["handler"],
        INVALID,
        Wording::Immutable,
    ),
    row(
        "networking.k8s.io",
        &["IngressClass"],
        &["spec.controller"],
        INVALID,
        Wording::Immutable,
    ),
    holding(
        "",
        &["PersistentVolumeClaim"],
        &["spec"],
        FORBIDDEN,
        Wording::Claim,
    ),
    holding(
        "",
        &["PersistentVolume"],
        &["spec.persistentvolumesource"],
        FORBIDDEN,
        Wording::VolumeSource,
    ),
    holding(
        "",
        &["PersistentVolume"],
        &["volumeMode"],
        INVALID,
        Wording::Immutable,
    ),
    holding(
        "apiextensions.k8s.io",
        &["CustomResourceDefinition"],
        &["spec.names.kind", "spec.scope"],
        INVALID,
        Wording::Immutable,
    ),
];

/// The fields that are listed, each with the group and the kind that it belongs to.
pub fn immutable_fields() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    ROWS.iter().flat_map(|row| {
        let kinds = row.kinds.iter();
        kinds.flat_map(|kind| row.fields.iter().map(|field| (row.group, *kind, *field)))
    })
}

/// Whose consent it takes to make an object anew, where nothing but fields that cannot be changed stands in the way.
pub(super) fn consent(object: &ObjectRef, refusal: &Refusal, live: &Metadata) -> Option<Consent> {
    let row = |cause: &Cause| ROWS.iter().find(|row| row.is_for(object) && row.has(cause));
    if refusal.status() != http::StatusCode::UNPROCESSABLE_ENTITY
        || !refusal.is_only(|cause| row(cause).is_some())
    {
        return None;
    }
    let mut rows = refusal.causes().iter().filter_map(row);
    let is_held = rows.any(|row| row.consent == Consent::Object) || may_take_claims_with_it(object, live);
    Some(if is_held {
        Consent::Object
    } else {
        Consent::Delivery
    })
}

impl Row {
    fn is_for(&self, object: &ObjectRef) -> bool {
        self.group == object.group && self.kinds.contains(&object.kind.as_str())
    }

    fn has(&self, cause: &Cause) -> bool {
        self.fields.contains(&cause.field.as_str())
            && self.reason == cause.reason
            && self.wording == cause.wording
    }
}

/// Whether an object can be there a second time under another name, so that the API server can be asked what it thinks
/// of a new one while the old one is there. Services share addresses and ports, a `CustomResourceDefinition` is named
/// after what it defines, and only one `PriorityClass` is the default.
pub(super) fn can_be_rehearsed(object: &ObjectRef) -> bool {
    !matches!(
        (object.group.as_str(), object.kind.as_str()),
        ("", "Service")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
            | ("scheduling.k8s.io", "PriorityClass")
    )
}

/// Whether somebody said what becomes of the claims of a `StatefulSet` when it is deleted. Unless it is said they stay
/// (`persistentVolumeClaimRetentionPolicy`); what was said is not known, since no values are read.
fn may_take_claims_with_it(object: &ObjectRef, live: &Metadata) -> bool {
    const PATH: &str = "/fieldsV1/f:spec/f:persistentVolumeClaimRetentionPolicy/f:whenDeleted";
    let mut entries = live.managed_fields.as_array().into_iter().flatten();
    object.group == "apps"
        && object.kind == "StatefulSet"
        && entries.any(|entry: &Json| entry.pointer(PATH).is_some())
}
