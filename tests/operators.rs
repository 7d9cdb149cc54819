//! What operators ask and tell: `suspend`, `resume`, `trace` and `tree`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use support::fluxops::Run;
use support::installed::Installed;

/// A command on the Delivery `web`, by an administrator.
fn on_web(installed: &Installed, command: &str, more: &[&str]) -> Run {
    let mut arguments = vec![command, "delivery/web", "-n", &installed.world.namespace.name];
    arguments.extend(more);
    Run::of(&arguments)
}

#[test]
fn events_are_those_of_our_objects() {
    let (installed, commit) = Installed::with_good_commit();
    let namespace = installed.world.namespace.name.clone();
    let shown = support::eventually("an Event", || {
        let run = on_web(&installed, "events", &[]).expect(0);
        run.stdout.contains(&commit).then_some(run)
    });
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines[0].starts_with("TIME"), "{}", shown.stdout);
    assert!(
        lines[1..].iter().all(|line| line.contains("delivery/web")),
        "{}",
        shown.stdout
    );
    let all = Run::of(&["events", "-n", &namespace, "-o", "json"])
        .expect(0)
        .json();
    let kinds: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["regarding"]["kind"].clone())
        .collect();
    assert!(kinds.contains(&"GitSource".into()), "{kinds:?}");
    let none = Run::of(&["events", "delivery/none", "-n", &namespace]).expect(0);
    assert_eq!(none.stdout, "");
    Run::of(&["events", "-A"]).expect(0);
}

#[test]
fn a_suspended_delivery_waits_and_says_who_suspended_it() {
    let (mut installed, _) = Installed::with_good_commit();
    let suspended = on_web(&installed, "suspend", &["--reason", "restoring the database"]).expect(0);
    assert!(
        suspended.stdout.contains("is suspended by "),
        "{}",
        suspended.stdout
    );
    let delivery = installed.path("deliveries", "web");
    let annotations = installed.world.api.get(&delivery).unwrap()["metadata"]["annotations"].clone();
    let by = annotations["fluxops.dev/suspendedBy"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(suspended.stdout.contains(&by), "{by}: {}", suspended.stdout);
    assert_eq!(annotations["fluxops.dev/suspendedFor"], "restoring the database");
    assert!(
        annotations["fluxops.dev/suspendedAt"].is_string(),
        "{annotations}"
    );
    let again = on_web(&installed, "suspend", &[]).expect(0);
    assert!(again.stdout.contains("was suspended before"), "{}", again.stdout);

    installed.world.write_version("v2");
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Deliver v2");
    installed.publish();
    let revision = format!("main@sha1:{commit}");
    installed.wait_for("gitsources", "apps", |source| {
        source["status"]["revision"] == revision
    });
    on_web(&installed, "reconcile", &[]).expect(1);
    assert_eq!(installed.world.version().as_deref(), Some("v1"));

    let resumed = on_web(&installed, "resume", &[]).expect(0);
    assert!(
        resumed.stdout.contains("restoring the database"),
        "{}",
        resumed.stdout
    );
    installed.wait_applied("web", &commit);
    let annotations = installed.world.api.get(&delivery).unwrap()["metadata"]["annotations"].clone();
    assert!(annotations["fluxops.dev/suspendedBy"].is_null(), "{annotations}");
    on_web(&installed, "resume", &[]).expect(0);
    Run::of(&["suspend", "delivery/none", "-n", &installed.world.namespace.name]).expect(1);
    assert_eq!(installed.stop(), Some(0));
}

#[test]
fn an_object_is_traced_to_its_commit_and_its_signer() {
    let (mut installed, first) = Installed::with_good_commit();
    installed.world.write_version("v2");
    let second = installed
        .world
        .repository
        .commit(&installed.world.alice, "Deliver v2");
    installed.publish();
    installed.wait_applied("web", &second);
    let (state, namespace) = (
        installed.world.state_dir(),
        installed.world.namespace.name.clone(),
    );
    let trace = |object: &str, more: &[&str]| {
        let mut arguments = vec![
            "trace",
            object,
            "-n",
            &namespace,
            "--state-dir",
            &state,
            "-o",
            "json",
        ];
        arguments.extend(more);
        Run::of(&arguments)
    };
    let last = trace("configmap/version", &[]).expect(0).json();
    assert_eq!(last.as_array().unwrap().len(), 1);
    assert_eq!(
        (&last[0]["commit"], &last[0]["action"]),
        (&second.as_str().into(), &"configure".into())
    );
    assert!(
        last[0]["signer"].as_str().unwrap().contains("alice@example.org"),
        "{last}"
    );
    let all = trace("configmap/version", &["--all"]).expect(0).json();
    let commits: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["commit"])
        .collect();
    assert_eq!(commits, [first.as_str(), second.as_str()]);
    // The second commit did not touch it.
    assert_eq!(trace("Secret/db", &[]).expect(0).json()[0]["commit"], first);
    trace("secret/none", &[]).expect(1);

    let tree = on_web(&installed, "tree", &[]).expect(0);
    for part in [
        second.as_str(),
        "alice@example.org",
        "ConfigMap/version",
        "Secret/db",
        &namespace,
    ] {
        assert!(tree.stdout.contains(part), "{part} is not in {}", tree.stdout);
    }
    assert_eq!(installed.stop(), Some(0));
}
