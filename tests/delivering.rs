//! What is applied in which order, what is waited for, and what the inventory keeps.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use support::world::World;
use support::{eventually, random_hex};

/// A `ConfigMap` as a manifest.
fn config_map(namespace: &str, name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{a: b}}\n"
    )
}

/// A Deployment of one pod, with something in its spec and in that of the pod.
fn deployment(namespace: &str, selector: &str, spec: &str, pod: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {namespace}}}\nspec:\n  {spec}\n  \
         selector: {{matchLabels: {{app: {selector}}}}}\n  template:\n    metadata: {{labels: {{app: {selector}}}}}\n    \
         spec:\n      {pod}\n      containers: [{{name: web, image: 'example.org/web:1'}}]\n"
    )
}

/// The Delivery `web` under another name and path, with changes to its spec.
fn delivery(world: &World, name: &str, changes: &Json) -> Json {
    let mut delivery = world.delivery.clone();
    delivery["metadata"]["name"] = name.into();
    delivery["spec"]["path"] = name.into();
    for (field, value) in changes.as_object().unwrap() {
        delivery["spec"][field] = value.clone();
    }
    delivery
}

fn commit(world: &World, files: &[(&str, String)]) -> String {
    for (path, content) in files {
        world.repository.write(path, content);
    }
    world.repository.commit(&world.alice, "Deliver")
}

fn reason(world: &World, object: &str) -> String {
    world.ready(object)["reason"].as_str().unwrap().to_owned()
}

fn is_there(world: &World, name: &str) -> bool {
    world.api.get(&world.namespace.core("configmaps", name)).is_some()
}

#[test]
fn a_delivery_comes_after_those_it_depends_on() {
    let mut world = World::new();
    let namespace = world.namespace.name.clone();
    // `early` needs what `late` makes, and would come first by its name.
    let needs_kind =
        format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: made, namespace: {namespace}}}\n");
    commit(
        &world,
        &[
            ("apps/a.yaml", config_map(&namespace, "a")),
            ("early/b.yaml", config_map(&namespace, "b")),
            ("late/c.yaml", needs_kind),
        ],
    );
    let depends = json!({"dependsOn": [{"name": "late"}]});
    world.more = vec![
        delivery(&world, "early", &depends),
        delivery(&world, "late", &json!({})),
    ];
    world.once().expect(0);
    let intents: Vec<String> = world
        .audit()
        .iter()
        .filter(|event| event["type"] == "intent")
        .map(|event| event["subject"]["object"]["name"].as_str().unwrap().to_owned())
        .collect();
    let place = |name: &str| intents.iter().position(|intent| intent == name).unwrap();
    assert!(place("late") < place("early"), "{intents:?}");
}

#[test]
fn a_delivery_waits_for_what_fails_before_it_and_for_what_is_not_there() {
    let mut world = World::new();
    let namespace = world.namespace.name.clone();
    commit(
        &world,
        &[
            ("apps/a.yaml", config_map(&namespace, "a")),
            ("first/bad.yaml", "kind: [\n".to_owned()),
            ("second/b.yaml", config_map(&namespace, "b")),
        ],
    );
    world.more = vec![
        delivery(&world, "first", &json!({})),
        delivery(&world, "second", &json!({"dependsOn": [{"name": "first"}]})),
    ];
    world.once().expect(1);
    assert_eq!(reason(&world, "delivery/second"), "DependencyNotReady");
    assert!(is_there(&world, "a") && !is_there(&world, "b"));
    world.more[1]["spec"]["dependsOn"][0]["name"] = "none".into();
    world.once().expect(1);
    assert_eq!(reason(&world, "delivery/second"), "DependencyNotReady");

    // Released as soon as what was wrong is mended.
    world.more[1]["spec"]["dependsOn"][0]["name"] = "first".into();
    commit(&world, &[("first/bad.yaml", config_map(&namespace, "c"))]);
    world.once().expect(0);
    assert!(is_there(&world, "b"));
}

#[test]
fn waiting_ends_when_all_is_there() {
    let mut world = World::new();
    world.delivery["spec"]["wait"] = true.into();
    let namespace = world.namespace.name.clone();
    commit(
        &world,
        &[("apps/web.yaml", deployment(&namespace, "web", "replicas: 1", ""))],
    );
    world.once().expect(0);
    let path = world.namespace.path("apps/v1", "deployments", "web");
    assert_eq!(world.api.get(&path).unwrap()["status"]["availableReplicas"], 1);
}

#[test]
fn waiting_ends_when_something_has_failed() {
    let mut world = World::new();
    world.delivery["spec"]["wait"] = true.into();
    let namespace = world.namespace.name.clone();
    // No node is like that, and the Deployment gives up after a second: nobody waits for the timeout.
    let never = deployment(
        &namespace,
        "web",
        "progressDeadlineSeconds: 1",
        "nodeSelector: {example.org/none: 'true'}",
    );
    commit(&world, &[("apps/web.yaml", never)]);
    world.once().expect(1);
    let ready = world.ready("delivery/web");
    let message = ready["message"].as_str().unwrap();
    assert!(
        message.contains("Deployment") && message.contains("web"),
        "{ready}"
    );
    // What was applied is known, and mended by the next commit.
    commit(
        &world,
        &[("apps/web.yaml", deployment(&namespace, "web", "replicas: 0", ""))],
    );
    // Its controller may say for a moment longer that it gave up.
    eventually("the end of the wait", || (world.once().code == 0).then_some(()));
}

