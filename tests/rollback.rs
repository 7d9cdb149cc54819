//! Back to what was good: by itself where a new revision is not healthy, and by hand.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use serde_json::{Value as Json, json};
use support::eventually;
use support::fluxops::Run;
use support::installed::{Installed, holds};
use support::world::World;

/// Rolls back what is not healthy.
fn careful(world: &mut World) {
    world.delivery["spec"]["wait"] = true.into();
    world.delivery["spec"]["rollback"] = json!({"onFailure": true});
}

/// A commit whose Deployment never comes up, since no node is like that; its `ConfigMap` says `version`.
fn commit_bad(world: &World, version: &str) -> String {
    let never = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: never\n  namespace: {}\nspec:\n  \
         progressDeadlineSeconds: 1\n  selector:\n    matchLabels: {{app: never}}\n  template:\n    metadata:\n      \
         labels: {{app: never}}\n    spec:\n      nodeSelector: {{example.org/none: 'true'}}\n      containers:\n      \
         - {{name: never, image: example.org/none}}\n",
        world.namespace.name
    );
    world.repository.write("apps/never.yaml", &never);
    world.commit_good(version)
}

fn commit_mended(world: &World, version: &str) -> String {
    world.repository.remove("apps/never.yaml");
    world.commit_good(version)
}

fn has_deployment(world: &World) -> bool {
    let path = world.namespace.path("apps/v1", "deployments", "never");
    world.api.get(&path).is_some()
}

fn revision(commit: &str) -> String {
    format!("main@sha1:{commit}")
}

/// The revisions of a status, with what came of them.
fn history(status: &Json) -> Vec<(String, String)> {
    let text = |entry: &Json, field: &str| entry[field].as_str().unwrap().to_owned();
    let entries = status["history"].as_array().unwrap().iter();
    entries
        .map(|entry| (text(entry, "revision"), text(entry, "lastReconciledStatus")))
        .collect()
}

#[test]
fn what_is_not_healthy_is_rolled_back_and_not_tried_again() {
    let mut world = World::new();
    careful(&mut world);
    let good = world.commit_good("v1");
    world.once().expect(0);
    let bad = commit_bad(&world, "v2");
    world.once().expect(1);
    let check = |bad: &str| {
        let status = world.status("delivery/web")["status"].clone();
        assert_eq!(status["rollback"]["from"], revision(bad), "{status:#}");
        assert_eq!(status["rollback"]["to"], revision(&good));
        assert_eq!(status["lastAppliedRevision"], revision(&good));
        assert_eq!(status["lastAttemptedRevision"], revision(bad));
        let ready = world.ready("delivery/web");
        assert_eq!(
            (&ready["status"], &ready["reason"]),
            (&json!("False"), &json!("RolledBack"))
        );
        let message = ready["message"].as_str().unwrap();
        assert!(message.contains("never") && message.contains(&good), "{message}");
        assert_eq!(world.version().as_deref(), Some("v1"));
        assert!(!has_deployment(&world));
        status
    };
    let status = check(&bad);
    let expected = [(good.clone(), "Succeeded"), (bad.clone(), "RolledBack")];
    let expected = expected.map(|(commit, word)| (revision(&commit), word.to_owned()));
    assert_eq!(history(&status), expected);
    assert_eq!(world.audited("rolledBack"), 1);
    eventually("a message that names both", || {
        let messages = world.slack.messages();
        messages
            .iter()
            .any(|message| message.contains(&good[..7]) && message.contains("rolled back"))
            .then_some(())
    });

    // The same again is not tried, and what somebody changes in the meantime is corrected to the old state.
    let tries = || {
        let intents = world.audit();
        let intents = intents.iter().filter(|event| event["type"] == "intent");
        intents
            .filter(|intent| intent.to_string().contains("Deployment"))
            .count()
    };
    let before = tries();
    world.once().expect(1);
    check(&bad);
    assert_eq!(tries(), before);
    world.api.delete(&world.namespace.core("configmaps", "version"));
    world.once().expect(1);
    check(&bad);
    assert_eq!(world.audited("rolledBack"), 1);

    // Another commit is.
    let mended = commit_mended(&world, "v3");
    world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v3"));
    let status = world.status("delivery/web")["status"].clone();
    assert_eq!(status["rollback"], Json::Null);
    assert_eq!(history(&status)[0], (revision(&mended), "Succeeded".to_owned()));
}

