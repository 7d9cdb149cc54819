//! An API server that is away or fails: nothing is lost, and the next run heals it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::fs;

use support::world::World;

/// Points the run to a kubeconfig of an API server that refuses every connection.
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
