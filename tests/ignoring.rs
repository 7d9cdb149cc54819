//! Fields that are left to others: `spec.ignore`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use serde_json::{Value as Json, json};
use support::eventually;
use support::installed::{Installed, condition, holds};
use support::world::World;

/// Writes a Deployment of some replicas whose pod has an image.
fn write_deployment(world: &World, replicas: u32, image: &str) {
    let manifest = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": world.namespace.name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": format!("example.org/{image}")}]}}}});
    world.repository.write("apps/web.yaml", &manifest.to_string());
}

fn path(world: &World) -> String {
    world.namespace.path("apps/v1", "deployments", "web")
}

/// Sets the replicas as an autoscaler does: by the subresource that is for it.
fn scale(world: &World, replicas: u32) {
    let scale = format!("{}/scale", path(world));
    world.api.merge(&scale, &json!({"spec": {"replicas": replicas}}));
}

fn replicas(world: &World) -> u64 {
    world.api.get(&path(world)).unwrap()["spec"]["replicas"]
        .as_u64()
        .unwrap()
}

fn image(world: &World) -> Json {
    world.api.get(&path(world)).unwrap()["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

/// The managers that have a field of the Deployment.
fn owners(world: &World, pointer: &str) -> Vec<String> {
    let live = world.api.get(&path(world)).unwrap();
    let entries = live["metadata"]["managedFields"].as_array().unwrap().iter();
    let mut owners: Vec<String> = entries
        .filter(|entry| entry["fieldsV1"].pointer(pointer).is_some())
        .map(|entry| entry["manager"].as_str().unwrap().to_owned())
        .collect();
    owners.sort();
    owners
}

fn commit(world: &World) {
    world.repository.commit(&world.alice, "Deliver");
}

#[test]
fn a_field_is_ours_until_somebody_takes_it_and_theirs_from_then_on() {
    let mut world = World::new();
    world.delivery["spec"]["ignore"] =
        json!([{"paths": ["/spec/replicas"], "target": {"kind": "Deployment", "name": "w.b"}}]);
    write_deployment(&world, 2, "web:1");
    commit(&world);
    world.once().expect(0);
    assert_eq!(
        (replicas(&world), owners(&world, "/f:spec/f:replicas")),
        (2, vec!["fluxops".to_owned()])
    );
    // Nobody else has it: it stays ours, with every run.
    write_deployment(&world, 3, "web:1");
    commit(&world);
    world.once().expect(0);
    assert_eq!(replicas(&world), 3);

    scale(&world, 7);
    write_deployment(&world, 4, "web:2");
    commit(&world);
    world.once().expect(0);
    assert_eq!((replicas(&world), image(&world)), (7, json!("example.org/web:2")));
    assert_eq!(owners(&world, "/f:spec/f:replicas"), ["by-hand"]);

    // Two who have the same value share it; it is given up without a change.
    world.delivery["spec"].as_object_mut().unwrap().remove("ignore");
    write_deployment(&world, 5, "web:2");
    commit(&world);
    world.once().expect(0);
    let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 5}});
    world.api.apply(&path(&world), &live);
    assert_eq!(owners(&world, "/f:spec/f:replicas"), ["fluxops", "installer"]);
    world.delivery["spec"]["ignore"] = json!([{"paths": ["/spec/replicas"]}]);
    write_deployment(&world, 6, "web:2");
    commit(&world);
    world.once().expect(0);
    assert_eq!(
        (replicas(&world), owners(&world, "/f:spec/f:replicas")),
        (5, vec!["installer".to_owned()])
    );
}

#[test]
fn whatever_a_manager_takes_is_left_to_it() {
    let mut world = World::new();
    world.delivery["spec"]["ignore"] = json!([{"managers": ["by-hand"]}]);
    write_deployment(&world, 2, "web:1");
    commit(&world);
    world.once().expect(0);
    let container = json!([{"name": "main", "image": "example.org/web:theirs"}]);
    let theirs = json!({"metadata": {"labels": {"fluxops.dev/delivery": "stolen"}},
        "spec": {"replicas": 7, "template": {"spec": {"containers": container}}}});
    world.api.merge(&path(&world), &theirs);
    write_deployment(&world, 3, "web:2");
    commit(&world);
    world.once().expect(0);
    assert_eq!(
        (replicas(&world), image(&world)),
        (7, json!("example.org/web:theirs"))
    );
    let live = world.api.get(&path(&world)).unwrap();
    assert_eq!(
        live["metadata"]["labels"]["fluxops.dev/delivery"], "web",
        "whose it is, is never left to others"
    );

    world.delivery["spec"]["ignore"] = json!([{"managers": ["somebody-else"]}]);
    world.once().expect(0);
    assert_eq!((replicas(&world), image(&world)), (3, json!("example.org/web:2")));
}

#[test]
fn what_is_left_to_others_is_no_drift() {
    let mut installed = Installed::new();
    write_deployment(&installed.world, 2, "web:1");
    installed.world.delivery["spec"]["drift"] = "Detect".into();
    installed.world.delivery["spec"]["ignore"] = json!([{"paths": ["/spec/replicas"]}]);
    let commit = installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.start();
    installed.wait_applied("web", &commit);
    scale(&installed.world, 5);
    let edit = json!({"spec": {"minReadySeconds": 1, "template": {"spec": {"containers": [{"name": "main", "image": "example.org/theirs"}]}}}});
    installed.world.api.merge(&path(&installed.world), &edit);
    let web = installed.wait_for("deliveries", "web", |web| holds(web, "Drifted"));
    let message = condition(&web, "Drifted").unwrap()["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains(".image changed by by-hand") && !message.contains("replicas"),
        "{message}"
    );
    let asked = json!({"metadata": {"annotations": {"fluxops.dev/requestedAt": "now"}}});
    installed
        .world
        .api
        .merge(&installed.path("deliveries", "web"), &asked);
    eventually("the image", || {
        (image(&installed.world) == "example.org/web:1").then_some(())
    });
    assert_eq!(replicas(&installed.world), 5);
}

#[test]
fn a_rule_that_cannot_be_understood_is_refused() {
    let mut world = World::new();
    write_deployment(&world, 2, "web:1");
    commit(&world);
    for rule in [
        json!({"paths": ["spec.replicas"]}),
        json!({}),
        json!({"managers": ["fluxops"]}),
        json!({"paths": ["/spec"], "target": {"name": "("}}),
    ] {
        world.delivery["spec"]["ignore"] = json!([rule]);
        world.once().expect(1);
        let ready = world.ready("delivery/web");
        assert_eq!(ready["reason"], "InvalidIgnore", "{ready}");
    }
    assert!(world.api.get(&path(&world)).is_none());
}
