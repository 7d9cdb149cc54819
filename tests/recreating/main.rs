//! Fields that cannot be changed on an object that is there: each that is known is met on a real API server, and what
//! only looks like one is left alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod fields;
mod objects;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use fluxops::observe::immutable_fields;
use objects::{Case, Cases, HOLDING, RBAC, about, case, pod, refusal, with};
use serde_json::{Value as Json, json};
use support::eventually;
use support::world::World;

#[test]
fn every_known_field_is_recognised_and_made_anew_when_that_is_asked_for() {
    let mut world = World::new();
    world.delivery["spec"]["allowEmpty"] = true.into();
    let all = fields::all(&world);
    let known: BTreeSet<_> = immutable_fields().collect();
    let tried: BTreeSet<_> = all
        .iter()
        .map(|case| (case.group, case.kind, case.field))
        .collect();
    assert_eq!(known, tried);
    let nothing = |_: &Case| json!({});
    let cases = Cases::new(&world, all);
    cases.commit(&world, |case| &case.before, nothing);
    world.once().expect(0);
    let before = cases.uids();

    cases.commit(&world, |case| &case.after, nothing);
    world.once().expect(1);
    assert_eq!(world.ready("delivery/web")["reason"], "ImmutableField");
    let message = refusal(&world);
    for (name, case) in &cases.cases {
        let said = about(&message, &cases.shown(name));
        assert!(said.contains(case.field), "{}: {said}", case.field);
        let held = HOLDING.contains(&case.kind);
        assert_eq!(said.contains("all that it holds"), held, "{}: {said}", case.kind);
        assert_eq!(said.contains("spec.force"), !held, "{}: {said}", case.kind);
    }
    assert_eq!(cases.uids(), before);

    let ask = |case: &Case| {
        if HOLDING.contains(&case.kind) {
            json!({"fluxops.dev/force": "Enabled"})
        } else {
            json!({})
        }
    };
    cases.commit(&world, |case| &case.after, ask);
    world.delivery["spec"]["force"] = true.into();
    world.once().expect(0);
    let after = cases.uids();
    let kept: Vec<_> = before
        .iter()
        .filter(|(name, uid)| after[*name] == **uid)
        .collect();
    assert!(kept.is_empty(), "these were not made anew: {kept:?}");
    let audit = world.audit();
    for type_ in ["intent", "outcome"] {
        let last = audit.iter().rfind(|event| event["type"] == type_).unwrap();
        let actions = last["actions"].as_array().unwrap();
        let recreated: BTreeSet<_> = actions
            .iter()
            .map(|action| {
                (
                    action["object"].as_str().unwrap().to_owned(),
                    action["action"].as_str().unwrap(),
                )
            })
            .collect();
        let expected: BTreeSet<_> = cases
            .cases
            .keys()
            .map(|name| (cases.shown(name), "recreate"))
            .collect();
        assert_eq!(recreated, expected, "{type_}");
    }
    for name in cases.cases.keys() {
        world.repository.remove(&format!("apps/{name}.yaml"));
    }
    world.repository.write("apps/README.md", "Nothing.\n");
    world.repository.commit(&world.alice, "Remove everything");
    world.once().expect(0);
}

/// Refuses some objects of a namespace, in words like those for a field that cannot be changed.
fn policy(world: &World, name: &str, operation: &str, expression: &str) -> [(String, Json); 2] {
    let (namespace, api_version) = (&world.namespace.name, "admissionregistration.k8s.io/v1");
    let name = format!("{namespace}-{name}");
    let rule = json!({"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": [operation], "resources": ["deployments"]});
    let there = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let path = |plural: &str| format!("/apis/{api_version}/{plural}/{name}");
    [
        (
            path("validatingadmissionpolicies"),
            json!({"apiVersion": api_version, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [{"expression": expression, "message": "spec.selector: Invalid value: 1: field is immutable"}],
            }}),
        ),
        (
            path("validatingadmissionpolicybindings"),
            json!({"apiVersion": api_version, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": {
                "policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": there},
            }}),
        ),
    ]
}

/// Deployments with a label that a policy knows.
fn deployment(selector: &str, label: &str, more: &Json) -> Json {
    let selected =
        json!({"selector": {"matchLabels": {"app": selector}}, "template": pod(selector, "a", &json!({}))});
    let mut deployment = with(&selected, more);
    deployment["metadata"]["labels"]["is"] = label.into();
    deployment
}

