//! Custom resources that fail: what their conditions, Events and messages say, and what goes on beside them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::format_push_string)]

mod support;

use serde_json::{Value as Json, json};
use support::eventually;
use support::installed::{Installed, condition, holds};
use support::outside::FaultProxy;

/// The Delivery `web` with changes to its spec.
fn changed(installed: &Installed, changes: &Json) -> Json {
    let mut delivery = installed.world.delivery.clone();
    for (field, value) in changes.as_object().unwrap() {
        delivery["spec"][field] = value.clone();
    }
    delivery
}

#[test]
fn a_delivery_that_cannot_be_read_says_so_keeps_its_inventory_and_stalls_no_other() {
    let (installed, commit) = Installed::with_good_commit();
    let before = installed.wait_applied("web", &commit)["status"].clone();
    // The schema of the definition lets it pass: it knows the form of a duration, and no bounds.
    installed.apply(&changed(&installed, &json!({"interval": "1ms"})));
    let said = installed.wait_reason("deliveries", "web", "InvalidSpec");
    assert!(holds(&said, "Stalled"), "{said:#}");
    for field in ["inventory", "lastAppliedRevision", "signer"] {
        assert_eq!(said["status"][field], before[field], "{field}");
        assert!(!said["status"][field].is_null(), "{field}");
    }
    let warning = ("Warning".to_owned(), "InvalidSpec".to_owned());
    eventually("the Event", || {
        installed
            .events("Delivery", "web")
            .contains(&warning)
            .then_some(())
    });
    eventually("a message", || {
        let messages = installed.world.slack.messages();
        messages
            .iter()
            .any(|message| message.contains("InvalidSpec"))
            .then_some(())
    });

    let mut other = installed.world.delivery.clone();
    other["metadata"]["name"] = "other".into();
    other["spec"]["path"] = "other".into();
    installed.world.repository.write(
        "other/other.yaml",
        &format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: other, namespace: {}}}\n",
            installed.world.namespace.name
        ),
    );
    installed.apply(&other);
    let commit = installed.world.repository.commit(&installed.world.alice, "More");
    installed.publish();
    installed.wait_applied("other", &commit);
    assert_eq!(installed.world.version().as_deref(), Some("v1"));

    installed.apply(&installed.world.delivery);
    let mended = installed.wait_applied("web", &commit);
    assert!(condition(&mended, "Stalled").is_none(), "{mended:#}");
}

#[test]
fn an_unreadable_source_is_written_once_and_not_at_each_sight_of_it() {
    let mut installed = Installed::new();
    installed.world.source["spec"]["interval"] = "1ms".into();
    installed.apply(&installed.world.source);
    installed.start();
    let said = installed.wait_reason("gitsources", "apps", "InvalidSpec");
    // What touches it wakes the watch, as the write of its own status does.
    let path = installed.path("gitsources", "apps");
    let label = |value: &str| json!({"metadata": {"labels": {"touched": value}}});
    installed.world.api.merge(&path, &label("once"));
    // Another object that is seen after it: what there was to write is written by then.
    let mut delivery = installed.world.delivery.clone();
    delivery["metadata"]["name"] = "later".into();
    installed.apply(&delivery);
    installed.wait_reason("deliveries", "later", "SourceNotFound");
    let now = installed.world.api.get(&path).unwrap();
    assert_eq!(now["status"], said["status"]);
    let errors = installed.log().matches("an object cannot be read").count();
    assert_eq!(errors, 1, "{}", installed.log());

    assert_eq!(installed.stop(), Some(0));
    installed.start();
    eventually("the second start", || {
        (installed.log().matches("an object cannot be read").count() == 2).then_some(())
    });
    let again = installed.world.api.get(&path).unwrap();
    assert_eq!(again["status"], said["status"]);
}

