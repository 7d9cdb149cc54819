//! The fields that kustomize's transformations work on by default.
//!
//! kustomize keeps them as YAML in `api/internal/konfig/builtinpluginconsts`; the `configurations` field of a
//! kustomization would add to them.

mod references;

use crate::field_spec::{FieldSpec, Missing};
use crate::resource::KindSelector;

/// Field specs by transformation.
pub(crate) struct Configuration {
    pub(crate) namespace: Vec<FieldSpec>,
    /// Labels that are also selectors, and the labels of templates.
    pub(crate) selectors: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) claim_template_labels: Vec<FieldSpec>,
    pub(crate) annotations: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
    pub(crate) references: Vec<References>,
}

/// The fields by which objects refer to objects of one kind by name.
pub(crate) struct References {
    /// The kind that is referred to.
    pub(crate) target: KindSelector,
    /// Who refers to it, and by which field.
    pub(crate) referrers: Vec<FieldSpec>,
}

impl Default for Configuration {
    fn default() -> Self {
        let mut selectors = builtin(SELECTORS);
        selectors.extend(builtin(LABELS));
        selectors.extend(builtin(CLAIM_TEMPLATE_LABELS));
        Self {
            namespace: builtin(NAMESPACE),
            selectors,
            template_labels: builtin(LABELS),
            claim_template_labels: builtin(CLAIM_TEMPLATE_LABELS),
            annotations: builtin(ANNOTATIONS),
            images: builtin(IMAGES),
            replicas: builtin(REPLICAS),
            references: references::builtin_references(),
        }
    }
}

/// A field spec as `(group, version, kind, path, missing)`.
type Builtin = (&'static str, &'static str, &'static str, &'static str, Missing);

fn builtin(specs: &[Builtin]) -> Vec<FieldSpec> {
    specs
        .iter()
        .map(|(group, version, kind, path, missing)| {
            FieldSpec::new(KindSelector::new(group, version, kind), path, *missing)
        })
        .collect()
}

use Missing::{Create, Skip};

/// namespace.go, without the fields that every namespaced object has.
const NAMESPACE: &[Builtin] = &[
    ("", "", "Namespace", "metadata/name", Create),
    (
        "apiregistration.k8s.io",
        "",
        "APIService",
        "spec/service/namespace",
        Create,
    ),
    (
        "apiextensions.k8s.io",
        "",
        "CustomResourceDefinition",
        "spec/conversion/webhook/clientConfig/service/namespace",
        Skip,
    ),
];

/// metadatalabels.go
const LABELS: &[Builtin] = &[
    ("", "", "", "metadata/labels", Create),
    (
        "",
        "v1",
        "ReplicationController",
        "spec/template/metadata/labels",
        Create,
    ),
    ("", "", "Deployment", "spec/template/metadata/labels", Create),
    ("", "", "ReplicaSet", "spec/template/metadata/labels", Create),
    ("", "", "DaemonSet", "spec/template/metadata/labels", Create),
    ("apps", "", "StatefulSet", "spec/template/metadata/labels", Create),
    ("batch", "", "Job", "spec/template/metadata/labels", Create),
    ("batch", "", "CronJob", "spec/jobTemplate/metadata/labels", Create),
    (
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/spec/template/metadata/labels",
        Create,
    ),
];

/// volumeclaimmetadatalabels.go
const CLAIM_TEMPLATE_LABELS: &[Builtin] = &[(
    "apps",
    "",
    "StatefulSet",
    "spec/volumeClaimTemplates[]/metadata/labels",
    Create,
)];

