//! The fields that kustomize's transformations work on by default.
//!
//! kustomize keeps them as YAML in `api/internal/konfig/builtinpluginconsts`; the files under `configurations` and
//! `crds` of a kustomization add to them.

mod crds;
mod merge;
mod read;
mod references;
mod variables;

use crate::field_spec::{FieldSpec, Missing};
use crate::resource::KindSelector;
pub(crate) use crds::read_crds;
pub(crate) use read::read_configuration;
pub(crate) use references::References;

/// Field specs by transformation.
#[derive(Clone)]
pub(crate) struct Configuration {
    pub(crate) namespace: Vec<FieldSpec>,
    /// Labels that are also selectors, and the labels of templates.
    pub(crate) selectors: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) claim_template_labels: Vec<FieldSpec>,
    /// Further labels of every entry of `labels`.
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) annotations: Vec<FieldSpec>,
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
    pub(crate) references: Vec<References>,
    /// Where vars may stand.
    pub(crate) var_references: Vec<FieldSpec>,
}

impl Default for Configuration {
    fn default() -> Self {
        use Missing::{Create, Skip};
        let labels = specs(LABELS, Create);
        let claim_template_labels = specs(CLAIM_TEMPLATE_LABELS, Create);
        let selectors = [
            specs(SELECTORS, Create),
            specs(SELECTORS_IF_PRESENT, Skip),
            labels.clone(),
            claim_template_labels.clone(),
        ];
        let name = specs(&[("", "metadata/name")], Skip);
        Self {
            name_prefix: name.clone(),
            name_suffix: name,
            labels: Vec::new(),
            namespace: [specs(NAMESPACE, Create), specs(NAMESPACE_IF_PRESENT, Skip)].concat(),
            selectors: selectors.concat(),
            template_labels: labels,
            claim_template_labels,
            annotations: specs(ANNOTATIONS, Create),
            images: specs(IMAGES, Create),
            replicas: specs(REPLICAS, Create),
            references: references::builtin(),
            var_references: variables::builtin(),
        }
    }
}

/// Kinds and a path within them. Kinds are written `Kind`, `Kind.group`, `Kind/version` or `Kind/version.group`; nothing
/// stands for all.
type Builtin = (&'static str, &'static str);

fn specs(builtin: &[Builtin], missing: Missing) -> Vec<FieldSpec> {
    builtin
        .iter()
        .map(|(kinds, path)| FieldSpec::new(kind_selector(kinds), path, missing))
        .collect()
}

fn kind_selector(kinds: &str) -> KindSelector {
    let (kind, group) = kinds.split_once('.').unwrap_or((kinds, ""));
    let (kind, version) = kind.split_once('/').unwrap_or((kind, ""));
    KindSelector::new(group, version, kind)
}

/// namespace.go, without the fields that every namespaced object has.
const NAMESPACE: &[Builtin] = &[
    ("Namespace", "metadata/name"),
    ("APIService.apiregistration.k8s.io", "spec/service/namespace"),
];
const NAMESPACE_IF_PRESENT: &[Builtin] = &[(
    "CustomResourceDefinition.apiextensions.k8s.io",
    "spec/conversion/webhook/clientConfig/service/namespace",
)];

/// metadatalabels.go
const LABELS: &[Builtin] = &[
    ("", "metadata/labels"),
    ("ReplicationController/v1", "spec/template/metadata/labels"),
    ("Deployment", "spec/template/metadata/labels"),
    ("ReplicaSet", "spec/template/metadata/labels"),
    ("DaemonSet", "spec/template/metadata/labels"),
    ("StatefulSet.apps", "spec/template/metadata/labels"),
    ("Job.batch", "spec/template/metadata/labels"),
    ("CronJob.batch", "spec/jobTemplate/metadata/labels"),
    ("CronJob.batch", "spec/jobTemplate/spec/template/metadata/labels"),
];

/// volumeclaimmetadatalabels.go
const CLAIM_TEMPLATE_LABELS: &[Builtin] =
    &[("StatefulSet.apps", "spec/volumeClaimTemplates[]/metadata/labels")];

