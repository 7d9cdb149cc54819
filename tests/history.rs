//! Mode History in a cluster: every commit since the last trusted one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use serde_json::{Value as Json, json};
use support::eventually;
use support::fluxops::Run;
use support::installed::{Installed, holds};
use support::repository::SigningKey;
use support::world::World;

/// A source in the default mode, at work.
fn installed() -> (Installed, String) {
    let mut installed = Installed::new();
    installed.world.source["spec"]["verify"] = json!({"trustRef": {"kind": "ConfigMap", "name": "signers"}});
    let commit = installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.notifier());
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.start();
    let applied = installed.wait_applied("web", &commit);
    assert_eq!(
        applied["status"]["lastAppliedRevision"],
        format!("main@sha1:{commit}")
    );
    (installed, commit)
}

/// What the audit log has of a kind of event.
fn audited(installed: &Installed, kind: &str) -> Vec<Json> {
    let log = Run::of(&[
        "audit",
        "log",
        "-o",
        "json",
        "--state-dir",
        &installed.world.state_dir(),
    ]);
    let log = log.expect(0).stdout;
    let records = log
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap());
    records.filter(|record| record["event"]["type"] == kind).collect()
}

/// `fluxops reconcile gitsource/apps`, by an administrator.
fn reconcile(installed: &Installed, more: &[&str]) -> Run {
    let mut arguments = vec![
        "reconcile",
        "gitsource/apps",
        "-n",
        &installed.world.namespace.name,
    ];
    arguments.extend(more);
    Run::of(&arguments)
}

#[test]
fn an_unsigned_commit_under_a_signed_head_is_refused_until_trust_begins_anew() {
    let (mut installed, first) = installed();
    let source = installed.wait_reason("gitsources", "apps", "Succeeded");
    assert_eq!(source["status"]["lastTrusted"], first);

    installed.world.write_version("evil");
    let buried = installed.world.repository.commit_unsigned("Buried");
    let above = installed.world.commit_good("v2");
    installed.publish();
    let refused = installed.wait_reason("gitsources", "apps", "Unsigned");
    let message = refused["status"]["conditions"].to_string();
    assert!(message.contains(&buried), "{message}");
    assert_eq!(refused["status"]["lastTrusted"], first);
    eventually("an alert that names it", || {
        let messages = installed.world.slack.messages();
        messages
            .iter()
            .any(|message| message.contains(&buried))
            .then_some(())
    });
    assert_eq!(installed.world.version().as_deref(), Some("v1"));

    // A signed revert is one more commit; the unsigned one is still there, below.
    installed.world.write_version("v1");
    let revert = installed
        .world
        .repository
        .commit(&installed.world.alice, "Revert");
    installed.publish();
    let still = installed.wait_for("gitsources", "apps", |source| {
        source["status"]["conditions"].to_string().contains(&revert[..7]) || installed.log().contains(&revert)
    });
    assert_eq!(still["status"]["lastTrusted"], first);
    assert_eq!(installed.world.version().as_deref(), Some("v1"));
    assert_ne!(above, revert);

    // Nor does a restart forget it.
    assert_eq!(installed.stop(), Some(0));
    installed.start();
    let still = reconcile(&installed, &[]).expect(1);
    assert!(still.stdout.contains("Unsigned"), "{}", still.stdout);

    installed.world.source["spec"]["verify"]["startFrom"] = revert.clone().into();
    installed.apply(&installed.world.source);
    installed.wait_applied("web", &revert);
    let anchored = audited(&installed, "trustAnchored");
    let by: Vec<&str> = anchored
        .iter()
        .map(|record| record["event"]["by"].as_str().unwrap())
        .collect();
    assert_eq!(by, ["firstSight", "startFrom"]);
    assert_eq!(anchored[1]["event"]["previous"], first);
    assert_eq!(anchored[1]["event"]["subject"]["commit"], revert);
}

#[test]
fn a_rewind_is_refused_until_somebody_accepts_it_once() {
    let (installed, first) = installed();
    let second = installed.world.commit_good("v2");
    installed.publish();
    installed.wait_applied("web", &second);

    let rewind = || {
        installed.world.repository.git(&["reset", "-q", "--hard", &first]);
        installed.publish();
        installed.wait_reason("gitsources", "apps", "Rewound");
        assert_eq!(installed.world.version().as_deref(), Some("v2"));
    };
    rewind();
    eventually("an alert that says what to do", || {
        let messages = installed.world.slack.messages();
        let advice = format!("--accept-rewind {first}");
        messages
            .iter()
            .any(|message| message.contains(&advice))
            .then_some(())
    });
    let accept = |commit: &str| reconcile(&installed, &["--accept-rewind", commit]);
    // Another commit than the one that is there is not what was accepted.
    accept(&second).expect(1);
    accept(&first).expect(0);
    installed.wait_applied("web", &first);
    let anchored = audited(&installed, "trustAnchored");
    assert_eq!(anchored.last().unwrap()["event"]["by"], "acceptRewind");
    assert_eq!(anchored.last().unwrap()["event"]["previous"], second);

    // The annotation is still there, and says nothing of the next time.
    installed
        .world
        .repository
        .git(&["reset", "-q", "--hard", &second]);
    installed.publish();
    installed.wait_applied("web", &second);
    rewind();
}

