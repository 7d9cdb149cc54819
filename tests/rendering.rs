//! What a Delivery does to what its folder says: additions to the kustomization, and variables.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use serde_json::{Value as Json, json};
use support::installed::Installed;
use support::world::World;
use support::{eventually, random_hex};

/// A `ConfigMap` with one entry.
fn config_map(name: &str, annotation: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations: {{{annotation}}}\ndata:\n  a: {value}\n"
    )
}

fn reference(world: &World, kind: &str, name: &str, field: &str, data: &Json) -> Json {
    json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": {"name": name, "namespace": world.namespace.name},
        field: data,
    })
}

fn data(world: &World, name: &str) -> Option<Json> {
    let object = world.api.get(&world.namespace.core("configmaps", name))?;
    Some(object["data"].clone())
}

#[test]
fn what_a_delivery_adds_is_built_as_if_the_kustomization_said_it() {
    let mut world = World::new();
    let namespace = world.namespace.name.clone();
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 0\n  \
        selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      \
        containers: [{name: web, image: 'example.org/web:1', envFrom: [{configMapRef: {name: settings}}]}]\n";
    for (path, text) in [
        (
            "apps/kustomization.yaml",
            "namespace: elsewhere\nresources: [web.yaml]\nimages: [{name: example.org/web, newTag: '2'}]\n\
             configMapGenerator: [{name: settings, literals: [a=b]}]\n",
        ),
        ("apps/web.yaml", deployment),
        (
            "parts/note/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {note: component}\n",
        ),
    ] {
        world.repository.write(path, text);
    }
    world.repository.commit(&world.alice, "Deliver");
    for (field, value) in [
        ("targetNamespace", json!(namespace)),
        ("namePrefix", json!("my-")),
        ("components", json!(["../parts/note", "../parts/none"])),
        ("ignoreMissingComponents", json!(true)),
        ("images", json!([{"name": "example.org/web", "newTag": "3"}])),
        (
            "patches",
            json!([{
                "patch": r#"[{"op": "add", "path": "/metadata/annotations/patched", "value": "yes"}]"#,
                "target": {"kind": "Deployment"},
            }]),
        ),
    ] {
        world.delivery["spec"][field] = value;
    }
    world.once().expect(0);
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/my-web");
    let deployment = world.api.get(&path).unwrap();
    assert_eq!(deployment["metadata"]["annotations"]["note"], "component");
    assert_eq!(deployment["metadata"]["annotations"]["patched"], "yes");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "example.org/web:3");
    let settings = container["envFrom"][0]["configMapRef"]["name"].as_str().unwrap();
    assert!(settings.starts_with("my-settings-"), "{settings}");
    assert_eq!(data(&world, settings), Some(json!({"a": "b"})));

    world.delivery["spec"]["ignoreMissingComponents"] = false.into();
    world.once().expect(1);
    let ready = world.ready("delivery/web");
    assert_eq!(ready["reason"], "BuildFailed");
    assert!(
        ready["message"].as_str().unwrap().contains("spec.components[1]"),
        "{ready}"
    );
    assert!(world.api.get(&path).is_some(), "what was applied stays");
}

#[test]
fn variables_come_from_secrets_and_config_maps_and_from_the_delivery() {
    let mut world = World::new();
    let token = format!("token-{}", random_hex(16));
    world.hidden.push(token.clone());
    let text = config_map(
        "values",
        "fluxops.dev/note: kept",
        "'${host}/${path:=index}?${token}&${own}$${literal}'",
    );
    world.repository.write("apps/values.yaml", &text);
    let exempt = config_map(
        "exempt",
        "kustomize.toolkit.fluxcd.io/substitute: disabled",
        "'${host}'",
    );
    world.repository.write("apps/exempt.yaml", &exempt);
    // A folder of a folder without a kustomization can have one.
    world.repository.write(
        "apps/below/kustomization.yaml",
        "nameSuffix: -below\nresources: [map.yaml]\n",
    );
    world
        .repository
        .write("apps/below/map.yaml", &config_map("map", "", "'${own}'"));
    world.repository.commit(&world.alice, "Deliver");

    let namespace = world.namespace.name.clone();
    world.delivery["spec"]["targetNamespace"] = namespace.into();
    world.more = vec![
        reference(
            &world,
            "ConfigMap",
            "first",
            "data",
            &json!({"host": "first.example.org", "own": "no"}),
        ),
        reference(
            &world,
            "ConfigMap",
            "second",
            "data",
            &json!({"host": "second.example.org"}),
        ),
        reference(&world, "Secret", "tokens", "stringData", &json!({"token": token})),
    ];
    world.delivery["spec"]["postBuild"] = json!({
        "substitute": {"own": "mine"},
        "substituteFrom": [
            {"kind": "ConfigMap", "name": "first"},
            {"kind": "ConfigMap", "name": "second"},
            {"kind": "Secret", "name": "tokens"},
            {"kind": "Secret", "name": "none", "optional": true},
        ],
    });
    let run = world.once().expect(0);
    let expected = format!("second.example.org/index?{token}&mine${{literal}}");
    assert_eq!(data(&world, "values"), Some(json!({"a": expected})));
    assert_eq!(data(&world, "exempt"), Some(json!({"a": "${host}"})));
    assert_eq!(data(&world, "map-below"), Some(json!({"a": "mine"})));
    world.assert_no_leak(&run);

    for (change, reason, said) in [
        (
            json!({"substituteFrom": [{"kind": "Secret", "name": "none"}]}),
            "ReferenceNotFound",
            "none",
        ),
        (
            json!({"substitute": {"own": "yes"}}),
            "SubstitutionFailed",
            "the variable host has no value",
        ),
        (json!({"substitute": {"9": "yes"}}), "InvalidVariables", "\"9\""),
        // What is not in quotes becomes what it looks like, as in Flux.
        (
            json!({"substitute": {"own": "yes", "host": "h", "token": "t"}}),
            "InvalidType",
            "data.a: expected string",
        ),
    ] {
        world.delivery["spec"]["postBuild"] = change;
        let run = world.once().expect(1);
        let ready = world.ready("delivery/web");
        assert_eq!(ready["reason"], reason, "{ready}");
        assert!(ready["message"].as_str().unwrap().contains(said), "{ready}");
        world.assert_no_leak(&run);
    }
    assert_eq!(
        data(&world, "values"),
        Some(json!({"a": expected})),
        "the last good state stays"
    );
}

#[test]
fn a_changed_variable_is_delivered_without_a_commit() {
    let mut installed = Installed::new();
    let world = &mut installed.world;
    let values = reference(world, "ConfigMap", "values", "data", &json!({"version": "v1"}));
    let path = world.namespace.core("configmaps", "values");
    world.api.apply(&path, &values);
    world
        .repository
        .write("apps/map.yaml", &config_map("map", "", "'${version}'"));
    let commit = world.repository.commit(&world.alice, "Deliver");
    let namespace = world.namespace.name.clone();
    world.source["spec"]["interval"] = "1h".into();
    world.delivery["spec"]["targetNamespace"] = namespace.into();
    world.delivery["spec"]["postBuild"] =
        json!({"substituteFrom": [{"kind": "ConfigMap", "name": "values"}]});
    installed.publish();
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.start();
    installed.wait_applied("web", &commit);
    assert_eq!(data(&installed.world, "map"), Some(json!({"a": "v1"})));
    installed
        .world
        .api
        .merge(&path, &json!({"data": {"version": "v2"}}));
    eventually("the new value", || {
        (data(&installed.world, "map") == Some(json!({"a": "v2"}))).then_some(())
    });
}
