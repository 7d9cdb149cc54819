//! What specs refer to may change without them: trusted keys, identities, tokens. It is noticed within seconds, though
//! every interval here is an hour.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::format_push_string)]

mod support;

use serde_json::{Value as Json, json};
use support::eventually;
use support::installed::{Installed, condition, holds};
use support::outside::Slack;
use support::repository::AgeKey;

/// The usual start, after which nothing is looked at for an hour.
fn at_rest() -> (Installed, String) {
    let (mut installed, commit) = Installed::with_good_commit();
    installed.world.source["spec"]["interval"] = "1h".into();
    installed.apply(&installed.world.source);
    installed.wait_for("gitsources", "apps", |source| holds(source, "Ready"));
    (installed, commit)
}

/// Events of the audit log of one type.
fn audited(installed: &Installed, type_: &str) -> Vec<Json> {
    let events = installed.world.audit().into_iter();
    events.filter(|event| event["type"] == type_).collect()
}

#[test]
fn a_revoked_key_counts_within_seconds_and_the_new_material_is_on_record_before_it_is_used() {
    let (mut installed, commit) = at_rest();
    let first = audited(&installed, "trustChanged");
    assert_eq!(first.len(), 1, "{first:#?}");
    assert_eq!(first[0]["subject"]["object"]["kind"], "GitSource");

    // The remote is of no help to the revoked key.
    installed.stop_git();
    let signers = installed.world.namespace.core("configmaps", "signers");
    let revoked = json!({"data": {"revoked_keys": installed.world.alice.public()}});
    installed.world.api.merge(&signers, &revoked);
    let refused = installed.wait_for("gitsources", "apps", |source| {
        condition(source, "SourceVerified").is_some_and(|verified| verified["reason"] == "Revoked")
    });
    assert!(!holds(&refused, "Ready"), "{refused:#}");
    installed.wait_reason("deliveries", "web", "SourceNotReady");
    assert_eq!(
        installed.world.version().as_deref(),
        Some("v1"),
        "what was applied stays"
    );

    let events = installed.world.audit();
    let position = |wanted: &dyn Fn(&Json) -> bool| events.iter().rposition(wanted).unwrap();
    let changed = position(&|event| event["type"] == "trustChanged");
    let refusal = position(&|event| event["reason"] == "Revoked" && event["subject"]["commit"] == commit);
    assert!(changed < refusal, "{events:#?}");
    let digests: Vec<Json> = audited(&installed, "trustChanged")
        .iter()
        .map(|event| event["digest"].clone())
        .collect();
    assert_eq!(digests.len(), 2, "{digests:?}");
    assert_ne!(digests[0], digests[1]);

    // The next process knows which material was used last.
    assert_eq!(installed.stop(), Some(0));
    let asked = json!({"metadata": {"annotations": {"fluxops.dev/requestedAt": "now"}}});
    let source = installed.path("gitsources", "apps");
    installed.world.api.merge(&source, &asked);
    installed.start();
    installed.wait_for("gitsources", "apps", |source| {
        source["status"]["lastHandledReconcileAt"] == "now"
    });
    assert_eq!(audited(&installed, "trustChanged").len(), 2);
}

#[test]
fn a_key_that_is_taken_out_counts_for_what_is_applied_already() {
    let (installed, commit) = at_rest();
    let signers = installed.world.namespace.core("configmaps", "signers");
    let another = support::repository::SigningKey::new(installed.world.folder(), "bob@example.org");
    let changed = json!({"data": {"allowed_signers": another.allowed_signer()}});
    installed.world.api.merge(&signers, &changed);
    installed.wait_reason("gitsources", "apps", "UnknownKey");
    // It is applied again, from the revision that was verified while the key was trusted.
    let asked = json!({"metadata": {"annotations": {"fluxops.dev/requestedAt": "now"}}});
    installed
        .world
        .api
        .merge(&installed.path("deliveries", "web"), &asked);
    installed.wait_for("deliveries", "web", |web| {
        web["status"]["lastHandledReconcileAt"] == "now"
    });
    installed.wait_applied("web", &commit);
}

#[test]
fn an_identity_that_is_corrected_opens_what_could_not_be_opened() {
    let (installed, commit) = at_rest();
    let age = installed.world.namespace.core("secrets", "age");
    let identity = |text: &str| json!({"stringData": {"age.agekey": text}});
    let other = AgeKey::new();
    installed.world.api.merge(&age, &identity(&other.text));
    installed.wait_reason("deliveries", "web", "DecryptionFailed");
    installed
        .world
        .api
        .merge(&age, &identity(&installed.world.age.text));
    installed.wait_applied("web", &commit);
    assert!(!installed.log().contains(&other.text));
}

#[test]
fn a_notifier_uses_its_new_secret() {
    let (installed, _) = at_rest();
    let other = Slack::start();
    let slack = installed.world.namespace.core("secrets", "slack");
    let address = json!({"stringData": {"address": other.webhook()}});
    installed.world.api.merge(&slack, &address);
    eventually("the notice", || {
        installed
            .log()
            .lines()
            .any(|line| line.contains("it refers to has changed") && line.contains("notifier/"))
            .then_some(())
    });
    installed.world.write_version("v2");
    let commit = installed.world.repository.commit(&installed.world.alice, "More");
    installed.publish();
    let asked = json!({"metadata": {"annotations": {"fluxops.dev/requestedAt": "now"}}});
    installed
        .world
        .api
        .merge(&installed.path("gitsources", "apps"), &asked);
    eventually("a message at the new address", || {
        let messages = other.messages();
        messages
            .iter()
            .any(|message| message.contains(&commit[..7]))
            .then_some(())
    });
}
