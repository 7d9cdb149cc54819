//! A commit's way into a real cluster, through the whole binary.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::semicolon_if_nothing_returned
)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use support::repository::OpenPgpKey;
use support::world::World;

#[test]
fn a_signed_commit_arrives_and_a_second_run_changes_nothing() {
    let world = World::new();
    let commit = world.commit_good("v1");
    let run = world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v1"));
    let secret = world.api.get(&world.namespace.core("secrets", "db")).unwrap();
    assert_eq!(secret["data"]["password"], BASE64.encode(&world.marker));
    assert_eq!(secret["metadata"]["labels"]["fluxops.dev/delivery"], "web");
    let status = world.status("delivery/web");
    assert_eq!(
        status["status"]["lastAppliedRevision"],
        format!("main@sha1:{commit}")
    );
    assert_eq!(status["status"]["signer"]["identity"], "alice@example.org");
    assert!(
        world
            .slack
            .messages()
            .iter()
            .any(|message| message.contains(&commit[..7]))
    );
    world.assert_no_leak(&run);

    assert_eq!(world.audited("intent"), 1);
    // A change within the second of the last apply would not show, so the first look after it applies again.
    for path in [
        world.namespace.core("configmaps", "version"),
        world.namespace.core("secrets", "db"),
    ] {
        world.api.wait_until_settled(&path);
    }
    world.once().expect(0);
    assert_eq!(
        world.audited("intent"),
        1,
        "nothing changed, so nothing is intended"
    );
}

#[test]
fn what_left_git_is_pruned_where_the_labels_are_ours() {
    let world = World::new();
    let manifest = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {}\n",
            world.namespace.name
        )
    };
    world.repository.write("apps/old.yaml", &manifest("old"));
    world.repository.write("apps/taken.yaml", &manifest("taken"));
    world.commit_good("v1");
    world.once().expect(0);

    let taken = world.namespace.core("configmaps", "taken");
    world.api.merge(
        &taken,
        &json!({"metadata": {"labels": {"fluxops.dev/delivery": "other"}}}),
    );
    world.repository.remove("apps/old.yaml");
    world.repository.remove("apps/taken.yaml");
    world.commit_good("v2");
    world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v2"));
    assert!(
        world
            .api
            .get(&world.namespace.core("configmaps", "old"))
            .is_none()
    );
    assert!(world.api.get(&taken).is_some(), "it has another owner now");
}

#[test]
fn an_empty_source_prunes_nothing_unless_allowed() {
    let mut world = World::new();
    world.commit_good("v1");
    world.once().expect(0);
    world.repository.remove("apps/version.yaml");
    world.repository.remove("apps/secret.yaml");
    world.repository.write("apps/README", "nothing here\n");
    world.repository.commit(&world.alice, "Remove everything");
    world.once().expect(1);
    assert_eq!(world.ready("delivery/web")["reason"], "WouldPruneEverything");
    assert_eq!(world.version().as_deref(), Some("v1"));

    world.delivery["spec"]["allowEmpty"] = true.into();
    world.once().expect(0);
    assert_eq!(world.version(), None);
}

#[test]
fn a_change_by_hand_is_repaired() {
    let world = World::new();
    world.commit_good("v1");
    world.once().expect(0);
    world.api.merge(
        &world.namespace.core("configmaps", "version"),
        &json!({"data": {"version": "by hand"}}),
    );
    world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v1"));
}

/// As Flux users have it: the exported key under a name that ends in `.asc`.
#[test]
fn a_secret_that_is_sealed_for_an_openpgp_key_arrives() {
    let mut world = World::new();
    let key = OpenPgpKey::new();
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: {}\nstringData:\n  password: {}\n",
        world.namespace.name, world.marker
    );
    world.write_version("v1");
    let sealed = key.seal("secret.yaml", &secret);
    world.repository.write("apps/secret.yaml", &sealed);
    world.repository.commit(&world.alice, "Deliver v1");
    // The key is not there yet, and the message says what is wanted.
    let run = world.once().expect(1);
    world.assert_no_leak(&run);
    assert!(run.stderr.contains(&key.fingerprint), "{}", run.stderr);

    world.more.push(json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "openpgp", "namespace": world.namespace.name},
        "stringData": {"flux.asc": key.text, "README": "not a key"},
    }));
    world.delivery["spec"]["decryption"]["secretRef"]["name"] = json!("openpgp");
    let run = world.once().expect(0);
    let secret = world.api.get(&world.namespace.core("secrets", "db")).unwrap();
    assert_eq!(secret["data"]["password"], BASE64.encode(&world.marker));
    world.assert_no_leak(&run);
}