/// commonlabels.go
const SELECTORS: &[Builtin] = &[
    ("Service/v1", "spec/selector"),
    ("ReplicationController/v1", "spec/selector"),
    ("Deployment", "spec/selector/matchLabels"),
    ("ReplicaSet", "spec/selector/matchLabels"),
    ("DaemonSet", "spec/selector/matchLabels"),
    ("StatefulSet.apps", "spec/selector/matchLabels"),
];
const SELECTORS_IF_PRESENT: &[Builtin] = &[
    ("Deployment.apps", PREFERRED_AFFINITY),
    ("Deployment.apps", REQUIRED_AFFINITY),
    ("Deployment.apps", PREFERRED_ANTI_AFFINITY),
    ("Deployment.apps", REQUIRED_ANTI_AFFINITY),
    ("Deployment.apps", TOPOLOGY_SPREAD),
    ("StatefulSet.apps", PREFERRED_AFFINITY),
    ("StatefulSet.apps", REQUIRED_AFFINITY),
    ("StatefulSet.apps", PREFERRED_ANTI_AFFINITY),
    ("StatefulSet.apps", REQUIRED_ANTI_AFFINITY),
    ("StatefulSet.apps", TOPOLOGY_SPREAD),
    ("Job.batch", "spec/selector/matchLabels"),
    ("CronJob.batch", "spec/jobTemplate/spec/selector/matchLabels"),
    ("PodDisruptionBudget.policy", "spec/selector/matchLabels"),
    ("NetworkPolicy.networking.k8s.io", "spec/podSelector/matchLabels"),
    (
        "NetworkPolicy.networking.k8s.io",
        "spec/ingress/from/podSelector/matchLabels",
    ),
    (
        "NetworkPolicy.networking.k8s.io",
        "spec/egress/to/podSelector/matchLabels",
    ),
];
const PREFERRED_AFFINITY: &str = "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_AFFINITY: &str = "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const PREFERRED_ANTI_AFFINITY: &str = "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_ANTI_AFFINITY: &str = "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const TOPOLOGY_SPREAD: &str = "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels";

/// commonannotations.go
const ANNOTATIONS: &[Builtin] = &[
    ("", "metadata/annotations"),
    ("ReplicationController/v1", "spec/template/metadata/annotations"),
    ("Deployment", "spec/template/metadata/annotations"),
    ("ReplicaSet", "spec/template/metadata/annotations"),
    ("DaemonSet", "spec/template/metadata/annotations"),
    ("StatefulSet", "spec/template/metadata/annotations"),
    ("Job.batch", "spec/template/metadata/annotations"),
    ("CronJob.batch", "spec/jobTemplate/metadata/annotations"),
    (
        "CronJob.batch",
        "spec/jobTemplate/spec/template/metadata/annotations",
    ),
];

/// images.go. The containers of other kinds are found by their field names. These fields are said to be created, and then
/// are not.
const IMAGES: &[Builtin] = &[
    ("", "spec/containers[]/image"),
    ("", "spec/initContainers[]/image"),
    ("", "spec/volumes[]/image/reference"),
    ("", "spec/template/spec/containers[]/image"),
    ("", "spec/template/spec/initContainers[]/image"),
    ("", "spec/template/spec/volumes[]/image/reference"),
    (
        "",
        "spec/jobTemplate/spec/template/spec/volumes[]/image/reference",
    ),
];

/// replicas.go
const REPLICAS: &[Builtin] = &[
    ("Deployment", "spec/replicas"),
    ("ReplicationController", "spec/replicas"),
    ("ReplicaSet", "spec/replicas"),
    ("StatefulSet", "spec/replicas"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_documented() {
        for (kinds, group, version, kind) in [
            ("", "", "", ""),
            ("Pod/v1", "", "v1", "Pod"),
            ("Job.batch", "batch", "", "Job"),
            (
                "Service/v1.serving.knative.dev",
                "serving.knative.dev",
                "v1",
                "Service",
            ),
        ] {
            assert_eq!(
                kind_selector(kinds),
                KindSelector::new(group, version, kind),
                "{kinds}"
            );
        }
    }
}
