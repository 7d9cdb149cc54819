//! What others change of what was applied: seen by watches, and corrected, reported or left as the spec says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use fluxops::controller::FIGHT_REPAIRS;
use serde_json::{Value as Json, json};
use support::eventually;
use support::installed::{Installed, condition, holds};

/// A world whose Delivery looks only once an hour by itself, with `version` and `db` applied and watched.
fn watched(changes: &Json) -> Installed {
    let mut installed = Installed::new();
    let commit = installed.world.commit_good("v1");
    for (field, value) in changes.as_object().unwrap() {
        installed.world.delivery["spec"][field] = value.clone();
    }
    installed.publish();
    installed.apply(&installed.world.notifier());
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.start();
    installed.wait_applied("web", &commit);
    installed
}

fn version(installed: &Installed) -> String {
    installed.world.namespace.core("configmaps", "version")
}

fn edit(installed: &Installed, data: &Json) {
    let path = version(installed);
    installed.world.api.merge(&path, &json!({ "data": data }));
}

fn is(installed: &Installed, value: &str) -> Option<()> {
    (installed.world.version().as_deref() == Some(value)).then_some(())
}

/// The triggers of what was written, in their order.
fn triggers(installed: &Installed) -> Vec<String> {
    let events = installed.world.audit().into_iter();
    let intents = events.filter(|event| event["type"] == "intent");
    intents
        .map(|event| event["subject"]["trigger"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_is_deleted_or_edited_is_made_again_long_before_the_interval() {
    let installed = watched(&json!({}));
    installed.world.api.delete(&version(&installed));
    eventually("the deleted ConfigMap", || is(&installed, "v1"));
    installed
        .world
        .api
        .delete(&installed.world.namespace.core("secrets", "db"));
    installed
        .world
        .api
        .wait_for(&installed.world.namespace.core("secrets", "db"), |_| true);
    edit(&installed, &json!({"version": "by hand"}));
    eventually("the edited ConfigMap", || is(&installed, "v1"));
    let no_label = json!({"metadata": {"labels": {"fluxops.dev/delivery": null}}});
    installed.world.api.merge(&version(&installed), &no_label);
    installed.world.api.wait_for(&version(&installed), |live| {
        live["metadata"]["labels"]["fluxops.dev/delivery"] == "web"
    });
    eventually("four corrections", || {
        (triggers(&installed).len() >= 5).then_some(())
    });
    assert_eq!(triggers(&installed)[1..], ["drift"; 4]);
    eventually("what was corrected", || {
        let events = installed.events("Delivery", "web");
        let corrected = ("Normal".to_owned(), "DriftCorrected".to_owned());
        events.contains(&corrected).then_some(())
    });
    let log = installed.log();
    assert!(log.contains("data.version changed by by-hand"), "{log}");
    assert!(!log.contains(&installed.world.marker));
}

#[test]
fn what_is_not_ours_asks_for_nothing() {
    let mut installed = Installed::new();
    let namespace = installed.world.namespace.name.clone();
    let deployment = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {namespace}}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    \
         spec: {{containers: [{{name: web, image: 'example.org/web:1'}}]}}\n"
    );
    installed.world.repository.write("apps/web.yaml", &deployment);
    let commit = installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.start();
    installed.wait_applied("web", &commit);
    // Its controllers write its status again and again.
    let path = installed.world.namespace.path("apps/v1", "deployments", "web");
    installed
        .world
        .api
        .wait_for(&path, |live| live["status"]["availableReplicas"] == 1);
    edit(&installed, &json!({"added": "by hand"}));
    // What is seen after these comes after them.
    edit(&installed, &json!({"version": "by hand"}));
    eventually("the edited ConfigMap", || is(&installed, "v1"));
    let live = installed.world.api.get(&version(&installed)).unwrap();
    assert_eq!(live["data"]["added"], "by hand");
    eventually("one correction", || {
        (triggers(&installed).len() >= 2).then_some(())
    });
    assert_eq!(triggers(&installed)[1..], ["drift"]);
    let log = installed.log();
    let seen = log
        .lines()
        .filter(|line| line.contains("was changed\"") || line.contains("something that it applied"));
    assert_eq!(seen.count(), 1, "{log}");
}

#[test]
fn drift_that_is_only_to_be_detected_is_reported_and_left() {
    let installed = watched(&json!({"drift": "Detect"}));
    edit(&installed, &json!({"version": "by hand"}));
    let web = installed.wait_for("deliveries", "web", |web| holds(web, "Drifted"));
    let drifted = condition(&web, "Drifted").unwrap();
    assert_eq!(drifted["reason"], "DriftDetected");
    let message = drifted["message"].as_str().unwrap();
    let expected = format!(
        "ConfigMap/{}/version: data.version changed by by-hand",
        installed.world.namespace.name
    );
    assert!(message.contains(&expected), "{message}");
    assert!(holds(&web, "Ready"), "{web:#}");
    eventually("a message", || {
        let messages = installed.world.slack.messages();
        messages
            .iter()
            .any(|message| message.contains("DriftDetected"))
            .then_some(())
    });
    installed
        .world
        .api
        .delete(&installed.world.namespace.core("secrets", "db"));
    installed.wait_for("deliveries", "web", |web| {
        condition(web, "Drifted")
            .is_some_and(|drifted| drifted["message"].as_str().unwrap().contains("db: it is gone"))
    });
    assert_eq!(installed.world.version().as_deref(), Some("by hand"));
    assert_eq!(triggers(&installed).len(), 1);

    let path = installed.path("deliveries", "web");
    let asked = json!({"metadata": {"annotations": {"fluxops.dev/requestedAt": "now"}}});
    installed.world.api.merge(&path, &asked);
    installed.wait_for("deliveries", "web", |web| condition(web, "Drifted").is_none());
    assert_eq!(installed.world.version().as_deref(), Some("v1"));
}

#[test]
fn drift_that_is_to_be_ignored_stays_until_the_next_commit() {
    let installed = watched(&json!({"drift": "Ignore", "interval": "1s"}));
    edit(&installed, &json!({"version": "by hand"}));
    let runs = || installed.log().matches("delivery reconciled").count();
    let before = runs();
    eventually("two more rounds", || (runs() >= before + 2).then_some(()));
    assert_eq!(installed.world.version().as_deref(), Some("by hand"));
    installed.world.write_version("v2");
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Deliver v2");
    installed.publish();
    installed.wait_applied("web", &commit);
    assert_eq!(installed.world.version().as_deref(), Some("v2"));
}

#[test]
fn who_changes_the_same_again_and_again_is_named() {
    let installed = watched(&json!({}));
    for index in 0..=FIGHT_REPAIRS {
        edit(&installed, &json!({"version": format!("by hand {index}")}));
        eventually("the edited ConfigMap", || is(&installed, "v1"));
    }
    let web = installed.wait_for("deliveries", "web", |web| holds(web, "Drifted"));
    let drifted = condition(&web, "Drifted").unwrap();
    assert_eq!(drifted["reason"], "DriftFight");
    assert!(
        drifted["message"]
            .as_str()
            .unwrap()
            .contains("by-hand changes ConfigMap"),
        "{drifted}"
    );
    let warned = ("Warning".to_owned(), "DriftFight".to_owned());
    assert!(installed.events("Delivery", "web").contains(&warned));
}

#[test]
fn what_may_not_be_watched_is_said() {
    let mut installed = Installed::new();
    let namespace = installed.world.namespace.name.clone();
    let rbac = "rbac.authorization.k8s.io/v1";
    let metadata = json!({"name": "blind", "namespace": namespace});
    let api = &installed.world.api;
    api.apply(
        &installed.world.namespace.core("serviceaccounts", "blind"),
        &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
    );
    api.apply(
        &installed.world.namespace.path(rbac, "roles", "blind"),
        &json!({"apiVersion": rbac, "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "create", "patch"]}]}),
    );
    api.apply(
        &installed.world.namespace.path(rbac, "rolebindings", "blind"),
        &json!({"apiVersion": rbac, "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "blind"},
            "subjects": [{"kind": "ServiceAccount", "name": "blind", "namespace": namespace}]}),
    );
    installed.world.delivery["spec"]["serviceAccountName"] = "blind".into();
    installed.world.delivery["spec"]["interval"] = "1s".into();
    let commit = installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.start();
    installed.wait_applied("web", &commit);
    let said = ("Warning".to_owned(), "DriftNotWatched".to_owned());
    eventually("that it is not watched", || {
        installed.events("Delivery", "web").contains(&said).then_some(())
    });
    let log = installed.log();
    assert!(
        log.contains("configmaps (v1) in") && log.contains("service account"),
        "{log}"
    );
    edit(&installed, &json!({"version": "by hand"}));
    eventually("the interval", || is(&installed, "v1"));
}
