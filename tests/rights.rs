//! With whose rights and whose keys a Delivery is applied, where several people share a cluster.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use serde_json::json;
use support::Scratch;
use support::fluxops::Run;
use support::world::World;

/// Lets a service account of the world's namespace apply what `World::commit_good` commits, and nothing else.
fn allow(world: &World, account: &str) {
    let metadata = json!({"name": account, "namespace": world.namespace.name});
    world.api.apply(
        &world.namespace.core("serviceaccounts", account),
        &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
    );
    let rbac = "rbac.authorization.k8s.io/v1";
    world.api.apply(
        &world.namespace.path(rbac, "roles", account),
        &json!({
            "apiVersion": rbac, "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "create", "patch"]}],
        }),
    );
    world.api.apply(
        &world.namespace.path(rbac, "rolebindings", account),
        &json!({
            "apiVersion": rbac, "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": world.namespace.name}],
        }),
    );
}

/// Fails the test unless the Delivery was refused for want of rights, before anything was applied.
fn assert_forbidden(world: &World, run: &Run) {
    let ready = world.ready("delivery/web");
    assert_eq!(
        (ready["status"].as_str(), ready["reason"].as_str()),
        (Some("False"), Some("Forbidden")),
        "{ready}"
    );
    assert!(ready["message"].as_str().unwrap().contains("version"), "{ready}");
    assert_eq!(world.audited("intent"), 0);
    assert_eq!(world.version(), None);
    assert!(world.api.get(&world.namespace.core("secrets", "db")).is_none());
    world.assert_no_leak(run);
}

#[test]
fn a_delivery_is_applied_with_the_rights_of_its_service_account_alone() {
    let mut world = World::new();
    world.commit_good("v1");
    world.delivery["spec"]["serviceAccountName"] = "deployer".into();
    let run = world.once().expect(1);
    assert_forbidden(&world, &run);

    allow(&world, "deployer");
    world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v1"));

    // One object beyond its rights keeps back the others too.
    world.write_version("v2");
    world.repository.write(
        "apps/account.yaml",
        &format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: more, namespace: {}}}\n",
            world.namespace.name
        ),
    );
    world.repository.commit(&world.alice, "Ask for more");
    world.once().expect(1);
    let ready = world.ready("delivery/web");
    assert_eq!(ready["reason"], "Forbidden");
    assert!(
        ready["message"].as_str().unwrap().contains("serviceaccounts"),
        "{ready}"
    );
    assert_eq!(world.version().as_deref(), Some("v1"));
}

#[test]
fn a_delivery_that_names_no_service_account_is_applied_as_the_default_one() {
    let mut world = World::new();
    world.commit_good("v1");
    let default = ["--default-service-account", "tenant"];
    let run = world.once_with(&default).expect(1);
    assert_forbidden(&world, &run);

    allow(&world, "tenant");
    world.once_with(&default).expect(0);
    assert_eq!(world.version().as_deref(), Some("v1"));

    world.write_version("v2");
    world.repository.commit(&world.alice, "Deliver v2");
    world.delivery["spec"]["serviceAccountName"] = "nobody".into();
    world.once_with(&default).expect(1);
    assert_eq!(
        world.ready("delivery/web")["reason"],
        "Forbidden",
        "the Delivery's own name wins"
    );
    assert_eq!(world.version().as_deref(), Some("v1"));
}

#[test]
fn a_default_service_account_that_is_no_name_is_refused() {
    let run = Run::of(&["run", "--default-service-account", "system:masters"]).expect(2);
    assert!(run.stderr.contains("system:masters"), "{}", run.stderr);
}

#[test]
fn identities_of_a_file_are_not_for_custom_resources() {
    let scratch = Scratch::new();
    let state = scratch.path().join("state").display().to_string();
    let run = Run::of(&[
        "run",
        "--once",
        "--age-key-file",
        "/dev/null",
        "--state-dir",
        &state,
    ])
    .expect(2);
    assert!(run.stderr.contains("spec.decryption.secretRef"), "{}", run.stderr);
}