/// Changes that the API server refuses, with a word that it says.
fn misses() -> Vec<Case> {
    let apps = |field, before, after| case("apps", "Deployment", "deployments", field, before, after);
    let plain = |selector: &str| deployment(selector, "plain", &json!({}));
    let mismatch = json!({"template": pod("c", "a", &json!({}))});
    let claims = |service: &str| {
        json!({"serviceName": service, "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"},
        "selector": {"matchLabels": {"app": "a"}}, "template": pod("a", "a", &json!({}))})
    };
    let tls = json!({"type": "kubernetes.io/tls", "data": {"a": "YQ=="}});
    let role = json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"});
    let subject =
        |kind: &str| json!({"roleRef": role, "subjects": [{"kind": kind, "name": "a", "namespace": "b"}]});
    vec![
        // With another mistake it could not be made anew.
        apps(
            "spec.template.metadata.labels",
            plain("a"),
            deployment("b", "plain", &mismatch),
        ),
        apps(
            "spec.replicas",
            plain("a"),
            deployment("a", "plain", &json!({"replicas": -1})),
        ),
        // Words of a policy are those of somebody else.
        apps(
            "field is immutable",
            plain("a"),
            deployment("a", "kept", &json!({})),
        ),
        // What would not be made anew is not deleted.
        apps(
            "was not deleted",
            plain("a"),
            deployment("b", "refused", &json!({})),
        ),
        case(
            "",
            "Service",
            "services",
            "spec.ports[0].port",
            json!({"spec": {"ports": [{"port": 80}]}}),
            json!({"spec": {"ports": [{"port": 80_000}]}}),
        ),
        case(
            "",
            "Secret",
            "secrets",
            "data[tls.key]",
            json!({"data": {"a": "YQ=="}}),
            tls,
        ),
        case(
            RBAC,
            "RoleBinding",
            "rolebindings",
            "subjects[0].kind",
            subject("ServiceAccount"),
            subject("Nobody"),
        ),
        // Its claims would go with it.
        case(
            "apps",
            "StatefulSet",
            "statefulsets",
            "all that it holds",
            json!({"spec": claims("a")}),
            json!({"spec": claims("b")}),
        ),
    ]
}

#[test]
fn what_only_looks_like_it_is_left_alone() {
    let mut world = World::new();
    world.delivery["spec"]["force"] = true.into();
    let cases = Cases::new(&world, misses());
    cases.commit(&world, |case| &case.before, |_| json!({}));
    world.once().expect(0);
    let policies = [
        policy(
            &world,
            "change",
            "UPDATE",
            "object.metadata.labels['is'] != 'kept'",
        ),
        policy(
            &world,
            "make",
            "CREATE",
            "object.metadata.labels['is'] != 'refused'",
        ),
    ];
    for (path, object) in policies.iter().flatten() {
        world.api.apply(path, object);
    }
    // It takes a while until they are heeded.
    let deployments = format!("/apis/apps/v1/namespaces/{}/deployments", world.namespace.name);
    let mut probe = deployment("a", "refused", &json!({}));
    probe["metadata"]["name"] = "probe".into();
    eventually("the policy", || {
        world.api.is_refused(&deployments, &probe).then_some(())
    });
    let before = cases.uids();
    cases.commit(&world, |case| &case.after, |_| json!({}));
    world.once().expect(1);
    let message = refusal(&world);
    for (name, case) in &cases.cases {
        let said = about(&message, &cases.shown(name));
        assert!(said.contains(case.field), "{}: {said}", case.field);
    }
    assert_eq!(cases.uids(), before);
    for (path, _) in policies.iter().flatten() {
        world.api.delete(path);
    }
}

#[test]
fn what_is_deleted_is_waited_for() {
    let world = World::new();
    let data = |value: &str| json!({"immutable": true, "data": {"a": value}});
    let case = Case {
        group: "",
        version: "v1",
        kind: "ConfigMap",
        plural: "configmaps",
        field: "data",
        before: data("b"),
        after: data("c"),
    };
    let cases = Cases::new(&world, vec![case]);
    cases.commit(&world, |case| &case.before, |_| json!({}));
    world.once().expect(0);
    let path = cases.path(cases.cases.keys().next().unwrap());
    world
        .api
        .merge(&path, &json!({"metadata": {"finalizers": ["example.org/held"]}}));
    // Flux's name for it counts.
    cases.commit(
        &world,
        |case| &case.after,
        |_| json!({"kustomize.toolkit.fluxcd.io/force": "enabled"}),
    );
    std::thread::scope(|scope| {
        scope.spawn(|| {
            world
                .api
                .wait_for(&path, |live| live["metadata"]["deletionTimestamp"].is_string());
            world.api.merge(&path, &json!({"metadata": {"finalizers": null}}));
        });
        world.once().expect(0);
    });
    assert_eq!(world.api.get(&path).unwrap()["data"]["a"], "c");
}
