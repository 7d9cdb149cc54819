//! The fields that kustomize's transformations work on by default.
//!
//! kustomize keeps them as YAML in `api/internal/konfig/builtinpluginconsts`; the `configurations` field of a
//! kustomization would add to them.

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
            references: references(),
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
    ("apiregistration.k8s.io", "", "APIService", "spec/service/namespace", Create),
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
    ("", "v1", "ReplicationController", "spec/template/metadata/labels", Create),
    ("", "", "Deployment", "spec/template/metadata/labels", Create),
    ("", "", "ReplicaSet", "spec/template/metadata/labels", Create),
    ("", "", "DaemonSet", "spec/template/metadata/labels", Create),
    ("apps", "", "StatefulSet", "spec/template/metadata/labels", Create),
    ("batch", "", "Job", "spec/template/metadata/labels", Create),
    ("batch", "", "CronJob", "spec/jobTemplate/metadata/labels", Create),
    ("batch", "", "CronJob", "spec/jobTemplate/spec/template/metadata/labels", Create),
];

/// volumeclaimmetadatalabels.go
const CLAIM_TEMPLATE_LABELS: &[Builtin] =
    &[("apps", "", "StatefulSet", "spec/volumeClaimTemplates[]/metadata/labels", Create)];

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
    ("batch", "", "CronJob", "spec/jobTemplate/spec/selector/matchLabels", Skip),
    ("policy", "", "PodDisruptionBudget", "spec/selector/matchLabels", Skip),
    ("networking.k8s.io", "", "NetworkPolicy", "spec/podSelector/matchLabels", Skip),
    ("networking.k8s.io", "", "NetworkPolicy", "spec/ingress/from/podSelector/matchLabels", Skip),
    ("networking.k8s.io", "", "NetworkPolicy", "spec/egress/to/podSelector/matchLabels", Skip),
];
const PREFERRED_AFFINITY: &str = "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_AFFINITY: &str = "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const PREFERRED_ANTI_AFFINITY: &str = "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED_ANTI_AFFINITY: &str = "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const TOPOLOGY_SPREAD: &str = "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels";

/// commonannotations.go
const ANNOTATIONS: &[Builtin] = &[
    ("", "", "", "metadata/annotations", Create),
    ("", "v1", "ReplicationController", "spec/template/metadata/annotations", Create),
    ("", "", "Deployment", "spec/template/metadata/annotations", Create),
    ("", "", "ReplicaSet", "spec/template/metadata/annotations", Create),
    ("", "", "DaemonSet", "spec/template/metadata/annotations", Create),
    ("", "", "StatefulSet", "spec/template/metadata/annotations", Create),
    ("batch", "", "Job", "spec/template/metadata/annotations", Create),
    ("batch", "", "CronJob", "spec/jobTemplate/metadata/annotations", Create),
    ("batch", "", "CronJob", "spec/jobTemplate/spec/template/metadata/annotations", Create),
];

/// images.go; the containers of other kinds are found by their field names.
const IMAGES: &[Builtin] = &[
    ("", "", "", "spec/containers[]/image", Skip),
    ("", "", "", "spec/initContainers[]/image", Skip),
    ("", "", "", "spec/volumes[]/image/reference", Skip),
    ("", "", "", "spec/template/spec/containers[]/image", Skip),
    ("", "", "", "spec/template/spec/initContainers[]/image", Skip),
    ("", "", "", "spec/template/spec/volumes[]/image/reference", Skip),
    ("", "", "", "spec/jobTemplate/spec/template/spec/volumes[]/image/reference", Skip),
];

/// replicas.go
const REPLICAS: &[Builtin] = &[
    ("", "", "Deployment", "spec/replicas", Create),
    ("", "", "ReplicationController", "spec/replicas", Create),
    ("", "", "ReplicaSet", "spec/replicas", Create),
    ("", "", "StatefulSet", "spec/replicas", Create),
];

/// Where a kind has its pod spec.
type PodSpec = (&'static str, &'static str);

