//! Which fields refer to which kinds by name.
//!
//! kustomize keeps them in namereference.go.

use super::Missing::Skip;
use super::{Builtin, References, builtin};
use crate::field_spec::FieldSpec;
use crate::resource::KindSelector;

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
    let scale_target: &[Builtin] = &[(
        "",
        "",
        "HorizontalPodAutoscaler",
        "spec/scaleTargetRef/name",
        Skip,
    )];
    vec![
        to(
            ("storage.k8s.io", "v1", "StorageClass"),
            builtin(&[
                ("", "", "PersistentVolume", "spec/storageClassName", Skip),
                ("", "", "PersistentVolumeClaim", "spec/storageClassName", Skip),
                (
                    "",
                    "",
                    "StatefulSet",
                    "spec/volumeClaimTemplates/spec/storageClassName",
                    Skip,
                ),
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
        to(
            (RBAC, "", "Role"),
            builtin(&[(RBAC, "", "RoleBinding", "roleRef/name", Skip)]),
        ),
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
                (
                    "",
                    "",
                    "Ingress",
                    "spec/rules/http/paths/backend/serviceName",
                    Skip,
                ),
                ("", "", "Ingress", "spec/backend/serviceName", Skip),
                (
                    "",
                    "",
                    "Ingress",
                    "spec/rules/http/paths/backend/service/name",
                    Skip,
                ),
                ("", "", "Ingress", "spec/defaultBackend/service/name", Skip),
                (
                    "apiregistration.k8s.io",
                    "",
                    "APIService",
                    "spec/service/name",
                    Skip,
                ),
                (
                    ADMISSION,
                    "",
                    "ValidatingWebhookConfiguration",
                    "webhooks/clientConfig/service",
                    Skip,
                ),
                (
                    ADMISSION,
                    "",
                    "MutatingWebhookConfiguration",
                    "webhooks/clientConfig/service",
                    Skip,
                ),
            ]),
        ),
        to(
            ("scheduling.k8s.io", "v1", "PriorityClass"),
            in_pods(PODS, &["priorityClassName"]),
        ),
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
            builtin(&[(
                ADMISSION,
                "",
                "ValidatingAdmissionPolicyBinding",
                "spec/policyName",
                Skip,
            )]),
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
        (
            "",
            "",
            "Ingress",
            r"metadata/annotations/ingress.kubernetes.io\/auth-secret",
            Skip,
        ),
        (
            "",
            "",
            "Ingress",
            r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret",
            Skip,
        ),
        (
            "",
            "",
            "Ingress",
            r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret",
            Skip,
        ),
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
