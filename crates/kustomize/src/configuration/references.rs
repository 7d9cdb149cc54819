//! Which fields refer to which kinds by name: namereference.go of kustomize.

use super::{Builtin, kind_selector, specs};
use crate::field_spec::{FieldSpec, Missing};
use crate::resource::KindSelector;

/// The fields by which objects refer to objects of one kind by name.
#[derive(Clone)]
pub(crate) struct References {
    /// The kind that is referred to.
    pub(crate) target: KindSelector,
    /// Who refers to it, and by which field.
    pub(crate) referrers: Vec<FieldSpec>,
}

/// All of them, in the order in which kustomize sorts and so follows them. Its entry for `IngressClass` names a group
/// that no object has, and is left out.
pub(super) fn builtin() -> Vec<References> {
    vec![
        to("StorageClass/v1.storage.k8s.io", STORAGE_CLASS, &[]),
        to(
            "ServiceAccount/v1",
            SERVICE_ACCOUNT,
            &[(PODS, &["serviceAccountName"])],
        ),
        to("Role.rbac.authorization.k8s.io", ROLE, &[]),
        to("ClusterRole.rbac.authorization.k8s.io", CLUSTER_ROLE, &[]),
        to(
            "ConfigMap/v1",
            CONFIG_MAP,
            &[(CONFIGURED_PODS, CONFIG_MAP_IN_POD)],
        ),
        to("Secret/v1", SECRET, &[(CONFIGURED_PODS, SECRET_IN_POD)]),
        to("Service/v1", SERVICE, &[]),
        to(
            "PriorityClass/v1.scheduling.k8s.io",
            &[],
            &[(PODS, &["priorityClassName"])],
        ),
        to("PersistentVolume/v1", PERSISTENT_VOLUME, &[]),
        to(
            "PersistentVolumeClaim/v1",
            &[],
            &[(PODS, &["volumes/persistentVolumeClaim/claimName"])],
        ),
        to("Deployment", SCALED, &[]),
        to("StatefulSet", SCALED, &[]),
        to(
            "ValidatingAdmissionPolicy.admissionregistration.k8s.io",
            ADMISSION_POLICY,
            &[],
        ),
        to("ReplicaSet", SCALED, &[]),
        to("ReplicationController", SCALED, &[]),
    ]
}

/// Kinds, and where they have their pod spec.
type Pods = &'static [Builtin];

fn to(target: &str, referrers: &[Builtin], in_pods: &[(Pods, &[&str])]) -> References {
    let mut referrers = specs(referrers, Missing::Skip);
    for (pods, fields) in in_pods {
        for (kinds, pod_spec) in *pods {
            let spec = |field: &&str| {
                FieldSpec::new(
                    kind_selector(kinds),
                    &format!("{pod_spec}/{field}"),
                    Missing::Skip,
                )
            };
            referrers.extend(fields.iter().map(spec));
        }
    }
    References {
        target: kind_selector(target),
        referrers,
    }
}

/// The pods that can use a `ConfigMap` or a Secret. `ReplicationController` is not among them.
const CONFIGURED_PODS: Pods = &[
    ("Pod/v1", "spec"),
    ("PodTemplate", "template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
];
/// The pods that can use other things. `PodTemplate` and `ReplicaSet` are not among them.
const PODS: Pods = &[
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

const CONFIG_MAP: &[Builtin] = &[
    ("Node", "spec/configSource/configMap"),
    ("Role", "rules/resourceNames"),
    ("ClusterRole", "rules/resourceNames"),
    (
        "Ingress",
        r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap",
    ),
];
const SECRET: &[Builtin] = &[
    ("Ingress", "spec/tls/secretName"),
    (
        "Ingress",
        r"metadata/annotations/ingress.kubernetes.io\/auth-secret",
    ),
    (
        "Ingress",
        r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret",
    ),
    (
        "Ingress",
        r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret",
    ),
    ("ServiceAccount", "imagePullSecrets/name"),
    ("StorageClass", "parameters/secretName"),
    ("StorageClass", "parameters/adminSecretName"),
    ("StorageClass", "parameters/userSecretName"),
    ("StorageClass", "parameters/secretRef"),
    ("Role", "rules/resourceNames"),
    ("ClusterRole", "rules/resourceNames"),
    (
        "Service/v1.serving.knative.dev",
        "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
    ),
    ("PersistentVolume", "spec/azureFile/secretName"),
];
const SERVICE: &[Builtin] = &[
    ("StatefulSet.apps", "spec/serviceName"),
    ("Ingress", "spec/rules/http/paths/backend/serviceName"),
    ("Ingress", "spec/backend/serviceName"),
    ("Ingress", "spec/rules/http/paths/backend/service/name"),
    ("Ingress", "spec/defaultBackend/service/name"),
    ("APIService.apiregistration.k8s.io", "spec/service/name"),
    (
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
        "webhooks/clientConfig/service",
    ),
    (
        "MutatingWebhookConfiguration.admissionregistration.k8s.io",
        "webhooks/clientConfig/service",
    ),
];
const SERVICE_ACCOUNT: &[Builtin] = &[
    ("RoleBinding.rbac.authorization.k8s.io", "subjects"),
    ("ClusterRoleBinding.rbac.authorization.k8s.io", "subjects"),
];
const ROLE: &[Builtin] = &[("RoleBinding.rbac.authorization.k8s.io", "roleRef/name")];
const CLUSTER_ROLE: &[Builtin] = &[
    ("RoleBinding.rbac.authorization.k8s.io", "roleRef/name"),
    ("ClusterRoleBinding.rbac.authorization.k8s.io", "roleRef/name"),
];
const STORAGE_CLASS: &[Builtin] = &[
    ("PersistentVolume", "spec/storageClassName"),
    ("PersistentVolumeClaim", "spec/storageClassName"),
    ("StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
];
const PERSISTENT_VOLUME: &[Builtin] = &[
    ("PersistentVolumeClaim", "spec/volumeName"),
    ("ClusterRole", "rules/resourceNames"),
];
const SCALED: &[Builtin] = &[("HorizontalPodAutoscaler", "spec/scaleTargetRef/name")];
const ADMISSION_POLICY: &[Builtin] = &[(
    "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
    "spec/policyName",
)];