/// The kinds whose pods can use a `ConfigMap` or a Secret, as namereference.go lists them.
const PODS_WITH_CONFIGURATION: &[PodSpec] = &[
    ("PodTemplate", "template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
];
/// The kinds whose pods can use the other things that pods use, as namereference.go lists them.
const PODS: &[PodSpec] = &[
    ("Pod", "spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicationController", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
];
const CONFIG_MAP_IN_POD: &[&str] = &[
    "volumes/configMap/name",
    "containers/env/valueFrom/configMapKeyRef/name",
    "initContainers/env/valueFrom/configMapKeyRef/name",
    "containers/envFrom/configMapRef/name",
    "initContainers/envFrom/configMapRef/name",
    "volumes/projected/sources/configMap/name",
];
const SECRET_IN_POD: &[&str] = &[
    "volumes/secret/secretName",
    "containers/env/valueFrom/secretKeyRef/name",
    "initContainers/env/valueFrom/secretKeyRef/name",
    "containers/envFrom/secretRef/name",
    "initContainers/envFrom/secretRef/name",
    "imagePullSecrets/name",
    "volumes/projected/sources/secret/name",
];

const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// namereference.go, in the order in which kustomize sorts it. Its entry for `IngressClass` names a group that no
/// object has, and is left out.
fn references() -> Vec<References> {
    let scale_target: &[Builtin] = &[("", "", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name", Skip)];
    vec![
        to(
            ("storage.k8s.io", "v1", "StorageClass"),
            builtin(&[
                ("", "", "PersistentVolume", "spec/storageClassName", Skip),
                ("", "", "PersistentVolumeClaim", "spec/storageClassName", Skip),
                ("", "", "StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName", Skip),
            ]),
        ),
        to(
            ("", "v1", "ServiceAccount"),
            [
                builtin(&[
                    (RBAC, "", "RoleBinding", "subjects", Skip),
                    (RBAC, "", "ClusterRoleBinding", "subjects", Skip),
                ]),
                in_pods(PODS, &["serviceAccountName"]),
            ]
            .concat(),
        ),
        to((RBAC, "", "Role"), builtin(&[(RBAC, "", "RoleBinding", "roleRef/name", Skip)])),
        to(
            (RBAC, "", "ClusterRole"),
            builtin(&[
                (RBAC, "", "RoleBinding", "roleRef/name", Skip),
                (RBAC, "", "ClusterRoleBinding", "roleRef/name", Skip),
            ]),
        ),
        to(("", "v1", "ConfigMap"), config_map_referrers()),
        to(("", "v1", "Secret"), secret_referrers()),
        to(
            ("", "v1", "Service"),
            builtin(&[
                ("apps", "", "StatefulSet", "spec/serviceName", Skip),
                ("", "", "Ingress", "spec/rules/http/paths/backend/serviceName", Skip),
                ("", "", "Ingress", "spec/backend/serviceName", Skip),
                ("", "", "Ingress", "spec/rules/http/paths/backend/service/name", Skip),
                ("", "", "Ingress", "spec/defaultBackend/service/name", Skip),
                ("apiregistration.k8s.io", "", "APIService", "spec/service/name", Skip),
                (ADMISSION, "", "ValidatingWebhookConfiguration", "webhooks/clientConfig/service", Skip),
                (ADMISSION, "", "MutatingWebhookConfiguration", "webhooks/clientConfig/service", Skip),
            ]),
        ),
        to(("scheduling.k8s.io", "v1", "PriorityClass"), in_pods(PODS, &["priorityClassName"])),
        to(
            ("", "v1", "PersistentVolume"),
            builtin(&[
                ("", "", "PersistentVolumeClaim", "spec/volumeName", Skip),
                ("", "", "ClusterRole", "rules/resourceNames", Skip),
            ]),
        ),
        to(
            ("", "v1", "PersistentVolumeClaim"),
            in_pods(PODS, &["volumes/persistentVolumeClaim/claimName"]),
        ),
        to(("", "", "Deployment"), builtin(scale_target)),
        to(("", "", "StatefulSet"), builtin(scale_target)),
        to(
            (ADMISSION, "", "ValidatingAdmissionPolicy"),
            builtin(&[(ADMISSION, "", "ValidatingAdmissionPolicyBinding", "spec/policyName", Skip)]),
        ),
        to(("", "", "ReplicaSet"), builtin(scale_target)),
        to(("", "", "ReplicationController"), builtin(scale_target)),
    ]
}

fn config_map_referrers() -> Vec<FieldSpec> {
    let mut referrers = in_configured_pods(CONFIG_MAP_IN_POD);
    referrers.extend(builtin(&[
        ("", "", "Node", "spec/configSource/configMap", Skip),
        ("", "", "Role", "rules/resourceNames", Skip),
        ("", "", "ClusterRole", "rules/resourceNames", Skip),
        (
            "",
            "",
            "Ingress",
            r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap",
            Skip,
        ),
    ]));
    referrers
}

fn secret_referrers() -> Vec<FieldSpec> {
    let mut referrers = in_configured_pods(SECRET_IN_POD);
    referrers.extend(builtin(&[
        ("", "", "Ingress", "spec/tls/secretName", Skip),
        ("", "", "Ingress", r"metadata/annotations/ingress.kubernetes.io\/auth-secret", Skip),
        ("", "", "Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret", Skip),
        ("", "", "Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret", Skip),
        ("", "", "ServiceAccount", "imagePullSecrets/name", Skip),
        ("", "", "StorageClass", "parameters/secretName", Skip),
        ("", "", "StorageClass", "parameters/adminSecretName", Skip),
        ("", "", "StorageClass", "parameters/userSecretName", Skip),
        ("", "", "StorageClass", "parameters/secretRef", Skip),
        ("", "", "Role", "rules/resourceNames", Skip),
        ("", "", "ClusterRole", "rules/resourceNames", Skip),
        (
            "serving.knative.dev",
            "v1",
            "Service",
            "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
            Skip,
        ),
        ("", "", "PersistentVolume", "spec/azureFile/secretName", Skip),
    ]));
    referrers
}

fn to((group, version, kind): (&str, &str, &str), referrers: Vec<FieldSpec>) -> References {
    References {
        target: KindSelector::new(group, version, kind),
        referrers,
    }
}

/// The pods that can use a `ConfigMap` or a Secret; a bare Pod counts in version v1 only.
fn in_configured_pods(fields: &[&str]) -> Vec<FieldSpec> {
    let pod = fields
        .iter()
        .map(|field| FieldSpec::new(KindSelector::new("", "v1", "Pod"), &format!("spec/{field}"), Skip));
    pod.chain(in_pods(PODS_WITH_CONFIGURATION, fields)).collect()
}

fn in_pods(pods: &[PodSpec], fields: &[&str]) -> Vec<FieldSpec> {
    let of_kind = |(kind, pod_spec): &PodSpec| {
        let kinds = KindSelector::new("", "", kind);
        let pod_spec = *pod_spec;
        fields
            .iter()
            .map(move |field| FieldSpec::new(kinds.clone(), &format!("{pod_spec}/{field}"), Skip))
            .collect::<Vec<_>>()
    };
    pods.iter().flat_map(of_kind).collect()
}
