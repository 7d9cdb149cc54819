//! Custom resources: what a user sees of them while one process reconciles them on and on.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::semicolon_if_nothing_returned
)]

mod support;

use serde_json::{Value as Json, json};
use support::eventually;
use support::installed::{Installed, condition, holds};
use support::outside::FaultProxy;

/// A `ConfigMap` in the world's namespace, as a manifest.
fn config_map(installed: &Installed, name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {}\ndata:\n  a: b\n",
        installed.world.namespace.name
    )
}

/// The Delivery `web` under another name, with changes to its spec.
fn delivery(installed: &Installed, name: &str, changes: &Json) -> Json {
    let mut delivery = installed.world.delivery.clone();
    delivery["metadata"]["name"] = name.into();
    for (field, value) in changes.as_object().unwrap() {
        delivery["spec"][field] = value.clone();
    }
    delivery
}

#[test]
fn a_signed_commit_arrives_and_the_statuses_say_so() {
    let (installed, commit) = Installed::with_good_commit();
    assert_eq!(installed.world.version().as_deref(), Some("v1"));
    let revision = format!("main@sha1:{commit}");

    let source = installed.wait_for("gitsources", "apps", |source| holds(source, "Ready"));
    assert!(holds(&source, "SourceVerified"), "{source:#}");
    assert_eq!(
        source["status"]["observedGeneration"],
        source["metadata"]["generation"]
    );
    assert_eq!(source["status"]["revision"], revision);
    assert_eq!(source["status"]["signer"]["identity"], "alice@example.org");

    let delivery = installed.wait_applied("web", &commit);
    let status = &delivery["status"];
    assert_eq!(status["observedGeneration"], delivery["metadata"]["generation"]);
    assert_eq!(status["lastAttemptedRevision"], revision);
    assert_eq!(status["signer"]["kind"], "ssh");
    let fingerprint = status["signer"]["fingerprint"].as_str().unwrap();
    assert!(fingerprint.starts_with("SHA256:"), "{fingerprint}");
    let namespace = &installed.world.namespace.name;
    let inventory = json!([
        {"id": format!("{namespace}_version__ConfigMap"), "v": "v1"},
        {"id": format!("{namespace}_db__Secret"), "v": "v1"},
    ]);
    assert_eq!(status["inventory"], inventory);
    assert_eq!(
        delivery["metadata"]["finalizers"],
        json!(["fluxops.dev/finalizer"])
    );
    for type_ in ["Reconciling", "Stalled"] {
        assert!(condition(&delivery, type_).is_none(), "{status:#}");
        assert!(condition(&source, type_).is_none(), "{:#}", source["status"]);
    }

    let normal = |reason: &str| vec![("Normal".to_owned(), reason.to_owned())];
    assert_eq!(installed.events("GitSource", "apps"), normal("Succeeded"));
    assert_eq!(installed.events("Delivery", "web"), normal("Applied"));
    eventually("a message", || {
        let messages = installed.world.slack.messages();
        messages
            .iter()
            .any(|message| message.contains(&commit[..7]))
            .then_some(())
    });
    assert!(!installed.log().contains(&installed.world.marker));
}

#[test]
fn an_unsigned_commit_is_refused_until_a_signed_one_follows() {
    let (installed, good) = Installed::with_good_commit();
    installed.world.write_version("v2");
    installed.world.repository.commit_unsigned("Not mine");
    installed.publish();
    let source = installed.wait_reason("gitsources", "apps", "Unsigned");
    let verified = condition(&source, "SourceVerified").unwrap();
    assert_eq!(
        (&verified["status"], &verified["reason"]),
        (&json!("False"), &json!("Unsigned"))
    );
    assert_eq!(
        source["status"]["revision"],
        format!("main@sha1:{good}"),
        "the last trusted one stays"
    );
    assert!(
        installed
            .events("GitSource", "apps")
            .contains(&("Warning".to_owned(), "Unsigned".to_owned())),
        "{:?}",
        installed.events("GitSource", "apps")
    );
    assert_eq!(installed.world.version().as_deref(), Some("v1"));

    installed.world.write_version("v3");
    let commit = installed.world.repository.commit(&installed.world.alice, "Mine");
    installed.publish();
    installed.wait_applied("web", &commit);
    assert_eq!(installed.world.version().as_deref(), Some("v3"));
    let source = installed.wait_for("gitsources", "apps", |source| holds(source, "Ready"));
    assert!(holds(&source, "SourceVerified"), "{source:#}");
}