#[test]
fn work_shows_while_it_goes_on() {
    let (mut installed, _) = Installed::with_good_commit();
    assert_eq!(installed.stop(), Some(0));
    let proxy = FaultProxy::before(&installed.kubeconfig, installed.world.folder());
    let hang = json!({
        "match": {"method": "PATCH", "path_regex": "/configmaps/version$"},
        "action": "hang", "seconds": 3, "count": 1,
    });
    proxy.set(&json!([hang]));
    installed.world.write_version("v2");
    let commit = installed.world.repository.commit(&installed.world.alice, "More");
    installed.publish();
    installed.start_with(&proxy.kubeconfig);
    let working = installed.wait_for("deliveries", "web", |web| holds(web, "Reconciling"));
    let reconciling = condition(&working, "Reconciling").unwrap();
    assert_eq!(reconciling["reason"], "Progressing");
    assert!(
        reconciling["message"].as_str().unwrap().contains(&commit),
        "{reconciling}"
    );
    assert!(holds(&working, "Ready"), "what is there is well: {working:#}");
    let done = installed.wait_applied("web", &commit);
    assert!(condition(&done, "Reconciling").is_none(), "{done:#}");
}

#[test]
fn what_only_a_change_mends_is_stalled_until_then() {
    let (installed, _) = Installed::with_good_commit();
    installed.world.repository.write("apps/broken.yaml", "a: [\n");
    installed
        .world
        .repository
        .commit(&installed.world.alice, "Break it");
    installed.publish();
    let broken = installed.wait_for("deliveries", "web", |web| holds(web, "Stalled"));
    let reason = |type_: &str| condition(&broken, type_).unwrap()["reason"].clone();
    assert_eq!(reason("Stalled"), reason("Ready"));

    installed.world.repository.write("apps/broken.yaml", "");
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Mend it");
    installed.publish();
    let mended = installed.wait_applied("web", &commit);
    assert!(condition(&mended, "Stalled").is_none(), "{mended:#}");

    // A missing source may come at any time.
    let mut lost = changed(&installed, &json!({"sourceRef": {"name": "nowhere"}}));
    lost["metadata"]["name"] = "lost".into();
    installed.apply(&lost);
    let lost = installed.wait_reason("deliveries", "lost", "SourceNotFound");
    assert!(condition(&lost, "Stalled").is_none(), "{lost:#}");
}

#[test]
fn deliveries_that_wait_for_each_other_say_so_until_one_does_not() {
    let (installed, commit) = Installed::with_good_commit();
    let waits_for = |name: &str, other: &str| {
        let mut delivery = changed(&installed, &json!({"dependsOn": [{"name": other}], "path": name}));
        delivery["metadata"]["name"] = name.into();
        delivery
    };
    for name in ["one", "two"] {
        installed.world.repository.write(
            &format!("{name}/{name}.yaml"),
            &format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {}}}\n",
                installed.world.namespace.name
            ),
        );
    }
    installed.apply(&waits_for("one", "two"));
    installed.apply(&waits_for("two", "one"));
    let commit_of_both = installed.world.repository.commit(&installed.world.alice, "Both");
    installed.publish();
    assert_ne!(commit, commit_of_both);
    for (name, way) in [("one", ["one", "two", "one"]), ("two", ["two", "one", "two"])] {
        let said = installed.wait_reason("deliveries", name, "DependencyCycle");
        assert!(holds(&said, "Stalled"), "{said:#}");
        let namespace = &installed.world.namespace.name;
        let way = way.map(|step| format!("delivery/{namespace}/{step}")).join(" → ");
        let message = condition(&said, "Ready").unwrap()["message"].as_str().unwrap();
        assert!(message.contains(&way), "{message}");
    }
    installed.apply(&waits_for("one", "web"));
    installed.wait_applied("one", &commit_of_both);
    installed.wait_applied("two", &commit_of_both);
}