#[test]
fn a_definition_and_its_objects_come_in_one_commit() {
    let world = World::new();
    let namespace = &world.namespace.name;
    let group = format!("g{}.example.org", random_hex(4));
    let definition = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.{group}}}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Widget, plural: widgets}}\n  versions:\n  - name: v1\n    \
         served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        \
         x-kubernetes-preserve-unknown-fields: true\n"
    );
    let widget = format!(
        "apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: one, namespace: {namespace}}}\nspec: {{a: b}}\n"
    );
    // By name the object stands in front of what defines it.
    commit(&world, &[("apps/a.yaml", widget), ("apps/z.yaml", definition)]);
    world.once().expect(0);
    let path = world.namespace.path(&format!("{group}/v1"), "widgets", "one");
    assert_eq!(world.api.get(&path).unwrap()["spec"]["a"], "b");
    let definition = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}");
    world.repository.remove("apps/a.yaml");
    world.repository.remove("apps/z.yaml");
    commit(&world, &[("apps/c.yaml", config_map(namespace, "c"))]);
    world.once().expect(0);
    world.api.wait_until_gone(&definition);
}

#[test]
fn a_namespace_and_what_is_in_it_come_in_one_commit() {
    let world = World::new();
    let name = format!("{}-more", world.namespace.name);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    commit(
        &world,
        &[
            ("apps/a.yaml", config_map(&name, "inside")),
            ("apps/z.yaml", namespace),
        ],
    );
    world.once().expect(0);
    let inside = format!("/api/v1/namespaces/{name}/configmaps/inside");
    assert!(world.api.get(&inside).is_some());
    world.repository.remove("apps/a.yaml");
    world.repository.remove("apps/z.yaml");
    commit(&world, &[("apps/c.yaml", config_map(&world.namespace.name, "c"))]);
    world.once().expect(0);
    world.api.wait_until_gone(&format!("/api/v1/namespaces/{name}"));
}

#[test]
fn lists_json_several_documents_and_kustomizations_are_all_read() {
    let mut world = World::new();
    let namespace = world.namespace.name.clone();
    let item = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [item("in-list"), item("in-list-too")]});
    commit(
        &world,
        &[
            ("apps/list.yaml", list.to_string()),
            ("apps/one.json", item("in-json").to_string()),
            (
                "apps/two.yml",
                format!(
                    "{}---\n{}",
                    config_map(&namespace, "first"),
                    config_map(&namespace, "second")
                ),
            ),
            ("apps/deep/er.yaml", config_map(&namespace, "deep")),
            (
                "built/kustomization.yaml",
                "resources: [c.yaml]\nnamePrefix: pre-\n".to_owned(),
            ),
            ("built/c.yaml", config_map(&namespace, "fixed")),
            ("built/left-out.yaml", config_map(&namespace, "left-out")),
        ],
    );
    world.more = vec![delivery(&world, "built", &json!({}))];
    world.once().expect(0);
    for name in [
        "in-list",
        "in-list-too",
        "in-json",
        "first",
        "second",
        "deep",
        "pre-fixed",
    ] {
        assert!(is_there(&world, name), "{name}");
    }
    assert!(!is_there(&world, "fixed") && !is_there(&world, "left-out"));
}

/// What the Secret with an inventory says, by the ids of its entries.
fn inventory(world: &World, delivery: &str) -> Vec<String> {
    let path = world
        .namespace
        .core("secrets", &format!("fluxops-inventory-{delivery}"));
    let secret = world.api.get(&path).unwrap();
    let data = secret["data"].as_object().unwrap();
    assert_eq!(data.len(), 1, "{:?}", data.keys());
    let bytes = BASE64
        .decode(data.values().next().unwrap().as_str().unwrap())
        .unwrap();
    let part: Json = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&part["schema"], &part["parts"]), (&json!(1), &json!(1)));
    let mut ids: Vec<String> = part["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

#[test]
fn an_immutable_selector_fails_alone_and_the_inventory_keeps_what_is_there() {
    let world = World::new();
    let namespace = &world.namespace.name;
    let id = |name: &str, group: &str, kind: &str| format!("{namespace}_{name}_{group}_{kind}");
    commit(
        &world,
        &[
            ("apps/web.yaml", deployment(namespace, "web", "replicas: 0", "")),
            ("apps/old.yaml", config_map(namespace, "old")),
        ],
    );
    world.once().expect(0);
    let web = id("web", "apps", "Deployment");
    assert_eq!(
        inventory(&world, "web"),
        [id("old", "", "ConfigMap"), web.clone()]
    );

    world.repository.remove("apps/old.yaml");
    commit(
        &world,
        &[
            ("apps/web.yaml", deployment(namespace, "other", "replicas: 0", "")),
            ("apps/new.yaml", config_map(namespace, "new")),
        ],
    );
    let run = world.once().expect(1);
    let ready = world.ready("delivery/web");
    let message = ready["message"].as_str().unwrap();
    assert!(message.contains("spec.selector"), "{ready}");
    world.assert_no_leak(&run);
    // A dry-run found it: nothing of the commit is there, and nothing is forgotten.
    assert!(!is_there(&world, "new") && is_there(&world, "old"));
    assert!(inventory(&world, "web").contains(&web));
    assert!(inventory(&world, "web").contains(&id("old", "", "ConfigMap")));

    commit(
        &world,
        &[("apps/web.yaml", deployment(namespace, "web", "replicas: 0", ""))],
    );
    world.once().expect(0);
    assert!(is_there(&world, "new") && !is_there(&world, "old"));
    assert_eq!(inventory(&world, "web"), [id("new", "", "ConfigMap"), web]);
}