#[test]
fn an_annotation_asks_for_a_reconcile_at_once() {
    let (mut installed, commit) = Installed::with_good_commit();
    // Nobody else is to mend it first.
    installed.world.delivery["spec"]["drift"] = "Ignore".into();
    installed.apply(&installed.world.delivery);
    installed.wait_applied("web", &commit);
    installed.wait_for("deliveries", "web", |web| holds(web, "Ready"));
    let version = installed.world.namespace.core("configmaps", "version");
    installed
        .world
        .api
        .merge(&version, &json!({"data": {"version": "by hand"}}));
    let path = installed.path("deliveries", "web");
    let asked = json!({"metadata": {"annotations": {"fluxops.dev/requestedAt": "now"}}});
    installed.world.api.merge(&path, &asked);
    installed.wait_for("deliveries", "web", |web| {
        web["status"]["lastHandledReconcileAt"] == "now"
    });
    assert_eq!(installed.world.version().as_deref(), Some("v1"));
    let triggers: Vec<Json> = installed
        .world
        .audit()
        .iter()
        .filter(|event| event["type"] == "intent")
        .map(|event| event["subject"]["trigger"].clone())
        .collect();
    assert_eq!(triggers.last(), Some(&json!("request")), "{triggers:?}");

    installed.apply(&{
        let mut source = installed.world.source.clone();
        source["spec"]["interval"] = "1h".into();
        source
    });
    installed.wait_for("gitsources", "apps", |source| holds(source, "Ready"));
    installed.world.write_version("v2");
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Deliver v2");
    installed.publish();
    installed
        .world
        .api
        .merge(&installed.path("gitsources", "apps"), &asked);
    installed.wait_applied("web", &commit);
}

#[test]
fn what_is_suspended_stays_as_it_is() {
    let (installed, _) = Installed::with_good_commit();
    installed
        .world
        .repository
        .write("other/other.yaml", &config_map(&installed, "other"));
    installed.apply(&delivery(&installed, "other", &json!({"path": "other"})));
    let web = installed.path("deliveries", "web");
    installed
        .world
        .api
        .merge(&web, &json!({"spec": {"suspend": true}}));
    installed.world.write_version("v2");
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Deliver v2");
    installed.publish();
    installed.wait_applied("other", &commit);
    // Both were woken by the same commit.
    assert_eq!(installed.world.version().as_deref(), Some("v1"));
    installed
        .world
        .api
        .merge(&web, &json!({"spec": {"suspend": false}}));
    installed.wait_applied("web", &commit);
    assert_eq!(installed.world.version().as_deref(), Some("v2"));
}

#[test]
fn a_deleted_delivery_takes_along_what_it_applied_unless_told_otherwise() {
    let (installed, _) = Installed::with_good_commit();
    for name in ["deleted", "orphaned"] {
        installed
            .world
            .repository
            .write(&format!("{name}/{name}.yaml"), &config_map(&installed, name));
    }
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Two more");
    installed.publish();
    let policies = [("deleted", "Delete"), ("orphaned", "Orphan")];
    for (name, policy) in policies {
        let changes = json!({"path": name, "prune": false, "deletionPolicy": policy});
        installed.apply(&delivery(&installed, name, &changes));
    }
    for name in ["deleted", "orphaned"] {
        installed.wait_applied(name, &commit);
    }
    for name in ["web", "deleted", "orphaned"] {
        installed.world.api.delete(&installed.path("deliveries", name));
    }
    for name in ["web", "deleted", "orphaned"] {
        installed
            .world
            .api
            .wait_until_gone(&installed.path("deliveries", name));
    }
    let there = |plural: &str, name: &str| {
        installed
            .world
            .api
            .get(&installed.world.namespace.core(plural, name))
            .is_some()
    };
    assert_eq!(
        [
            there("configmaps", "version"),
            there("secrets", "db"),
            there("configmaps", "deleted")
        ],
        [false; 3]
    );
    assert!(there("configmaps", "orphaned"));
    let deletions: Vec<Json> = installed
        .world
        .audit()
        .into_iter()
        .filter(|event| event["type"] == "outcome" && event["subject"]["trigger"] == "deletion")
        .collect();
    assert_eq!(deletions.len(), 2, "{deletions:#?}");
}

#[test]
fn a_deleted_delivery_waits_for_the_end_of_what_it_applied_where_told_so() {
    let (installed, _) = Installed::with_good_commit();
    let policy = json!({"spec": {"deletionPolicy": "WaitForTermination"}});
    let web = installed.path("deliveries", "web");
    installed.world.api.merge(&web, &policy);
    let version = installed.world.namespace.core("configmaps", "version");
    let finalizers = |names: &Json| json!({"metadata": {"finalizers": names}});
    installed
        .world
        .api
        .merge(&version, &finalizers(&json!(["example.org/held"])));
    installed.world.api.delete(&web);
    let deleted = || {
        let outcome = |event: &Json| event["type"] == "outcome" && event["subject"]["trigger"] == "deletion";
        installed.world.audit().iter().any(outcome).then_some(())
    };
    eventually("the deletion", deleted);
    let is_held = |object: &Json| object["metadata"]["deletionTimestamp"].is_string();
    installed.world.api.wait_for(&version, is_held);
    let secret = installed.world.namespace.core("secrets", "db");
    installed.world.api.wait_until_gone(&secret);
    assert!(
        installed.world.api.get(&web).is_some(),
        "one of its objects is there"
    );
    installed.world.api.merge(&version, &finalizers(&Json::Null));
    installed.world.api.wait_until_gone(&web);
    assert!(installed.world.api.get(&version).is_none());
}