#[test]
fn a_source_that_recovers_says_so() {
    let mut installed = Installed::new();
    let good = installed.world.commit_good("v1");
    installed.publish();
    let url = installed.world.source["spec"]["url"].clone();
    installed.world.source["spec"]["url"] = installed.faulty_url("status/500").into();
    installed.apply(&installed.world.source);
    installed.start();
    let failed = installed.wait_reason("gitsources", "apps", "GitOperationFailed");
    assert!(condition(&failed, "Stalled").is_none(), "{failed:#}");
    installed.world.source["spec"]["url"] = url;
    installed.apply(&installed.world.source);
    installed.wait_for("gitsources", "apps", |source| holds(source, "Ready"));
    let last = ("Normal".to_owned(), "Succeeded".to_owned());
    eventually("the Event", || {
        installed
            .events("GitSource", "apps")
            .contains(&last)
            .then_some(())
    });
    assert!(!good.is_empty());
}

#[test]
fn a_delivery_whose_service_account_is_gone_is_let_go_and_leaves_its_objects() {
    let (installed, _) = Installed::with_good_commit();
    let namespace = &installed.world.namespace;
    let rbac = "rbac.authorization.k8s.io/v1";
    let account = namespace.core("serviceaccounts", "deployer");
    let binding = namespace.path(rbac, "rolebindings", "deployer");
    installed.world.api.apply(
        &account,
        &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer"}}),
    );
    installed.world.api.apply(
        &binding,
        &json!({
            "apiVersion": rbac, "kind": "RoleBinding", "metadata": {"name": "deployer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": namespace.name}],
        }),
    );
    let path = installed.path("deliveries", "web");
    installed.apply(&changed(&installed, &json!({"serviceAccountName": "deployer"})));
    installed.wait_for("deliveries", "web", |web| holds(web, "Ready"));

    // Without its rights it stays, and says what to do.
    installed.world.api.delete(&binding);
    installed.world.api.delete(&path);
    let stuck = installed.wait_reason("deliveries", "web", "Forbidden");
    let message = condition(&stuck, "Ready").unwrap()["message"].as_str().unwrap();
    assert!(message.contains("spec.deletionPolicy"), "{message}");

    installed.world.api.delete(&account);
    let asked = json!({"metadata": {"annotations": {"fluxops.dev/requestedAt": "now"}}});
    installed.world.api.merge(&path, &asked);
    installed.world.api.wait_until_gone(&path);
    assert_eq!(installed.world.version().as_deref(), Some("v1"));
    let refused: Vec<Json> = installed
        .world
        .audit()
        .into_iter()
        .filter(|event| event["reason"] == "ServiceAccountNotFound")
        .collect();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    let left = refused[0]["message"].as_str().unwrap();
    assert!(left.contains("/version"), "{left}");
}

#[test]
fn what_is_not_healthy_stays_so_though_the_next_run_has_nothing_to_change() {
    let (installed, _) = Installed::with_good_commit();
    // Nobody provides a volume of this class.
    let claim = format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data, namespace: {}}}\nspec:\n  storageClassName: nobody\n  accessModes: [ReadWriteOnce]\n  resources: {{requests: {{storage: 1Mi}}}}\n",
        installed.world.namespace.name
    );
    installed.world.repository.write("apps/claim.yaml", &claim);
    let commit = installed.world.repository.commit(&installed.world.alice, "Claim");
    installed.publish();
    installed.wait_applied("web", &commit);
    installed.apply(&changed(&installed, &json!({"wait": true, "timeout": "3s"})));
    let said = installed.wait_reason("deliveries", "web", "HealthCheckTimeout");
    let healthy = condition(&said, "Healthy").unwrap();
    assert_eq!(healthy["status"], "False", "{said:#}");
    assert!(condition(&said, "Stalled").is_none(), "{said:#}");
    let intents = installed.world.audited("intent");
    let asked = json!({"metadata": {"annotations": {"fluxops.dev/requestedAt": "now"}}});
    installed
        .world
        .api
        .merge(&installed.path("deliveries", "web"), &asked);
    let again = installed.wait_for("deliveries", "web", |web| {
        web["status"]["lastHandledReconcileAt"] == "now"
    });
    assert_eq!(
        condition(&again, "Ready").unwrap()["reason"],
        "HealthCheckTimeout"
    );
    assert_eq!(
        installed.world.audited("intent"),
        intents,
        "there was nothing to write"
    );
}
