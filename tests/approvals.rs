//! Who has to have signed what stands at a path, delivered: `verify.rules` of a source, and `verify` of a Delivery.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use serde_json::{Value as Json, json};
use support::eventually;
use support::installed::Installed;
use support::repository::SigningKey;
use support::world::World;

/// A world in which Bob is trusted beside Alice.
fn world() -> (World, SigningKey) {
    let mut world = World::new();
    let bob = SigningKey::new(world.folder(), "bob@example.org");
    let signers = [world.alice.allowed_signer(), bob.allowed_signer()].concat();
    world.more = vec![json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "people", "namespace": world.namespace.name},
        "data": {"allowed_signers": signers},
    })];
    world.source["spec"]["verify"] = json!({"trustRef": {"kind": "ConfigMap", "name": "people"}});
    (world, bob)
}

fn approve(world: &World, by: &SigningKey, name: &str) {
    let name = format!("approvals/apps/{name}");
    let tag = ["tag", "-s", "-m", "Approved", &name, "HEAD:apps"];
    world.repository.git_with(by, &tag);
}

#[test]
fn what_two_have_to_sign_waits_for_the_second() {
    let (mut world, bob) = world();
    world.commit_good("v1");
    world.once().expect(0);
    // What is there already has to be signed for as well.
    let two = json!([{"paths": ["apps/**"], "threshold": 2}]);
    world.source["spec"]["verify"]["rules"] = two.clone();
    let run = world.once().expect(1);
    world.assert_failed(&run, "gitsource/apps", "ApprovalMissing", "");
    let commit = world.commit_good("v1.1");
    let run = world.once().expect(1);
    world.assert_failed(&run, "gitsource/apps", "ApprovalMissing", &commit);
    world.repository.git(&["reset", "-q", "--hard", "HEAD~1"]);
    approve(&world, &bob, "1");
    world.once().expect(0);

    // Elsewhere one is enough.
    world.repository.write("README", "x");
    world.repository.commit(&world.alice, "Document");
    world.once().expect(0);
    // Bob goes, and what he approved stays approved; for what is new somebody else has to be found.
    world.more[0]["data"]["allowed_signers"] = world.alice.allowed_signer().into();
    world.repository.write("README", "y");
    world.repository.commit(&world.alice, "Document");
    world.once().expect(0);
    let second = world.commit_good("v2");
    approve(&world, &bob, "2");
    let run = world.once().expect(1);
    world.assert_failed(&run, "gitsource/apps", "ApprovalMissing", &second);
    assert_eq!(world.version().as_deref(), Some("v1"));
    // Other rules are held against all that is there.
    world.repository.git(&["reset", "-q", "--hard", "HEAD~1"]);
    world.once().expect(0);
    world.source["spec"]["verify"]["rules"] =
        json!([{"paths": ["apps"], "threshold": 2, "signers": ["*@example.org"]}]);
    let run = world.once().expect(1);
    world.assert_failed(&run, "gitsource/apps", "ApprovalMissing", "");
    // His key is revoked, which says more than that it is gone.
    world.source["spec"]["verify"]["rules"] = two;
    world.once().expect(0);
    world.more[0]["data"]["revoked_keys"] = bob.public().into();
    let run = world.once().expect(1);
    world.assert_failed(&run, "gitsource/apps", "Revoked", "");
}

#[test]
fn a_delivery_may_ask_for_more_than_its_source() {
    let (mut world, bob) = world();
    let kustomization = |resources: &str| {
        let kind = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
        format!(
            "{kind}namespace: {}\nresources: [{resources}]\n",
            world.namespace.name
        )
    };
    let base = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: base\n";
    world.repository.write("base/base.yaml", base);
    world
        .repository
        .write("base/kustomization.yaml", &kustomization("base.yaml"));
    let with_base = kustomization("version.yaml, ../base");
    world.commit_good("v1");
    world.once().expect(0);
    world.delivery["spec"]["verify"] = json!({"threshold": 2});
    world.repository.write("apps/notes", "x");
    let commit = world.repository.commit(&world.alice, "Notes");
    let run = world.once().expect(1);
    world.assert_failed(&run, "delivery/web", "ApprovalMissing", &commit);
    assert_eq!(world.ready("gitsource/apps")["status"], "True");
    approve(&world, &bob, "1");
    world.once().expect(0);

    // What it reads elsewhere has to be signed for as well.
    world.repository.write("apps/kustomization.yaml", &with_base);
    world.repository.commit(&world.alice, "Base");
    approve(&world, &bob, "2");
    let run = world.once().expect(1);
    world.assert_failed(&run, "delivery/web", "PathNotCovered", "base");
    world.delivery["spec"]["verify"]["paths"] = json!(["apps", "base"]);
    let run = world.once().expect(1);
    world.assert_failed(&run, "delivery/web", "ApprovalMissing", "approvals/base/");
    let tag = ["tag", "-s", "-m", "Approved", "approvals/base/1", "HEAD:base"];
    world.repository.git_with(&bob, &tag);
    world.once().expect(0);

    // Nobody is known where nothing is verified, and a rule that is none is said to be.
    world.delivery["spec"]["verify"] = json!({"paths": ["*"]});
    let run = world.once().expect(1);
    world.assert_failed(&run, "delivery/web", "InvalidRule", "");
    world.delivery["spec"]["verify"] = json!({});
    world.source["spec"]["verify"] = json!({"mode": "None"});
    let run = world.once().expect(1);
    world.assert_failed(&run, "delivery/web", "NobodyTrusted", "");
}

#[test]
fn a_tag_is_noticed_without_a_commit_and_polls_verify_nothing() {
    let mut installed = Installed::new();
    let bob = SigningKey::new(installed.world.folder(), "bob@example.org");
    let signers = [installed.world.alice.allowed_signer(), bob.allowed_signer()].concat();
    let people = |installed: &Installed, data: Json| {
        let path = installed.world.namespace.core("configmaps", "people");
        let people =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "people"}, "data": data});
        installed.world.api.apply(&path, &people);
    };
    people(&installed, json!({"allowed_signers": signers}));
    installed.world.source["spec"]["verify"] = json!({"trustRef": {"kind": "ConfigMap", "name": "people"}});
    installed.world.delivery["spec"]["verify"] = json!({"threshold": 2});
    let commit = installed.world.commit_good("v1");
    installed.publish();
    installed.apply(&installed.world.source);
    installed.apply(&installed.world.delivery);
    installed.start();
    installed.wait_reason("deliveries", "web", "ApprovalMissing");
    approve(&installed.world, &bob, "1");
    let bare = installed
        .world
        .folder()
        .join("served/apps.git")
        .display()
        .to_string();
    installed
        .world
        .repository
        .git(&["push", "-q", &bare, "refs/tags/approvals/apps/1"]);
    installed.wait_applied("web", &commit);

    let verifications = || installed.metric("fluxops_source_verifications_total");
    let before = verifications();
    let polls = installed.git_requests();
    eventually("some more polls", || {
        (installed.git_requests() > polls + 6).then_some(())
    });
    assert_eq!(verifications(), before);
    assert!(before > 0);
    // Keys that change are held against what is there at once.
    people(
        &installed,
        json!({"allowed_signers": signers, "revoked_keys": bob.public()}),
    );
    eventually("another verification", || {
        (verifications() > before).then_some(())
    });
    assert_eq!(installed.stop(), Some(0));
}
