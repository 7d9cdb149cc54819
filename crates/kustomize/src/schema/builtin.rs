//! The lists of Kubernetes' own kinds that a strategic merge merges by key.
//!
//! Written by `scripts/merge-lists.py`; change that, not this.

use super::BuiltinField::{List, Object};
use super::BuiltinType;

/// What leads to no merged list.
static PLAIN: BuiltinType = BuiltinType(&[]);
static APISERVICE: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("status", Object(&APISERVICE_STATUS)),
]);
static APISERVICE_STATUS: BuiltinType = BuiltinType(&[("conditions", List(&["type"], &PLAIN))]);
static COMPONENT_STATUS: BuiltinType = BuiltinType(&[
    ("conditions", List(&["type"], &PLAIN)),
    ("metadata", Object(&OBJECT_META)),
]);
static CONTAINER: BuiltinType = BuiltinType(&[
    ("env", List(&["name"], &PLAIN)),
    ("ports", List(&["containerPort", "protocol"], &PLAIN)),
    ("volumeDevices", List(&["devicePath"], &PLAIN)),
    ("volumeMounts", List(&["mountPath"], &PLAIN)),
]);
static CRON_JOB: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("spec", Object(&CRON_JOB_SPEC)),
]);
static CRON_JOB_SPEC: BuiltinType = BuiltinType(&[("jobTemplate", Object(&JOB_TEMPLATE_SPEC))]);
static CSINODE: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("spec", Object(&CSINODE_SPEC)),
]);
static CSINODE_SPEC: BuiltinType = BuiltinType(&[("drivers", List(&["name"], &PLAIN))]);
static DAEMON_SET: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("spec", Object(&DAEMON_SET_SPEC)),
    ("status", Object(&APISERVICE_STATUS)),
]);
static DAEMON_SET_SPEC: BuiltinType = BuiltinType(&[("template", Object(&POD_TEMPLATE_SPEC))]);
static EPHEMERAL_CONTAINER: BuiltinType = BuiltinType(&[
    ("env", List(&["name"], &PLAIN)),
    ("volumeDevices", List(&["devicePath"], &PLAIN)),
    ("volumeMounts", List(&["mountPath"], &PLAIN)),
]);
static EPHEMERAL_VOLUME_SOURCE: BuiltinType = BuiltinType(&[("volumeClaimTemplate", Object(&OBJECT))]);
static JOB_TEMPLATE_SPEC: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("spec", Object(&DAEMON_SET_SPEC)),
]);
static MUTATING_WEBHOOK_CONFIGURATION: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("webhooks", List(&["name"], &PLAIN)),
]);
static NODE: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("spec", Object(&NODE_SPEC)),
    ("status", Object(&NODE_STATUS)),
]);
static NODE_SPEC: BuiltinType = BuiltinType(&[("podCIDRs", List(&[], &PLAIN))]);
static NODE_STATUS: BuiltinType = BuiltinType(&[
    ("addresses", List(&["type"], &PLAIN)),
    ("conditions", List(&["type"], &PLAIN)),
]);
static OBJECT: BuiltinType = BuiltinType(&[("metadata", Object(&OBJECT_META))]);
static OBJECT_META: BuiltinType = BuiltinType(&[
    ("finalizers", List(&[], &PLAIN)),
    ("ownerReferences", List(&["uid"], &PLAIN)),
]);
static POD: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("spec", Object(&POD_SPEC)),
    ("status", Object(&POD_STATUS)),
]);
static POD_SPEC: BuiltinType = BuiltinType(&[
    ("containers", List(&["name"], &CONTAINER)),
    ("ephemeralContainers", List(&["name"], &EPHEMERAL_CONTAINER)),
    ("hostAliases", List(&["ip"], &PLAIN)),
    ("imagePullSecrets", List(&["name"], &PLAIN)),
    ("initContainers", List(&["name"], &CONTAINER)),
    (
        "topologySpreadConstraints",
        List(&["topologyKey", "whenUnsatisfiable"], &PLAIN),
    ),
    ("volumes", List(&["name"], &VOLUME)),
]);
static POD_STATUS: BuiltinType = BuiltinType(&[
    ("conditions", List(&["type"], &PLAIN)),
    ("podIPs", List(&["ip"], &PLAIN)),
]);
static POD_TEMPLATE: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("template", Object(&POD_TEMPLATE_SPEC)),
]);
static POD_TEMPLATE_SPEC: BuiltinType =
    BuiltinType(&[("metadata", Object(&OBJECT_META)), ("spec", Object(&POD_SPEC))]);
