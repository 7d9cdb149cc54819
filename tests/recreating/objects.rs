//! Objects before and after a change, and a repository with them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::support::api_server::ApiServer;
use crate::support::world::World;

pub(crate) const RBAC: &str = "rbac.authorization.k8s.io";

/// An object of a kind, before and after a change.
pub(crate) struct Case {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    /// The field that the API server refuses to change.
    pub(crate) field: &'static str,
    pub(crate) before: Json,
    pub(crate) after: Json,
}

pub(crate) const NAMESPACED: [&str; 14] = [
    "ConfigMap",
    "DaemonSet",
    "Deployment",
    "EndpointSlice",
    "Job",
    "PersistentVolumeClaim",
    "Pod",
    "ReplicaSet",
    "ResourceQuota",
    "RoleBinding",
    "Secret",
    "Service",
    "StatefulSet",
    "Widget",
];
/// Those that hold what cannot be made again.
pub(crate) const HOLDING: [&str; 3] = [
    "CustomResourceDefinition",
    "PersistentVolume",
    "PersistentVolumeClaim",
];

/// A case of a kind of version v1.
pub(crate) fn case(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    field: &'static str,
    before: Json,
    after: Json,
) -> Case {
    Case {
        group,
        version: "v1",
        kind,
        plural,
        field,
        before,
        after,
    }
}

impl Case {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// The cases of a world by the names of their objects.
pub(crate) struct Cases {
    pub(crate) namespace: String,
    pub(crate) api: ApiServer,
    pub(crate) cases: BTreeMap<String, Case>,
}

impl Cases {
    pub(crate) fn new(world: &World, cases: Vec<Case>) -> Self {
        let namespace = &world.namespace.name;
        let named = |(index, case): (usize, Case)| {
            let name = match case.before["spec"]["names"]["plural"].as_str() {
                Some(plural) => format!("{plural}.{}", case.before["spec"]["group"].as_str().unwrap()),
                None => format!("{namespace}-{index}"),
            };
            (name, case)
        };
        Self {
            namespace: namespace.clone(),
            api: world.api.clone(),
            cases: cases.into_iter().enumerate().map(named).collect(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let case = &self.cases[name];
        let group = if case.group.is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{}", case.api_version())
        };
        if NAMESPACED.contains(&case.kind) {
            format!("{group}/namespaces/{}/{}/{name}", self.namespace, case.plural)
        } else {
            format!("{group}/{}/{name}", case.plural)
        }
    }

    /// What it is called in messages and records.
    pub(crate) fn shown(&self, name: &str) -> String {
        let case = &self.cases[name];
        if NAMESPACED.contains(&case.kind) {
            format!("{}/{}/{name}", case.kind, self.namespace)
        } else {
            format!("{}/{name}", case.kind)
        }
    }

    /// Commits all objects as they are before or after the change; some with annotations.
    pub(crate) fn commit(
        &self,
        world: &World,
        body: impl Fn(&Case) -> &Json,
        annotations: impl Fn(&Case) -> Json,
    ) {
        for (name, case) in &self.cases {
            let mut object = body(case).clone();
            object["apiVersion"] = case.api_version().into();
            object["kind"] = case.kind.into();
            object["metadata"]["name"] = name.as_str().into();
            object["metadata"]["annotations"] = annotations(case);
            if NAMESPACED.contains(&case.kind) {
                object["metadata"]["namespace"] = self.namespace.as_str().into();
            }
            let file = format!("apps/{name}.yaml");
            world.repository.write(&file, &object.to_string());
        }
        world.repository.commit(&world.alice, "Deliver");
    }

    pub(crate) fn uids(&self) -> BTreeMap<&str, String> {
        let uid = |name: &str| {
            self.api.get(&self.path(name)).unwrap()["metadata"]["uid"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        self.cases.keys().map(|name| (name.as_str(), uid(name))).collect()
    }
}

/// What the last refusal says.
pub(crate) fn refusal(world: &World) -> String {
    let mut refused = world
        .audit()
        .into_iter()
        .filter(|event| event["type"] == "refused");
    refused.next_back().unwrap()["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What it says of one object.
pub(crate) fn about<'a>(message: &'a str, object: &str) -> &'a str {
    let rest = message
        .split_once(&format!("{object}: "))
        .unwrap_or_else(|| panic!("{object} is not in {message}"))
        .1;
    rest.split("and made anew").next().unwrap()
}

pub(crate) fn pod(label: &str, image: &str, more: &Json) -> Json {
    let mut pod = json!({"metadata": {"labels": {"app": label}},
        "spec": {"containers": [{"name": "main", "image": format!("example.org/{image}")}]}});
    pod["spec"]
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    pod
}

pub(crate) fn with(spec: &Json, more: &Json) -> Json {
    let mut all = spec.clone();
    all.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "spec": all })
}

pub(crate) fn crd(group: &str, scope: &str, kind: &str) -> Json {
    let immutable = json!({"rule": "self == oldSelf", "message": "field is immutable"});
    let id = json!({"type": "string", "x-kubernetes-validations": [immutable]});
    let spec = json!({"type": "object", "properties": {"id": id}});
    json!({"spec": {
        "group": group, "scope": scope, "names": {"plural": "widgets", "kind": kind},
        "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}],
    }})
}
