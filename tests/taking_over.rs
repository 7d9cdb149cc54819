//! Objects that kubectl made before, and annotations that say how one is applied.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use serde_json::{Value as Json, json};
use support::world::World;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Makes a `ConfigMap` as `kubectl apply` does: with its manager, and its copy of the object in an annotation.
fn kubectl_apply(world: &World, name: &str) {
    let collection = format!("/api/v1/namespaces/{}/configmaps", world.namespace.name);
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name,
        "annotations": {LAST_APPLIED: "{}"}}, "data": {"kept": "old", "dropped": "old"}});
    world.api.create(
        &format!("{collection}?fieldManager=kubectl-client-side-apply"),
        &object,
    );
    let by_hand = json!({"data": {"added": "by hand"}});
    world
        .api
        .merge(&world.namespace.core("configmaps", name), &by_hand);
}

fn write(world: &World, name: &str, annotations: &Json, data: &Json) {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {"name": name, "namespace": world.namespace.name, "annotations": annotations}});
    world
        .repository
        .write(&format!("apps/{name}.yaml"), &object.to_string());
}

fn live(world: &World, name: &str) -> Json {
    world.api.get(&world.namespace.core("configmaps", name)).unwrap()
}

fn managers(object: &Json) -> Vec<&str> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let mut managers: Vec<_> = entries
        .iter()
        .map(|entry| entry["manager"].as_str().unwrap())
        .collect();
    managers.sort_unstable();
    managers
}

#[test]
fn what_kubectl_applied_is_taken_over_unless_it_is_to_be_merged() {
    let world = World::new();
    let kept = json!({"kept": "old"});
    for (name, annotations) in [
        ("same", json!({})),
        ("changed", json!({"fluxops.dev/ssa": "Override"})),
        ("merged", json!({"kustomize.toolkit.fluxcd.io/ssa": "merge"})),
    ] {
        kubectl_apply(&world, name);
        let data = if name == "changed" {
            json!({"kept": "new"})
        } else {
            kept.clone()
        };
        write(&world, name, &annotations, &data);
    }
    let uid = live(&world, "same")["metadata"]["uid"].clone();
    world.repository.commit(&world.alice, "Deliver");
    world.once().expect(0);
    let same = live(&world, "same");
    assert_eq!(same["data"], json!({"kept": "old", "added": "by hand"}));
    assert_eq!(
        (managers(&same), &same["metadata"]["uid"]),
        (vec!["by-hand", "fluxops"], &uid)
    );
    assert!(
        same["metadata"]["annotations"].get(LAST_APPLIED).is_none(),
        "{same:#}"
    );
    assert_eq!(
        live(&world, "changed")["data"],
        json!({"kept": "new", "added": "by hand"})
    );
    let merged = live(&world, "merged");
    assert_eq!(
        merged["data"],
        json!({"kept": "old", "dropped": "old", "added": "by hand"})
    );
    assert_eq!(
        managers(&merged),
        ["by-hand", "fluxops", "kubectl-client-side-apply"]
    );
    let intents = world.audited("intent");
    world
        .api
        .wait_until_settled(&world.namespace.core("configmaps", "same"));
    world.once().expect(0);
    assert_eq!(
        world.audited("intent"),
        intents,
        "there is nothing more to take over"
    );
}

#[test]
fn what_is_left_to_kubectl_by_a_rule_is_not_taken_from_it() {
    let mut world = World::new();
    world.delivery["spec"]["ignore"] = json!([{"paths": ["/data/kept"]}]);
    kubectl_apply(&world, "same");
    write(&world, "same", &json!({}), &json!({"kept": "new", "more": "new"}));
    world.repository.commit(&world.alice, "Deliver");
    world.once().expect(0);
    let data = json!({"kept": "old", "dropped": "old", "added": "by hand", "more": "new"});
    assert_eq!(live(&world, "same")["data"], data);
}

#[test]
fn an_object_is_made_once_or_never_or_kept_where_its_annotations_say_so() {
    let world = World::new();
    let first = json!({"a": "first"});
    let annotated = [
        ("once", json!({"fluxops.dev/ssa": "IfNotPresent"})),
        ("ignored", json!({"kustomize.toolkit.fluxcd.io/ssa": "Ignore"})),
        ("disabled", json!({"fluxops.dev/reconcile": "Disabled"})),
        (
            "unpruned",
            json!({"kustomize.toolkit.fluxcd.io/prune": "Disabled"}),
        ),
    ];
    for (name, annotations) in &annotated {
        write(&world, name, annotations, &first);
    }
    world.repository.commit(&world.alice, "Deliver");
    world.once().expect(0);
    for (name, annotations) in &annotated {
        write(&world, name, annotations, &json!({"a": "second"}));
    }
    world.repository.commit(&world.alice, "Deliver the second");
    world.once().expect(0);
    let value = |name: &str| {
        world
            .api
            .get(&world.namespace.core("configmaps", name))
            .map(|object| object["data"]["a"].clone())
    };
    assert_eq!(
        (value("once"), value("unpruned")),
        (Some(json!("first")), Some(json!("second")))
    );
    assert_eq!((value("ignored"), value("disabled")), (None, None));
    world.repository.write(
        "apps/other.yaml",
        &format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: other, namespace: {}}}}}",
            world.namespace.name
        ),
    );
    for (name, _) in &annotated {
        world.repository.remove(&format!("apps/{name}.yaml"));
    }
    world.repository.commit(&world.alice, "Remove them");
    world.once().expect(0);
    assert_eq!((value("once"), value("unpruned")), (None, Some(json!("second"))));
}
