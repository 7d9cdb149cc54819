//! The fields in which vars may stand: varreference.go of kustomize.

use super::{Builtin, kind_selector, specs};
use crate::field_spec::{FieldSpec, Missing};

/// All of them.
pub(super) fn builtin() -> Vec<FieldSpec> {
    let mut fields = specs(FIELDS, Missing::Skip);
    for (kind, pod_spec) in PODS {
        for containers in ["containers", "initContainers"] {
            for field in IN_CONTAINER {
                let path = format!("{pod_spec}/{containers}/{field}");
                fields.push(FieldSpec::new(kind_selector(kind), &path, Missing::Skip));
            }
        }
    }
    fields
}

/// Kinds, and where they have their pod spec.
const PODS: &[Builtin] = &[
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("Deployment", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("Pod", "spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
];

const IN_CONTAINER: [&str; 4] = ["args", "command", "env/value", "volumeMounts/mountPath"];

/// The path of `CronJob` has no pod spec in it, as in kustomize.
const FIELDS: &[Builtin] = &[
    ("CronJob", "spec/jobTemplate/spec/template/volumes/nfs/server"),
    ("DaemonSet", "spec/template/spec/volumes/nfs/server"),
    ("Deployment", "spec/template/spec/volumes/nfs/server"),
    ("Deployment", "spec/template/metadata/annotations"),
    ("Ingress", "spec/rules/host"),
    ("Ingress", "spec/tls/hosts"),
    ("Ingress", "spec/tls/secretName"),
    ("Job", "spec/template/spec/volumes/nfs/server"),
    ("Pod", "spec/volumes/nfs/server"),
    ("ReplicaSet", "spec/template/spec/volumes/nfs/server"),
    ("Service", "spec/ports/port"),
    ("Service", "spec/ports/targetPort"),
    ("StatefulSet", "spec/volumeClaimTemplates/spec/nfs/server"),
    ("PersistentVolume", "spec/nfs/server"),
    ("", "metadata/labels"),
    ("", "metadata/annotations"),
];
