//! An API server that is away or fails: nothing is lost, and the next run heals it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::semicolon_if_nothing_returned
)]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use support::outside::FaultProxy;

use support::world::World;

#[test]
fn an_api_server_that_is_away_is_told_and_healed() {
    let world = World::new();
    world.commit_good("v1");
    world.once().expect(0);
    world.write_version("v2");
    world.repository.commit(&world.alice, "Deliver v2");

    let away = world.repository.path().with_file_name("away.kubeconfig");
    let nobody_listens = "apiVersion: v1\nkind: Config\ncurrent-context: away\nclusters:\n- name: away\n  cluster: {server: 'http://127.0.0.1:1'}\ncontexts:\n- name: away\n  context: {cluster: away, user: nobody}\nusers:\n- name: nobody\n  user: {}\n";
    fs::write(&away, nobody_listens).unwrap();
    let run = world
        .once_with(&["--kubeconfig", &away.display().to_string()])
        .expect(1);
    let ready = world.ready("delivery/web");
    assert_eq!(
        (ready["status"].as_str(), ready["reason"].as_str()),
        (Some("False"), Some("ClusterUnreachable"))
    );
    assert!(run.stderr.contains("ClusterUnreachable"));
    assert_eq!(world.version().as_deref(), Some("v1"));
    world.assert_no_leak(&run);

    world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v2"));
}

/// What the server does to the first write of an object, and which reason that gets.
fn failed_write(fault: &Json, reason: &str) {
    let world = World::new();
    let proxy = FaultProxy::start(world.repository.path().parent().unwrap());
    world.commit_good("v1");
    world.once().expect(0);
    world.write_version("v2");
    world.repository.commit(&world.alice, "Deliver v2");

    let mut rule = fault.clone();
    rule["match"] = json!({"method": "PATCH", "path_regex": "/configmaps/version$"});
    proxy.set(&json!([rule]));
    let run = world.once_with(&["--kubeconfig", &proxy.kubeconfig]).expect(1);
    let ready = world.ready("delivery/web");
    assert_eq!(
        (ready["status"].as_str(), ready["reason"].as_str()),
        (Some("False"), Some(reason)),
        "{ready}"
    );
    assert_eq!(world.version().as_deref(), Some("v1"));
    world.assert_no_leak(&run);

    proxy.set(&json!([]));
    world.once_with(&["--kubeconfig", &proxy.kubeconfig]).expect(0);
    assert_eq!(world.version().as_deref(), Some("v2"));
}

#[test]
fn a_throttled_request_is_repeated_as_the_server_asks() {
    let world = World::new();
    let proxy = FaultProxy::start(world.repository.path().parent().unwrap());
    world.commit_good("v1");
    proxy.set(&json!([{
        "match": {"method": "PATCH", "path_regex": "/configmaps/version$", "query_regex": "dryRun=All"},
        "action": "status", "status": 429, "retry_after": 1, "count": 1,
    }]));
    world.once_with(&["--kubeconfig", &proxy.kubeconfig]).expect(0);
    assert_eq!(world.version().as_deref(), Some("v1"));
    let tries = proxy
        .requests()
        .iter()
        .filter(|request| request["method"] == "PATCH" && request.to_string().contains("configmaps/version"))
        .count();
    assert!(
        tries >= 3,
        "a refused dry run, its repetition, and the apply, not {tries}"
    );
}

#[test]
fn a_server_that_throttles_for_ever_is_named_as_that() {
    failed_write(
        &json!({"action": "status", "status": 429, "count": null}),
        "TooManyRequests",
    );
}

#[test]
fn an_internal_error() {
    failed_write(
        &json!({"action": "status", "status": 500, "count": null}),
        "InternalError",
    );
}

#[test]
fn a_cut_connection() {
    failed_write(
        &json!({"action": "cut", "at": "request", "count": null}),
        "ClusterUnreachable",
    );
}

#[test]
fn a_process_killed_between_intent_and_outcome_leaves_no_orphan() {
    let world = World::new();
    let proxy = FaultProxy::start(world.repository.path().parent().unwrap());
    world.commit_good("v1");
    proxy.set(&json!([{
        "match": {"method": "PATCH", "path_regex": "/configmaps/version$", "query_regex": "Strict$"},
        "action": "hang", "seconds": 600, "count": null,
    }]));
    let arguments = world.arguments(&["--kubeconfig", &proxy.kubeconfig]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_fluxops"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The Secret of the same stage is written while the ConfigMap hangs.
    world
        .api
        .wait_for(&world.namespace.core("secrets", "db"), |_| true);
    child.kill().unwrap();
    child.wait().unwrap();
    let inventory = world
        .api
        .get(&world.namespace.core("secrets", "fluxops-inventory-web"));
    assert!(
        inventory.is_some(),
        "what is in the cluster has to be in the inventory"
    );

    world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v1"));
    assert_eq!(world.audited("interrupted"), 1);
    world.repository.remove("apps/secret.yaml");
    world.repository.commit(&world.alice, "Without the Secret");
    world.once().expect(0);
    assert!(
        world.api.get(&world.namespace.core("secrets", "db")).is_none(),
        "it was an orphan"
    );
}
