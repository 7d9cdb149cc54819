//! Every field that is known: an object on which it has a value, and the same with another.

use serde_json::{Value as Json, json};

use crate::objects::{Case, RBAC, case, crd, pod, with};
use crate::support::world::World;

/// All of them.
pub(crate) fn all(world: &World) -> Vec<Case> {
    [workloads(), jobs(), settings(), classes(), holders(world)]
        .into_iter()
        .flatten()
        .collect()
}

/// What may not change of a Job.
fn jobs() -> Vec<Case> {
    let mut cases = Vec::new();
    let never = json!({"restartPolicy": "Never"});
    let job = json!({"completions": 2, "podReplacementPolicy": "Failed", "template": pod("a", "a", &never)});
    let indexed = json!({"completions": 2, "completionMode": "Indexed", "template": pod("a", "a", &never)});
    for (field, base, change) in [
        ("spec.template", &job, json!({"template": pod("a", "b", &never)})),
        ("spec.completions", &job, json!({"completions": 3})),
        ("spec.completionMode", &job, json!({"completionMode": "Indexed"})),
        (
            "spec.selector",
            &job,
            json!({"manualSelector": true, "selector": {"matchLabels": {"app": "a"}}}),
        ),
        ("spec.managedBy", &job, json!({"managedBy": "example.org/other"})),
        (
            "spec.podFailurePolicy",
            &job,
            json!({"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}]}}),
        ),
        (
            "spec.backoffLimitPerIndex",
            &indexed,
            json!({"backoffLimitPerIndex": 1}),
        ),
        (
            "spec.successPolicy",
            &indexed,
            json!({"successPolicy": {"rules": [{"succeededCount": 1}]}}),
        ),
    ] {
        cases.push(case(
            "batch",
            "Job",
            "jobs",
            field,
            with(base, &json!({})),
            with(base, &change),
        ));
    }
    cases
}

fn workloads() -> Vec<Case> {
    let selected = |label: &str| json!({"selector": {"matchLabels": {"app": label}}, "template": pod(label, "a", &json!({}))});
    let mut cases = Vec::new();
    for (kind, plural) in [
        ("Deployment", "deployments"),
        ("DaemonSet", "daemonsets"),
        ("ReplicaSet", "replicasets"),
    ] {
        cases.push(case(
            "apps",
            kind,
            plural,
            "spec.selector",
            json!({"spec": selected("a")}),
            json!({"spec": selected("b")}),
        ));
    }
    let (one, other) = (
        with(&selected("a"), &json!({"serviceName": "a"})),
        with(&selected("a"), &json!({"serviceName": "b"})),
    );
    cases.push(case("apps", "StatefulSet", "statefulsets", "spec", one, other));
    let lone = |command: &str| json!({"spec": {"containers": [{"name": "main", "image": "example.org/a", "command": [command]}]}});
    cases.push(case("", "Pod", "pods", "spec", lone("a"), lone("b")));
    let service = json!({"ports": [{"port": 80}]});
    let balanced = json!({"ports": [{"port": 80}], "type": "LoadBalancer", "externalTrafficPolicy": "Local"});
    for (field, base, before, after) in [
        (
            "spec.clusterIPs[0]",
            &service,
            json!({}),
            json!({"clusterIP": "None"}),
        ),
        (
            "spec.loadBalancerClass",
            &balanced,
            json!({"loadBalancerClass": "example.org/a"}),
            json!({"loadBalancerClass": "example.org/b"}),
        ),
        (
            "spec.healthCheckNodePort",
            &balanced,
            json!({"healthCheckNodePort": 32_111}),
            json!({"healthCheckNodePort": 32_112}),
        ),
    ] {
        cases.push(case(
            "",
            "Service",
            "services",
            field,
            with(base, &before),
            with(base, &after),
        ));
    }
    cases
}

fn settings() -> Vec<Case> {
    let role = |name: &str| json!({"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}});
    let immutable = |field: &str, value: &str| json!({"immutable": true, field: {"a": value}});
    let quota = |scope: &str| json!({"spec": {"hard": {"pods": "1000"}, "scopes": [scope]}});
    let slice = |family: &str| json!({"addressType": family, "endpoints": []});
    vec![
        case(
            "",
            "ConfigMap",
            "configmaps",
            "data",
            immutable("data", "YQ=="),
            immutable("data", "Yg=="),
        ),
        case(
            "",
            "ConfigMap",
            "configmaps",
            "binaryData",
            immutable("binaryData", "YQ=="),
            immutable("binaryData", "Yg=="),
        ),
        case(
            "",
            "ConfigMap",
            "configmaps",
            "immutable",
            immutable("data", "YQ=="),
            json!({"data": {"a": "YQ=="}}),
        ),
        case(
            "",
            "Secret",
            "secrets",
            "data",
            immutable("data", "YQ=="),
            immutable("data", "Yg=="),
        ),
        case(
            "",
            "Secret",
            "secrets",
            "immutable",
            immutable("data", "YQ=="),
            json!({"data": {"a": "YQ=="}}),
        ),
        case(
            "",
            "Secret",
            "secrets",
            "type",
            json!({"type": "Opaque"}),
            json!({"type": "example.org/other"}),
        ),
        case(
            "",
            "ResourceQuota",
            "resourcequotas",
            "spec.scopes",
            quota("BestEffort"),
            quota("NotBestEffort"),
        ),
        case(
            "discovery.k8s.io",
            "EndpointSlice",
            "endpointslices",
            "addressType",
            slice("IPv4"),
            slice("IPv6"),
        ),
        case(
            RBAC,
            "RoleBinding",
            "rolebindings",
            "roleRef",
            role("view"),
            role("edit"),
        ),
        case(
            RBAC,
            "ClusterRoleBinding",
            "clusterrolebindings",
            "roleRef",
            role("view"),
            role("edit"),
        ),
    ]
}

fn classes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (field, before, after) in [
        ("provisioner", json!("example.org/a"), json!("example.org/b")),
        ("parameters", json!({"a": "b"}), json!({"a": "c"})),
        ("reclaimPolicy", json!("Delete"), json!("Retain")),
        (
            "volumeBindingMode",
            json!("Immediate"),
            json!("WaitForFirstConsumer"),
        ),
    ] {
        let class = |value: Json| {
            let mut class = json!({"provisioner": "example.org/a"});
            class[field] = value;
            class
        };
        cases.push(case(
            "storage.k8s.io",
            "StorageClass",
            "storageclasses",
            field,
            class(before),
            class(after),
        ));
    }
    let driver = |required: bool| json!({"spec": {"attachRequired": required}});
    let controller = |name: &str| json!({"spec": {"controller": name}});
    let priority = |value: i64, policy: &str| json!({"value": value, "preemptionPolicy": policy});
    cases.extend([
        case(
            "storage.k8s.io",
            "CSIDriver",
            "csidrivers",
            "spec.attachedRequired",
            driver(true),
            driver(false),
        ),
        case(
            "scheduling.k8s.io",
            "PriorityClass",
            "priorityclasses",
            "value",
            priority(5, "Never"),
            priority(6, "Never"),
        ),
        case(
            "scheduling.k8s.io",
            "PriorityClass",
            "priorityclasses",
            "preemptionPolicy",
            priority(5, "Never"),
            priority(5, "PreemptLowerPriority"),
        ),
        case(
            "node.k8s.io",
            "RuntimeClass",
            "runtimeclasses",
            "handler",
            json!({"handler": "a"}),
            json!({"handler": "b"}),
        ),
        case(
            "networking.k8s.io",
            "IngressClass",
            "ingressclasses",
            "spec.controller",
            controller("example.org/a"),
            controller("example.org/b"),
        ),
    ]);
    cases
}

/// What holds data or other objects.
fn holders(world: &World) -> Vec<Case> {
    let claim = |class: &str| json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": class}});
    let volume = |path: &str, mode: &str| json!({"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": path}, "volumeMode": mode}});
    let group = |prefix: &str| format!("{prefix}.{}.example.org", world.namespace.name);
    let definitions = ("CustomResourceDefinition", "customresourcedefinitions");
    vec![
        case(
            "",
            "PersistentVolumeClaim",
            "persistentvolumeclaims",
            "spec",
            claim("a"),
            claim("b"),
        ),
        case(
            "",
            "PersistentVolume",
            "persistentvolumes",
            "spec.persistentvolumesource",
            volume("/a", "Filesystem"),
            volume("/b", "Filesystem"),
        ),
        case(
            "",
            "PersistentVolume",
            "persistentvolumes",
            "volumeMode",
            volume("/a", "Filesystem"),
            volume("/a", "Block"),
        ),
        case(
            "apiextensions.k8s.io",
            definitions.0,
            definitions.1,
            "spec.scope",
            crd(&group("a"), "Namespaced", "Widget"),
            crd(&group("a"), "Cluster", "Widget"),
        ),
        case(
            "apiextensions.k8s.io",
            definitions.0,
            definitions.1,
            "spec.names.kind",
            crd(&group("b"), "Namespaced", "Widget"),
            crd(&group("b"), "Namespaced", "Gadget"),
        ),
    ]
}
