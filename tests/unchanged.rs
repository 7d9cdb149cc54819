//! A commit runs the Deliveries that read something which it changes, and no others.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use serde_json::{Value as Json, json};
use support::eventually;
use support::installed::{Installed, holds};
use support::outside::FaultProxy;

/// The usual start with a second Delivery, which is a kustomization upon a base and looks for a component.
fn two_deliveries() -> Installed {
    let mut installed = Installed::new();
    let world = &mut installed.world;
    world.source["spec"]["interval"] = "1s".into();
    let namespace = world.namespace.name.clone();
    let map =
        |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: b}}\n");
    world.repository.write(
        "other/kustomization.yaml",
        "resources: [../base, own.yaml]\nnamePrefix: other-\n",
    );
    world.repository.write("other/own.yaml", &map("own"));
    world
        .repository
        .write("base/kustomization.yaml", "resources: [map.yaml]\n");
    world.repository.write("base/map.yaml", &map("base"));
    let commit = world.commit_good("v1");
    let mut other = world.delivery.clone();
    other["metadata"]["name"] = "other".into();
    other["spec"]["path"] = "other".into();
    other["spec"]["targetNamespace"] = namespace.into();
    other["spec"]["components"] = json!(["../parts/note"]);
    other["spec"]["ignoreMissingComponents"] = true.into();
    other["spec"]["dependsOn"] = json!([{"name": "web"}]);
    installed.publish();
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.apply(&other);
    installed.start();
    installed.wait_applied("web", &commit);
    installed.wait_applied("other", &commit);
    installed
}

impl Installed {
    /// Commits what was written, waits until both Deliveries have it, and says which of them were run for it.
    fn runs_for(&self, message: &str) -> Vec<String> {
        let commit = self.world.repository.commit(&self.world.alice, message);
        self.publish();
        for delivery in ["other", "web"] {
            self.wait_applied(delivery, &commit);
        }
        let log = self.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let mut ran: Vec<String> = lines
            .filter(|line| line["message"] == "delivery reconciled")
            .filter(|line| {
                line["commit"]
                    .as_str()
                    .is_some_and(|name| name.ends_with(&commit))
            })
            .map(|line| {
                line["object"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        ran.sort();
        ran
    }
}

#[test]
fn a_commit_runs_what_it_changes() {
    let installed = two_deliveries();
    let repository = &installed.world.repository;

    installed.world.write_version("v2");
    assert_eq!(installed.runs_for("Change a file of the one"), ["web"]);
    assert_eq!(installed.world.version().as_deref(), Some("v2"));

    repository.write("README.md", "Nobody reads this.\n");
    assert!(installed.runs_for("Change what nobody reads").is_empty());

    repository.write(
        "base/map.yaml",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: base}, data: {a: c}}\n",
    );
    assert_eq!(installed.runs_for("Change the base of the other"), ["other"]);
    let map = installed.world.namespace.core("configmaps", "other-base");
    assert_eq!(installed.world.api.get(&map).unwrap()["data"]["a"], "c");

    let component =
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {note: new}\n";
    repository.write("parts/note/kustomization.yaml", component);
    assert_eq!(installed.runs_for("Add what was looked for in vain"), ["other"]);
    let other = installed.world.api.get(&map).unwrap();
    assert_eq!(other["metadata"]["annotations"]["note"], "new");

    repository.remove("apps/secret.yaml");
    assert_eq!(installed.runs_for("Remove a file of a folder"), ["web"]);
    let secret = installed.world.namespace.core("secrets", "db");
    assert!(installed.world.api.get(&secret).is_none(), "it is pruned");
}

#[test]
fn what_failed_is_run_whatever_is_committed() {
    let installed = two_deliveries();
    let repository = &installed.world.repository;
    repository.write("apps/version.yaml", "apiVersion: [\n");
    repository.commit(&installed.world.alice, "Break the one");
    installed.publish();
    installed.wait_for("deliveries", "web", |web| !holds(web, "Ready"));
    repository.write("README.md", "Nobody reads this.\n");
    let commit = repository.commit(&installed.world.alice, "Change what nobody reads");
    installed.publish();
    installed.wait_for("deliveries", "web", |web| {
        let attempted = web["status"]["lastAttemptedRevision"].as_str();
        attempted.is_some_and(|revision| revision.ends_with(&commit)) && !holds(web, "Ready")
    });
    installed.world.write_version("v3");
    assert_eq!(installed.runs_for("Mend it"), ["web"]);
}

#[test]
fn at_the_interval_a_list_of_each_kind_stands_for_its_objects() {
    let mut installed = Installed::new();
    installed.world.delivery["spec"]["interval"] = "1s".into();
    let commit = installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    let proxy = FaultProxy::before(&installed.kubeconfig, installed.world.folder());
    installed.start_with(&proxy.kubeconfig);
    installed.wait_applied("web", &commit);
    let version = installed.world.namespace.core("configmaps", "version");
    let secret = installed.world.namespace.core("secrets", "db");
    // What was applied just now is looked at once more.
    installed.world.api.wait_until_settled(&version);
    installed.world.api.wait_until_settled(&secret);
    let runs = || installed.log().matches("delivery reconciled").count();
    let rounds = |more: usize| {
        let before = runs();
        eventually("some rounds", || (runs() >= before + more).then_some(()));
    };
    rounds(2);
    let before = proxy.requests().len();
    rounds(3);
    let asked = proxy.requests().split_off(before);
    let asked: Vec<String> = asked.iter().map(Json::to_string).collect();
    let about = |what: &str| asked.iter().filter(|request| request.contains(what)).count();
    assert_eq!((about(&version), about(&secret)), (0, 0), "{asked:#?}");
    assert!(about("PATCH") == 0, "{asked:#?}");
    for plural in ["configmaps", "secrets"] {
        let lists = asked
            .iter()
            .filter(|request| request.contains(plural) && request.contains("limit=500"));
        assert!((2..=4).contains(&lists.count()), "{asked:#?}");
    }

    installed
        .world
        .api
        .merge(&version, &json!({"data": {"version": "by hand"}}));
    eventually("the edited ConfigMap", || {
        (installed.world.version().as_deref() == Some("v1")).then_some(())
    });
    installed.world.write_version("v2");
    let commit = installed
        .world
        .repository
        .commit(&installed.world.alice, "Deliver v2");
    installed.publish();
    installed.wait_applied("web", &commit);
    assert_eq!(installed.world.version().as_deref(), Some("v2"));
}