#[test]
fn what_cannot_be_applied_is_rolled_back_too_but_not_to_what_is_trusted_no_more() {
    let mut world = World::new();
    careful(&mut world);
    world.more = vec![json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "people", "namespace": world.namespace.name},
        "data": {"allowed_signers": world.alice.allowed_signer()},
    })];
    world.source["spec"]["verify"] = json!({"trustRef": {"kind": "ConfigMap", "name": "people"}});
    let bob = support::repository::SigningKey::new(world.folder(), "bob@example.org");
    let good = world.commit_good("v1");
    world.once().expect(0);
    // From here on it is Bob who signs, and Alice is trusted no more.
    world.more[0]["data"]["allowed_signers"] = bob.allowed_signer().into();
    commit_bad(&world, "v2");
    world.repository.git(&["reset", "-q", "--soft", "HEAD~1"]);
    world.repository.commit_index(&bob, "Deliver v2");
    world.once().expect(1);
    let ready = world.ready("delivery/web");
    let message = ready["message"].as_str().unwrap();
    assert_ne!(ready["reason"], "RolledBack");
    assert!(
        message.contains(&format!("it was not rolled back to {}", revision(&good))),
        "{message}"
    );
    assert_eq!(world.version().as_deref(), Some("v2"));
    assert_eq!(world.audited("rolledBack"), 0);
}

#[test]
fn a_revision_is_held_until_it_is_resumed() {
    let (mut installed, first) = Installed::with_good_commit();
    let second = installed.world.commit_good("v2");
    installed.publish();
    installed.wait_applied("web", &second);
    let namespace = installed.world.namespace.name.clone();
    let run = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["-n", &namespace]);
        Run::of(&all)
    };
    let shown = run(&["history", "delivery/web"]).expect(0);
    assert!(
        shown.stdout.contains(&format!("{}*", revision(&second))),
        "{}",
        shown.stdout
    );
    assert!(shown.stdout.contains("alice@example.org"), "{}", shown.stdout);
    run(&["rollback", "delivery/web", "0000000"]).expect(1);
    run(&["rollback", "gitsource/apps"]).expect(2);

    let held = run(&["rollback", "delivery/web"]).expect(0);
    assert!(held.stdout.contains(&first), "{}", held.stdout);
    let delivery = installed.wait_applied("web", &first);
    assert!(holds(&delivery, "Ready"), "{delivery:#}");
    let conditions = delivery["status"]["conditions"].to_string();
    assert!(
        conditions.contains("HeldBack") && conditions.contains("fluxops resume"),
        "{conditions}"
    );
    assert_eq!(installed.world.version().as_deref(), Some("v1"));

    // A new commit waits, also over a restart, and drift goes back to what is held.
    let third = installed.world.commit_good("v3");
    installed.publish();
    installed.wait_for("gitsources", "apps", |source| {
        source["status"]["revision"] == revision(&third)
    });
    assert_eq!(installed.stop(), Some(0));
    installed.start();
    installed
        .world
        .api
        .delete(&installed.world.namespace.core("configmaps", "version"));
    eventually("the held version", || installed.world.version());
    assert_eq!(installed.world.version().as_deref(), Some("v1"));

    run(&["resume", "delivery/web"]).expect(0);
    installed.wait_applied("web", &third);
    assert_eq!(installed.world.version().as_deref(), Some("v3"));
    assert_eq!(installed.stop(), Some(0));
    assert_eq!(installed.world.audited("rolledBack"), 1);
}
