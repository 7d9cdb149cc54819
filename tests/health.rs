//! Waiting until what was applied is healthy.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::installed::{Installed, holds};
use support::world::World;

/// Longer than any test takes.
const TIMEOUT: &str = "10m";

/// A Deployment that never comes up, since no node is like that.
fn never(world: &World, name: &str) -> String {
    let namespace = &world.namespace.name;
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
         spec:\n      nodeSelector: {{example.org/none: 'true'}}\n      \
         containers: [{{name: web, image: 'example.org/web:1'}}]\n"
    )
}

fn wait_until_it_waits(installed: &Installed, name: &str) {
    let path = installed.world.namespace.path("apps/v1", "deployments", name);
    support::eventually("the Deployment", || installed.world.api.get(&path));
    installed.wait_for("deliveries", "web", |web| holds(web, "Reconciling"));
}

#[test]
fn something_newer_ends_a_wait() {
    let mut installed = Installed::new();
    installed.world.delivery["spec"]["wait"] = true.into();
    installed.world.delivery["spec"]["timeout"] = TIMEOUT.into();
    installed
        .world
        .repository
        .write("apps/never.yaml", &never(&installed.world, "never"));
    installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.notifier());
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.start();
    wait_until_it_waits(&installed, "never");
    // A commit.
    installed.world.repository.remove("apps/never.yaml");
    let good = installed.world.commit_good("v2");
    installed.publish();
    let web = installed.wait_applied("web", &good);
    assert!(holds(&web, "Healthy"), "{web:#}");
    // A spec.
    installed
        .world
        .repository
        .write("apps/again.yaml", &never(&installed.world, "again"));
    let bad = installed.world.commit_good("v3");
    installed.publish();
    wait_until_it_waits(&installed, "again");
    installed.world.delivery["spec"]["wait"] = false.into();
    installed.apply(&installed.world.delivery);
    installed.wait_applied("web", &bad);
    // The end of the process.
    installed.world.delivery["spec"]["wait"] = true.into();
    installed.apply(&installed.world.delivery);
    wait_until_it_waits(&installed, "again");
    let begun = Instant::now();
    assert_eq!(installed.stop(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let messages = installed.world.slack.messages();
    assert!(
        !messages.iter().any(|message| message.contains("Superseded")),
        "{messages:?}"
    );
}

#[test]
fn those_that_wait_keep_nobody_from_being_delivered() {
    let mut installed = Installed::new();
    installed.world.commit_good("v1");
    for index in 0..10 {
        let name = format!("bad{index}");
        let manifest = never(&installed.world, &name);
        installed
            .world
            .repository
            .write(&format!("{name}/never.yaml"), &manifest);
    }
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Bad ones");
    installed.publish();
    installed.apply(&installed.world.source);
    for index in 0..10 {
        let mut bad = installed.world.delivery.clone();
        let name = format!("bad{index}");
        bad["metadata"]["name"] = name.clone().into();
        bad["spec"]["path"] = name.into();
        bad["spec"]["wait"] = true.into();
        bad["spec"]["timeout"] = TIMEOUT.into();
        bad["spec"]["decryption"] = json!(null);
        installed.apply(&bad);
    }
    installed.start();
    for index in 0..10 {
        let path = installed
            .world
            .namespace
            .path("apps/v1", "deployments", &format!("bad{index}"));
        support::eventually("all that are not healthy", || installed.world.api.get(&path));
    }
    installed.apply(&installed.world.delivery);
    installed.wait_applied("web", &commit);
    assert_eq!(installed.stop(), Some(0));
}