/// commonlabels.go
const SELECTORS: &[Builtin] = &[
    ("", "v1", "Service", "spec/selector", Create),
    ("", "v1", "ReplicationController", "spec/selector", Create),
    ("", "", "Deployment", "spec/selector/matchLabels", Create),
    ("apps", "", "Deployment", PREFERRED_AFFINITY, Skip),
    ("apps", "", "Deployment", REQUIRED_AFFINITY, Skip),
    ("apps", "", "Deployment", PREFERRED_ANTI_AFFINITY, Skip),
    ("apps", "", "Deployment", REQUIRED_ANTI_AFFINITY, Skip),
    ("apps", "", "Deployment", TOPOLOGY_SPREAD, Skip),
    ("", "", "ReplicaSet", "spec/selector/matchLabels", Create),
    ("", "", "DaemonSet", "spec/selector/matchLabels", Create),
    ("apps", "", "StatefulSet", "spec/selector/matchLabels", Create),
    ("apps", "", "StatefulSet", PREFERRED_AFFINITY, Skip),
    ("apps", "", "StatefulSet", REQUIRED_AFFINITY, Skip),
    ("apps", "", "StatefulSet", PREFERRED_ANTI_AFFINITY, Skip),
    ("apps", "", "StatefulSet", REQUIRED_ANTI_AFFINITY, Skip),
    ("apps", "", "StatefulSet", TOPOLOGY_SPREAD, Skip),
    ("batch", "", "Job", "spec/selector/matchLabels", Skip),
    (
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/spec/selector/matchLabels",
        Skip,
    ),
    (
        "policy",
        "",
        "PodDisruptionBudget",
        "spec/selector/matchLabels",
        Skip,
    ),
    (
        "networking.k8s.io",
        "",
        "NetworkPolicy",
        "spec/podSelector/matchLabels",
        Skip,
    ),
    (
        "networking.k8s.io",
        "",
        "NetworkPolicy",
        "spec/ingress/from/podSelector/matchLabels",
        Skip,
    ),
    (
        "networking.k8s.io",
        "",
        "NetworkPolicy",
        "spec/egress/to/podSelector/matchLabels",
        Skip,
    ),
];
const PREFERRED_AFFINITY: &str = "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_AFFINITY: &str = "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const PREFERRED_ANTI_AFFINITY: &str = "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_ANTI_AFFINITY: &str = "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const TOPOLOGY_SPREAD: &str = "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels";

/// commonannotations.go
const ANNOTATIONS: &[Builtin] = &[
    ("", "", "", "metadata/annotations", Create),
    (
        "",
        "v1",
        "ReplicationController",
        "spec/template/metadata/annotations",
        Create,
    ),
    ("", "", "Deployment", "spec/template/metadata/annotations", Create),
    ("", "", "ReplicaSet", "spec/template/metadata/annotations", Create),
    ("", "", "DaemonSet", "spec/template/metadata/annotations", Create),
    (
        "",
        "",
        "StatefulSet",
        "spec/template/metadata/annotations",
        Create,
    ),
    ("batch", "", "Job", "spec/template/metadata/annotations", Create),
    (
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/metadata/annotations",
        Create,
    ),
    (
        "batch",
        "",
        "CronJob",
        "spec/jobTemplate/spec/template/metadata/annotations",
        Create,
    ),
];

/// images.go; the containers of other kinds are found by their field names.
const IMAGES: &[Builtin] = &[
    ("", "", "", "spec/containers[]/image", Skip),
    ("", "", "", "spec/initContainers[]/image", Skip),
    ("", "", "", "spec/volumes[]/image/reference", Skip),
    ("", "", "", "spec/template/spec/containers[]/image", Skip),
    ("", "", "", "spec/template/spec/initContainers[]/image", Skip),
    ("", "", "", "spec/template/spec/volumes[]/image/reference", Skip),
    (
        "",
        "",
        "",
        "spec/jobTemplate/spec/template/spec/volumes[]/image/reference",
        Skip,
    ),
];

/// replicas.go
const REPLICAS: &[Builtin] = &[
    ("", "", "Deployment", "spec/replicas", Create),
    ("", "", "ReplicationController", "spec/replicas", Create),
    ("", "", "ReplicaSet", "spec/replicas", Create),
    ("", "", "StatefulSet", "spec/replicas", Create),
];