static SERVICE: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("spec", Object(&SERVICE_SPEC)),
    ("status", Object(&APISERVICE_STATUS)),
]);
static SERVICE_ACCOUNT: BuiltinType = BuiltinType(&[
    ("metadata", Object(&OBJECT_META)),
    ("secrets", List(&["name"], &PLAIN)),
]);
static SERVICE_SPEC: BuiltinType = BuiltinType(&[("ports", List(&["port", "protocol"], &PLAIN))]);
static VOLUME: BuiltinType = BuiltinType(&[("ephemeral", Object(&EPHEMERAL_VOLUME_SOURCE))]);
/// Kinds, with the versions of the API that have them.
pub(super) static KINDS: &[(&str, &[&str], &BuiltinType)] = &[
    (
        "APIService",
        &["apiregistration.k8s.io/v1", "apiregistration.k8s.io/v1beta1"],
        &APISERVICE,
    ),
    ("Binding", &["v1"], &OBJECT),
    (
        "CSIDriver",
        &["storage.k8s.io/v1", "storage.k8s.io/v1beta1"],
        &OBJECT,
    ),
    (
        "CSINode",
        &["storage.k8s.io/v1", "storage.k8s.io/v1beta1"],
        &CSINODE,
    ),
    ("CSIStorageCapacity", &["storage.k8s.io/v1beta1"], &OBJECT),
    (
        "CertificateSigningRequest",
        &["certificates.k8s.io/v1", "certificates.k8s.io/v1beta1"],
        &OBJECT,
    ),
    (
        "ClusterRole",
        &[
            "rbac.authorization.k8s.io/v1",
            "rbac.authorization.k8s.io/v1beta1",
        ],
        &OBJECT,
    ),
    (
        "ClusterRoleBinding",
        &[
            "rbac.authorization.k8s.io/v1",
            "rbac.authorization.k8s.io/v1beta1",
        ],
        &OBJECT,
    ),
    ("ComponentStatus", &["v1"], &COMPONENT_STATUS),
    ("ConfigMap", &["v1"], &OBJECT),
    ("ControllerRevision", &["apps/v1"], &OBJECT),
    ("CronJob", &["batch/v1", "batch/v1beta1"], &CRON_JOB),
    (
        "CustomResourceDefinition",
        &["apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"],
        &OBJECT,
    ),
    ("DaemonSet", &["apps/v1"], &DAEMON_SET),
    ("Deployment", &["apps/v1"], &DAEMON_SET),
    (
        "EndpointSlice",
        &["discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"],
        &OBJECT,
    ),
    ("Endpoints", &["v1"], &OBJECT),
    (
        "Event",
        &["events.k8s.io/v1", "events.k8s.io/v1beta1", "v1"],
        &OBJECT,
    ),
    ("Eviction", &["policy/v1beta1"], &OBJECT),
    ("FlowSchema", &["flowcontrol.apiserver.k8s.io/v1beta1"], &OBJECT),
    (
        "HorizontalPodAutoscaler",
        &["autoscaling/v1", "autoscaling/v2beta1", "autoscaling/v2beta2"],
        &OBJECT,
    ),
    (
        "Ingress",
        &[
            "extensions/v1beta1",
            "networking.k8s.io/v1",
            "networking.k8s.io/v1beta1",
        ],
        &OBJECT,
    ),
    (
        "IngressClass",
        &["networking.k8s.io/v1", "networking.k8s.io/v1beta1"],
        &OBJECT,
    ),
    ("Job", &["batch/v1"], &DAEMON_SET),
    (
        "Lease",
        &["coordination.k8s.io/v1", "coordination.k8s.io/v1beta1"],
        &OBJECT,
    ),
    ("LimitRange", &["v1"], &OBJECT),
    (
        "LocalSubjectAccessReview",
        &["authorization.k8s.io/v1", "authorization.k8s.io/v1beta1"],
        &OBJECT,
    ),
    (
        "MutatingWebhookConfiguration",
        &[
            "admissionregistration.k8s.io/v1",
            "admissionregistration.k8s.io/v1beta1",
        ],
        &MUTATING_WEBHOOK_CONFIGURATION,
    ),
    ("Namespace", &["v1"], &APISERVICE),
    ("NetworkPolicy", &["networking.k8s.io/v1"], &OBJECT),
    ("Node", &["v1"], &NODE),
    ("PersistentVolume", &["v1"], &OBJECT),
    ("PersistentVolumeClaim", &["v1"], &APISERVICE),
    ("Pod", &["v1"], &POD),
    (
        "PodDisruptionBudget",
        &["policy/v1", "policy/v1beta1"],
        &APISERVICE,
    ),
    ("PodSecurityPolicy", &["policy/v1beta1"], &OBJECT),
    ("PodTemplate", &["v1"], &POD_TEMPLATE),
    (
        "PriorityClass",
        &["scheduling.k8s.io/v1", "scheduling.k8s.io/v1beta1"],
        &OBJECT,
    ),
    (
        "PriorityLevelConfiguration",
        &["flowcontrol.apiserver.k8s.io/v1beta1"],
        &OBJECT,
    ),
    ("ReplicaSet", &["apps/v1"], &DAEMON_SET),
    ("ReplicationController", &["v1"], &DAEMON_SET),
    ("ResourceQuota", &["v1"], &OBJECT),
    (
        "Role",
        &[
            "rbac.authorization.k8s.io/v1",
            "rbac.authorization.k8s.io/v1beta1",
        ],
        &OBJECT,
    ),
    (
        "RoleBinding",
        &[
            "rbac.authorization.k8s.io/v1",
            "rbac.authorization.k8s.io/v1beta1",
        ],
        &OBJECT,
    ),
    (
        "RuntimeClass",
        &["node.k8s.io/v1", "node.k8s.io/v1beta1"],
        &OBJECT,
    ),
    ("Scale", &["autoscaling/v1"], &OBJECT),
    ("Secret", &["v1"], &OBJECT),
    (
        "SelfSubjectAccessReview",
        &["authorization.k8s.io/v1", "authorization.k8s.io/v1beta1"],
        &OBJECT,
    ),
    (
        "SelfSubjectRulesReview",
        &["authorization.k8s.io/v1", "authorization.k8s.io/v1beta1"],
        &OBJECT,
    ),
    ("Service", &["v1"], &SERVICE),
    ("ServiceAccount", &["v1"], &SERVICE_ACCOUNT),
    ("StatefulSet", &["apps/v1"], &DAEMON_SET),
    (
        "StorageClass",
        &["storage.k8s.io/v1", "storage.k8s.io/v1beta1"],
        &OBJECT,
    ),
    (
        "SubjectAccessReview",
        &["authorization.k8s.io/v1", "authorization.k8s.io/v1beta1"],
        &OBJECT,
    ),
    ("TokenRequest", &["authentication.k8s.io/v1"], &OBJECT),
    (
        "TokenReview",
        &["authentication.k8s.io/v1", "authentication.k8s.io/v1beta1"],
        &OBJECT,
    ),
    (
        "ValidatingWebhookConfiguration",
        &[
            "admissionregistration.k8s.io/v1",
            "admissionregistration.k8s.io/v1beta1",
        ],
        &MUTATING_WEBHOOK_CONFIGURATION,
    ),
    (
        "VolumeAttachment",
        &["storage.k8s.io/v1", "storage.k8s.io/v1beta1"],
        &OBJECT,
    ),
];
/// The types by the names of their definitions, by which the schema of a custom kind can refer to them.
pub(super) static DEFINITIONS: &[(&str, &BuiltinType)] = &[
    (
        "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
        &MUTATING_WEBHOOK_CONFIGURATION,
    ),
    (
        "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
        &MUTATING_WEBHOOK_CONFIGURATION,
    ),
    (
        "io.k8s.api.admissionregistration.v1beta1.MutatingWebhookConfiguration",
        &MUTATING_WEBHOOK_CONFIGURATION,
    ),
    (
        "io.k8s.api.admissionregistration.v1beta1.ValidatingWebhookConfiguration",
        &MUTATING_WEBHOOK_CONFIGURATION,
    ),
    ("io.k8s.api.apps.v1.ControllerRevision", &OBJECT),
    ("io.k8s.api.apps.v1.DaemonSet", &DAEMON_SET),
    ("io.k8s.api.apps.v1.DaemonSetSpec", &DAEMON_SET_SPEC),
    ("io.k8s.api.apps.v1.DaemonSetStatus", &APISERVICE_STATUS),
    ("io.k8s.api.apps.v1.Deployment", &DAEMON_SET),
    ("io.k8s.api.apps.v1.DeploymentSpec", &DAEMON_SET_SPEC),
    ("io.k8s.api.apps.v1.DeploymentStatus", &APISERVICE_STATUS),
    ("io.k8s.api.apps.v1.ReplicaSet", &DAEMON_SET),
    ("io.k8s.api.apps.v1.ReplicaSetSpec", &DAEMON_SET_SPEC),
    ("io.k8s.api.apps.v1.ReplicaSetStatus", &APISERVICE_STATUS),
    ("io.k8s.api.apps.v1.StatefulSet", &DAEMON_SET),
    ("io.k8s.api.apps.v1.StatefulSetSpec", &DAEMON_SET_SPEC),
    ("io.k8s.api.apps.v1.StatefulSetStatus", &APISERVICE_STATUS),
    ("io.k8s.api.authentication.v1.TokenRequest", &OBJECT),
    ("io.k8s.api.authentication.v1.TokenReview", &OBJECT),
    ("io.k8s.api.authentication.v1beta1.TokenReview", &OBJECT),
    ("io.k8s.api.authorization.v1.LocalSubjectAccessReview", &OBJECT),
    ("io.k8s.api.authorization.v1.SelfSubjectAccessReview", &OBJECT),
    ("io.k8s.api.authorization.v1.SelfSubjectRulesReview", &OBJECT),
    ("io.k8s.api.authorization.v1.SubjectAccessReview", &OBJECT),
    (
        "io.k8s.api.authorization.v1beta1.LocalSubjectAccessReview",
        &OBJECT,
    ),
    (
        "io.k8s.api.authorization.v1beta1.SelfSubjectAccessReview",
        &OBJECT,
    ),
    ("io.k8s.api.authorization.v1beta1.SelfSubjectRulesReview", &OBJECT),
    ("io.k8s.api.authorization.v1beta1.SubjectAccessReview", &OBJECT),
    ("io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler", &OBJECT),
    ("io.k8s.api.autoscaling.v1.Scale", &OBJECT),
    ("io.k8s.api.autoscaling.v2beta1.HorizontalPodAutoscaler", &OBJECT),
    ("io.k8s.api.autoscaling.v2beta2.HorizontalPodAutoscaler", &OBJECT),
    ("io.k8s.api.batch.v1.CronJob", &CRON_JOB),
    ("io.k8s.api.batch.v1.CronJobSpec", &CRON_JOB_SPEC),
    ("io.k8s.api.batch.v1.Job", &DAEMON_SET),
    ("io.k8s.api.batch.v1.JobSpec", &DAEMON_SET_SPEC),
    ("io.k8s.api.batch.v1.JobStatus", &APISERVICE_STATUS),
    ("io.k8s.api.batch.v1.JobTemplateSpec", &JOB_TEMPLATE_SPEC),
    ("io.k8s.api.batch.v1beta1.CronJob", &CRON_JOB),
    ("io.k8s.api.batch.v1beta1.CronJobSpec", &CRON_JOB_SPEC),
    ("io.k8s.api.batch.v1beta1.JobTemplateSpec", &JOB_TEMPLATE_SPEC),
    ("io.k8s.api.certificates.v1.CertificateSigningRequest", &OBJECT),
    (
        "io.k8s.api.certificates.v1beta1.CertificateSigningRequest",
        &OBJECT,
    ),
    ("io.k8s.api.coordination.v1.Lease", &OBJECT),
    ("io.k8s.api.coordination.v1beta1.Lease", &OBJECT),
    ("io.k8s.api.core.v1.Binding", &OBJECT),
    ("io.k8s.api.core.v1.ComponentStatus", &COMPONENT_STATUS),
    ("io.k8s.api.core.v1.ConfigMap", &OBJECT),
    ("io.k8s.api.core.v1.Container", &CONTAINER),
    ("io.k8s.api.core.v1.Endpoints", &OBJECT),
    ("io.k8s.api.core.v1.EphemeralContainer", &EPHEMERAL_CONTAINER),
    (
        "io.k8s.api.core.v1.EphemeralVolumeSource",
        &EPHEMERAL_VOLUME_SOURCE,
    ),
    ("io.k8s.api.core.v1.Event", &OBJECT),
    ("io.k8s.api.core.v1.LimitRange", &OBJECT),
    ("io.k8s.api.core.v1.Namespace", &APISERVICE),
    ("io.k8s.api.core.v1.NamespaceStatus", &APISERVICE_STATUS),
    ("io.k8s.api.core.v1.Node", &NODE),
    ("io.k8s.api.core.v1.NodeSpec", &NODE_SPEC),
    ("io.k8s.api.core.v1.NodeStatus", &NODE_STATUS),
    ("io.k8s.api.core.v1.PersistentVolume", &OBJECT),
    ("io.k8s.api.core.v1.PersistentVolumeClaim", &APISERVICE),
    (
        "io.k8s.api.core.v1.PersistentVolumeClaimStatus",
        &APISERVICE_STATUS,
    ),
    ("io.k8s.api.core.v1.PersistentVolumeClaimTemplate", &OBJECT),
    ("io.k8s.api.core.v1.Pod", &POD),
    ("io.k8s.api.core.v1.PodSpec", &POD_SPEC),
    ("io.k8s.api.core.v1.PodStatus", &POD_STATUS),
    ("io.k8s.api.core.v1.PodTemplate", &POD_TEMPLATE),
    ("io.k8s.api.core.v1.PodTemplateSpec", &POD_TEMPLATE_SPEC),
    ("io.k8s.api.core.v1.ReplicationController", &DAEMON_SET),
    ("io.k8s.api.core.v1.ReplicationControllerSpec", &DAEMON_SET_SPEC),
    (
        "io.k8s.api.core.v1.ReplicationControllerStatus",
        &APISERVICE_STATUS,
    ),
    ("io.k8s.api.core.v1.ResourceQuota", &OBJECT),
    ("io.k8s.api.core.v1.Secret", &OBJECT),
    ("io.k8s.api.core.v1.Service", &SERVICE),
    ("io.k8s.api.core.v1.ServiceAccount", &SERVICE_ACCOUNT),
    ("io.k8s.api.core.v1.ServiceSpec", &SERVICE_SPEC),
    ("io.k8s.api.core.v1.ServiceStatus", &APISERVICE_STATUS),
    ("io.k8s.api.core.v1.Volume", &VOLUME),
    ("io.k8s.api.discovery.v1.EndpointSlice", &OBJECT),
    ("io.k8s.api.discovery.v1beta1.EndpointSlice", &OBJECT),
    ("io.k8s.api.events.v1.Event", &OBJECT),
    ("io.k8s.api.events.v1beta1.Event", &OBJECT),
    ("io.k8s.api.extensions.v1beta1.Ingress", &OBJECT),
    ("io.k8s.api.flowcontrol.v1beta1.FlowSchema", &OBJECT),
    (
        "io.k8s.api.flowcontrol.v1beta1.PriorityLevelConfiguration",
        &OBJECT,
    ),
    ("io.k8s.api.networking.v1.Ingress", &OBJECT),
    ("io.k8s.api.networking.v1.IngressClass", &OBJECT),
    ("io.k8s.api.networking.v1.NetworkPolicy", &OBJECT),
    ("io.k8s.api.networking.v1beta1.Ingress", &OBJECT),
    ("io.k8s.api.networking.v1beta1.IngressClass", &OBJECT),
    ("io.k8s.api.node.v1.RuntimeClass", &OBJECT),
    ("io.k8s.api.node.v1beta1.RuntimeClass", &OBJECT),
    ("io.k8s.api.policy.v1.PodDisruptionBudget", &APISERVICE),
    (
        "io.k8s.api.policy.v1.PodDisruptionBudgetStatus",
        &APISERVICE_STATUS,
    ),
    ("io.k8s.api.policy.v1beta1.Eviction", &OBJECT),
    ("io.k8s.api.policy.v1beta1.PodDisruptionBudget", &APISERVICE),
    (
        "io.k8s.api.policy.v1beta1.PodDisruptionBudgetStatus",
        &APISERVICE_STATUS,
    ),
    ("io.k8s.api.policy.v1beta1.PodSecurityPolicy", &OBJECT),
    ("io.k8s.api.rbac.v1.ClusterRole", &OBJECT),
    ("io.k8s.api.rbac.v1.ClusterRoleBinding", &OBJECT),
    ("io.k8s.api.rbac.v1.Role", &OBJECT),
    ("io.k8s.api.rbac.v1.RoleBinding", &OBJECT),
    ("io.k8s.api.rbac.v1beta1.ClusterRole", &OBJECT),
    ("io.k8s.api.rbac.v1beta1.ClusterRoleBinding", &OBJECT),
    ("io.k8s.api.rbac.v1beta1.Role", &OBJECT),
    ("io.k8s.api.rbac.v1beta1.RoleBinding", &OBJECT),
    ("io.k8s.api.scheduling.v1.PriorityClass", &OBJECT),
    ("io.k8s.api.scheduling.v1beta1.PriorityClass", &OBJECT),
    ("io.k8s.api.storage.v1.CSIDriver", &OBJECT),
    ("io.k8s.api.storage.v1.CSINode", &CSINODE),
    ("io.k8s.api.storage.v1.CSINodeSpec", &CSINODE_SPEC),
    ("io.k8s.api.storage.v1.StorageClass", &OBJECT),
    ("io.k8s.api.storage.v1.VolumeAttachment", &OBJECT),
    ("io.k8s.api.storage.v1beta1.CSIDriver", &OBJECT),
    ("io.k8s.api.storage.v1beta1.CSINode", &CSINODE),
    ("io.k8s.api.storage.v1beta1.CSINodeSpec", &CSINODE_SPEC),
    ("io.k8s.api.storage.v1beta1.CSIStorageCapacity", &OBJECT),
    ("io.k8s.api.storage.v1beta1.StorageClass", &OBJECT),
    ("io.k8s.api.storage.v1beta1.VolumeAttachment", &OBJECT),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
        &OBJECT,
    ),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1beta1.CustomResourceDefinition",
        &OBJECT,
    ),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", &OBJECT_META),
    (
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
        &APISERVICE,
    ),
    (
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceStatus",
        &APISERVICE_STATUS,
    ),
    (
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1beta1.APIService",
        &APISERVICE,
    ),
    (
        "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1beta1.APIServiceStatus",
        &APISERVICE_STATUS,
    ),
];
