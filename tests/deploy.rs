//! What `kubectl apply -k deploy/` installs. That its rights are enough is seen by every test of custom resources, which
//! run with these and no others.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use manifest_yaml::{Limits, Schema};
use serde_json::{Value as Json, json};
use support::api_server::ApiServer;
use support::fluxops::Run;
use support::{Scratch, root, tool};

/// The objects of a stream of YAML, by kind and name.
fn objects(yaml: &[u8]) -> BTreeMap<(String, String), Json> {
    let documents = manifest_yaml::from_yaml(yaml, Schema::Kubernetes, &Limits::default()).unwrap();
    let objects = documents.iter().map(|document| {
        let object: Json = serde_json::from_slice(&manifest_yaml::to_json_exposed(&document.value)).unwrap();
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        ((text(&object["kind"]), text(&object["metadata"]["name"])), object)
    });
    objects.collect()
}

fn kustomize(folder: &Path) -> Vec<u8> {
    let output = Command::new(tool("kustomize"))
        .arg("build")
        .arg(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn fluxops_builds_its_own_installation_as_kustomize_does() {
    for folder in ["deploy", "deploy/cluster-admin"] {
        let folder = root().join(folder);
        let built = Run::of(&["build", &folder.display().to_string(), "--show-secrets"]).expect(0);
        let expected = objects(&kustomize(&folder));
        assert!(!expected.is_empty());
        assert_eq!(objects(built.stdout.as_bytes()), expected);
    }
}

#[test]
fn an_overlay_lets_forges_in() {
    let scratch = Scratch::new();
    let overlay = "resources: [../../../deploy]\ncomponents: [../../../deploy/webhook]\n";
    std::fs::write(scratch.path().join("kustomization.yaml"), overlay).unwrap();
    let built = Run::of(&["build", &scratch.path().display().to_string(), "--show-secrets"]).expect(0);
    let built = objects(built.stdout.as_bytes());
    assert_eq!(built, objects(&kustomize(scratch.path())));
    let find = |kind: &str, name: &str| &built[&(kind.to_owned(), name.to_owned())];
    let pod = &find("Deployment", "fluxops")["spec"]["template"];
    let container = &pod["spec"]["containers"][0];
    let listens = json!("--webhook-addr=0.0.0.0:9292");
    assert!(
        container["args"].as_array().unwrap().contains(&listens),
        "{container:#}"
    );
    let service = find("Service", "fluxops-webhook");
    assert_eq!(service["spec"]["selector"], pod["metadata"]["labels"]);
    let port = &service["spec"]["ports"][0]["targetPort"];
    let ports = container["ports"].as_array().unwrap();
    let port = ports.iter().find(|listed| listed["name"] == *port).unwrap();
    let allowed = &find("NetworkPolicy", "fluxops-webhook")["spec"]["ingress"][0]["ports"][0]["port"];
    assert_eq!(port["containerPort"], *allowed);
}

#[test]
fn a_restricted_namespace_admits_the_pod() {
    let api = ApiServer::connect();
    let namespace = api.namespace();
    let enforce = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    api.merge(&format!("/api/v1/namespaces/{}", namespace.name), &enforce);
    let installed = objects(&kustomize(&root().join("deploy")));
    let of_kind = |kind: &str| -> &Json {
        let found = installed.iter().find(|((other, _), _)| other == kind);
        found.unwrap().1
    };
    let deployment = of_kind("Deployment");
    let account = &deployment["spec"]["template"]["spec"]["serviceAccountName"];
    api.create(
        &format!("/api/v1/namespaces/{}/serviceaccounts", namespace.name),
        &json!({"metadata": {"name": account}}),
    );
    let pods = format!("/api/v1/namespaces/{}/pods?dryRun=All", namespace.name);
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fluxops"},
        "spec": deployment["spec"]["template"]["spec"],
    });
    api.create(&pods, &pod);
    // That the namespace would refuse another one.
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let refusal = api.refused(&pods, &pod);
    assert!(refusal.contains("restricted"), "{refusal}");

    // The installation's own namespace is one.
    let own = of_kind("Namespace");
    assert_eq!(
        own["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
    let mut namespaces = installed
        .values()
        .filter_map(|object| object["metadata"]["namespace"].as_str());
    let own_name = own["metadata"]["name"].as_str().unwrap();
    assert!(namespaces.all(|name| name == own_name));
}