#[test]
fn a_signed_commit_in_the_name_of_somebody_else_is_refused_where_names_are_listed() {
    let mut world = World::new();
    world.source["spec"]["verify"] = json!({
        "trustRef": {"kind": "ConfigMap", "name": "signers"},
        "allowed": {"committers": ["*@example.org"], "authors": ["*@example.org"]},
    });
    world.commit_good("v1");
    world.once().expect(0);
    world.write_version("v2");
    world.repository.commit(&world.alice, "Not me");
    let key = format!("user.signingkey={}", world.alice.private().display());
    let amend = [
        "commit",
        "-q",
        "--amend",
        "--no-edit",
        "-S",
        "--author=Boss <boss@example.com>",
    ];
    let mut arguments = vec!["-c", "gpg.format=ssh", "-c", &key];
    arguments.extend(amend);
    world.repository.git(&arguments);
    let strange = world.repository.head();
    world.commit_good("v3");
    let run = world.once().expect(1);
    world.assert_failed(&run, "gitsource/apps", "AuthorNotAllowed", &strange);
}

#[test]
fn the_forges_key_counts_for_its_clean_merges_alone() {
    let mut world = World::new();
    let forge = SigningKey::new(world.folder(), "noreply@forge.example");
    let signers = |name: &str, data: Json| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": world.namespace.name}, "data": data});
    world.more = vec![
        signers("people", json!({"allowed_signers": world.alice.allowed_signer()})),
        signers("forge", json!({"allowed_signers": forge.allowed_signer()})),
    ];
    world.source["spec"]["verify"] = json!({
        "trustRef": {"kind": "ConfigMap", "name": "people"},
        "forge": {"trustRef": {"kind": "ConfigMap", "name": "forge"}},
    });
    world.commit_good("v0");
    world.once().expect(0);
    let merge = |message: &str, more: &[&str]| {
        let merge = ["merge", "-q", "--no-ff", "-S", "-m", message];
        let repository = &world.repository;
        repository.git_with(&forge, &[&merge[..], more, &["side"]].concat())
    };
    world.repository.git(&["switch", "-q", "-c", "side"]);
    world.write_version("v1");
    world.repository.commit(&world.alice, "Deliver v1");
    world.repository.git(&["switch", "-q", "main"]);
    world.repository.write("README", "x");
    world.repository.commit(&world.alice, "Document");
    merge("Merge", &[]);
    world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v1"));
    let status = world.status("gitsource/apps")["status"].clone();
    assert_eq!(status["signer"]["identity"], "noreply@forge.example");
    assert!(
        status["conditions"].to_string().contains("VerifiedMerge"),
        "{status}"
    );

    world.repository.git(&["switch", "-q", "side"]);
    world.write_version("v2");
    world.repository.commit(&world.alice, "Deliver v2");
    world.repository.git(&["switch", "-q", "main"]);
    let altered = merge("Merge nothing of it", &["-s", "ours"]);
    let run = world.once().expect(1);
    world.assert_failed(&run, "gitsource/apps", "ForgeMergeAltered", &altered);
    world.repository.git(&["reset", "-q", "--hard", "HEAD~1"]);
    world.once().expect(0);

    // Who signed what it merged is revoked: it is withdrawn with them.
    world.more[0]["data"]["revoked_keys"] = world.alice.public().into();
    let run = world.once().expect(1);
    world.assert_failed(&run, "gitsource/apps", "Revoked", "");
}

#[test]
fn an_event_says_that_a_source_is_stale() {
    let (mut installed, _) = installed();
    installed.world.source["spec"]["verify"]["maxAge"] = "1s".into();
    installed.apply(&installed.world.source);
    eventually("an Event", || {
        let events = installed.events("GitSource", "apps");
        let expected = ("Warning".to_owned(), "Stale".to_owned());
        events.contains(&expected).then_some(())
    });
    let source = installed.wait_for("gitsources", "apps", |source| holds(source, "Stale"));
    assert!(holds(&source, "Ready"), "{source:#}");
}

#[test]
fn a_source_whose_newest_commit_is_too_old_is_stale_and_goes_on() {
    let mut world = World::new();
    world.source["spec"]["verify"] =
        json!({"trustRef": {"kind": "ConfigMap", "name": "signers"}, "maxAge": "720h"});
    world.write_version("v1");
    world.repository.git(&["add", "-A"]);
    let key = format!("user.signingkey={}", world.alice.private().display());
    let commit = [
        "-c",
        "gpg.format=ssh",
        "-c",
        &key,
        "commit",
        "-q",
        "-S",
        "-m",
        "Old",
    ];
    world.repository.git_at("2020-01-02T03:04:05Z", &commit);
    world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v1"));
    let conditions = || world.status("gitsource/apps")["status"]["conditions"].clone();
    let all = conditions();
    let stale = all
        .as_array()
        .unwrap()
        .iter()
        .find(|condition| condition["type"] == "Stale")
        .unwrap()
        .clone();
    assert_eq!(stale["reason"], "MaxAgeExceeded");
    assert!(
        stale["message"]
            .as_str()
            .unwrap()
            .contains("2020-01-02T03:04:05Z"),
        "{stale}"
    );
    assert_eq!(world.ready("gitsource/apps")["status"], "True");
    let get = Run::of(&[
        "get",
        "gitsource/apps",
        "--config-state",
        "--state-dir",
        &world.state_dir(),
    ]);
    assert!(get.stdout.contains("stale: the newest commit"), "{}", get.stdout);
    world.once().expect(0);
    let alerts = |text: &str| {
        world
            .slack
            .messages()
            .iter()
            .filter(|message| message.contains(text))
            .count()
    };
    assert_eq!(alerts("for too long"), 1, "{:?}", world.slack.messages());
    world.commit_good("v2");
    world.once().expect(0);
    assert!(!conditions().to_string().contains("Stale"));
    assert_eq!(alerts("for too long"), 1);
}