#[test]
fn a_malformed_object_blocks_no_other_and_says_so() {
    let mut installed = Installed::new();
    // The schema of the definition lets these pass: it knows the form of a duration, and no bounds.
    let mut source = installed.world.source.clone();
    source["metadata"]["name"] = "malformed".into();
    source["spec"]["interval"] = "1ms".into();
    installed.apply(&source);
    installed.start();
    let said = installed.wait_reason("gitsources", "malformed", "InvalidSpec");
    assert!(holds(&said, "Stalled"), "{said:#}");

    let commit = installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.wait_applied("web", &commit);

    source["spec"]["interval"] = "1h".into();
    installed.apply(&source);
    let mended = installed.wait_for("gitsources", "malformed", |source| holds(source, "Ready"));
    assert!(condition(&mended, "Stalled").is_none(), "{mended:#}");
}

#[test]
fn a_delivery_without_its_source_says_so_until_it_is_there() {
    let mut installed = Installed::new();
    installed.apply(&installed.world.delivery);
    installed.start();
    let said = installed.wait_reason("deliveries", "web", "SourceNotFound");
    let message = condition(&said, "Ready").unwrap()["message"].as_str().unwrap();
    assert!(
        message.contains("gitsource") && message.contains("/apps"),
        "{message}"
    );
    let commit = installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.source);
    installed.wait_applied("web", &commit);
}

#[test]
fn a_restart_changes_nothing_and_takes_up_what_was_missed() {
    let (mut installed, _) = Installed::with_good_commit();
    let path = installed.path("deliveries", "web");
    assert_eq!(installed.stop(), Some(0), "it was idle");
    let before = installed.world.api.get(&path).unwrap();
    installed.world.write_version("v2");
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Deliver v2");
    installed.publish();
    installed.start();
    let after = installed.wait_applied("web", &commit);
    assert_eq!(after["metadata"]["generation"], before["metadata"]["generation"]);
    assert_eq!(after["status"]["inventory"], before["status"]["inventory"]);
    let of_web = installed.events("Delivery", "web");
    assert!(of_web.iter().all(|(type_, _)| type_ == "Normal"), "{of_web:?}");
    assert_eq!(
        installed.world.audited("intent"),
        installed.world.audited("outcome")
    );
}

#[test]
fn a_deletion_that_was_asked_for_while_nobody_ran_is_done_at_the_next_start() {
    let (mut installed, _) = Installed::with_good_commit();
    assert_eq!(installed.stop(), Some(0));
    installed.world.api.delete(&installed.path("deliveries", "web"));
    installed.world.api.delete(&installed.path("gitsources", "apps"));
    installed.start();
    installed
        .world
        .api
        .wait_until_gone(&installed.path("deliveries", "web"));
    assert_eq!(installed.world.version(), None);
}

#[test]
fn a_process_that_is_stopped_while_it_applies_finishes_that() {
    let (mut installed, _) = Installed::with_good_commit();
    assert_eq!(installed.stop(), Some(0));
    let proxy = FaultProxy::before(&installed.kubeconfig, installed.world.folder());
    let slow = json!({
        "match": {"method": "PATCH", "path_regex": "/configmaps/version$", "query_regex": "Strict$"},
        "action": "hang", "seconds": 2, "count": null,
    });
    proxy.set(&json!([slow]));
    installed.start_with(&proxy.kubeconfig);
    installed.world.write_version("v2");
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Deliver v2");
    installed.publish();
    eventually("the apply", || {
        let asked = proxy.requests().iter().any(|request| {
            let text = request.to_string();
            text.contains("configmaps/version") && text.contains("Strict") && !text.contains("dryRun")
        });
        asked.then_some(())
    });
    assert_eq!(installed.stop(), Some(0));
    assert_eq!(installed.world.version().as_deref(), Some("v2"));
    assert_eq!(
        installed.world.audited("intent"),
        installed.world.audited("outcome")
    );
    installed.wait_applied("web", &commit);
}

#[test]
fn a_process_that_is_stopped_while_it_fetches_does_not_wait_for_the_remote() {
    let mut installed = Installed::new();
    installed.world.commit_good("v1");
    installed.publish();
    installed.world.source["spec"]["url"] = installed.faulty_url("hang").into();
    installed.apply(&installed.world.source);
    installed.start();
    eventually("the fetch", || (installed.git_requests() > 0).then_some(()));
    let asked = std::time::Instant::now();
    assert_eq!(installed.stop(), Some(0));
    assert!(
        asked.elapsed() < fluxops::controller::DRAIN_TIMEOUT,
        "{:?}",
        asked.elapsed()
    );
}
