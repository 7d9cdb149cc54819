//! What bad input gets: a clear reason everywhere, nothing changed, no secret shown, and healing by the next commit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::semicolon_if_nothing_returned
)]

mod support;

use support::random_hex;
use support::repository::{AgeKey, SigningKey};
use support::world::World;

/// Commits something bad after something good, and looks at everything that has to hold.
fn refused(object: &str, reason: &str, words: &str, spoil: impl FnOnce(&World)) {
    let world = World::new();
    let good = world.commit_good("v1");
    world.once().expect(0);
    world.write_version("v2");
    spoil(&world);

    let run = world.once().expect(1);
    world.assert_failed(&run, object, reason, words);
    assert!(world.has_refused(reason), "the refusal is not in the audit log");

    world.repository.git(&["rm", "-rqf", "--ignore-unmatch", "."]);
    world.repository.git(&["checkout", "-q", &good, "--", "."]);
    world.write_version("v3");
    world.repository.commit(&world.alice, "Heal");
    world.once().expect(0);
    assert_eq!(
        world.version().as_deref(),
        Some("v3"),
        "the next good commit did not heal it"
    );
}

/// The same for a file of the Delivery, in a signed commit.
fn refused_file(reason: &str, words: &str, path: &str, content: &str) {
    refused("delivery/web", reason, words, |world| {
        world.repository.write(path, content);
        world.repository.commit(&world.alice, "Spoil it");
    });
}

#[test]
fn an_unsigned_commit() {
    refused("gitsource/apps", "Unsigned", "sign", |world| {
        drop(world.repository.commit_unsigned("Not mine"));
    });
}

#[test]
fn an_unknown_key() {
    refused("gitsource/apps", "UnknownKey", "SHA256:", |world| {
        let mallory = SigningKey::new(world.repository.path().parent().unwrap(), "mallory@example.org");
        world.repository.commit(&mallory, "Mine now");
    });
}

#[test]
fn tampered_ciphertext() {
    refused("delivery/web", "DecryptionFailed", "apps/secret.yaml", |world| {
        let sealed = world.repository.read("apps/secret.yaml");
        let (before, after) = sealed.split_once("ENC[AES256_GCM,data:").unwrap();
        let flipped = if after.starts_with('A') { 'B' } else { 'A' };
        world.repository.write(
            "apps/secret.yaml",
            &format!("{before}ENC[AES256_GCM,data:{flipped}{}", &after[1..]),
        );
        world.repository.commit(&world.alice, "Tamper");
    });
}

#[test]
fn a_wrong_mac() {
    refused("delivery/web", "DecryptionFailed", "apps/secret.yaml", |world| {
        // What is in the clear is under the MAC as well.
        let sealed = world
            .repository
            .read("apps/secret.yaml")
            .replace("name: db", "name: db2");
        world.repository.write("apps/secret.yaml", &sealed);
        world.repository.commit(&world.alice, "Rename it without its key");
    });
}

#[test]
fn broken_yaml() {
    refused_file(
        "InvalidManifest",
        "apps/broken.yaml:2",
        "apps/broken.yaml",
        "kind: ConfigMap\nmetadata: {name: [\n",
    );
}

#[test]
fn duplicate_keys() {
    refused_file(
        "InvalidManifest",
        "apps/twice.yaml:3",
        "apps/twice.yaml",
        "apiVersion: v1\nkind: ConfigMap\nkind: Secret\nmetadata: {name: a}\n",
    );
}

#[test]
fn an_unknown_kind() {
    refused_file(
        "UnknownKind",
        "Gadget",
        "apps/gadget.yaml",
        "apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: a}\n",
    );
}

#[test]
fn a_symlink() {
    refused("delivery/web", "RefusedFile", "symbolic link", |world| {
        std::os::unix::fs::symlink("/etc/passwd", world.repository.path().join("apps/passwd.yaml")).unwrap();
        world.repository.commit(&world.alice, "Link out");
    });
}

#[test]
fn a_git_lfs_pointer() {
    refused_file(
        "RefusedFile",
        "LFS",
        "apps/big.yaml",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    );
}

#[test]
fn an_unknown_signature_type() {
    refused(
        "gitsource/apps",
        "UnsupportedSignatureType",
        "SSH or OpenPGP",
        |world| {
            world.repository.git(&["add", "-A"]);
            let tree = world.repository.git(&["write-tree"]);
            let parent = world.repository.head();
            let person = "Alice <alice@example.org> 1700000000 +0000";
            world.repository.commit_raw(&format!(
            "tree {}\nparent {parent}\nauthor {person}\ncommitter {person}\ngpgsig -----BEGIN SIGNED MESSAGE-----\n MIIB\n -----END SIGNED MESSAGE-----\n\nBy another tool\n",
            tree.trim()
        ));
        },
    );
}

#[test]
fn a_missing_key() {
    let other = AgeKey::new();
    let recipient = other.recipient.clone();
    refused("delivery/web", "DecryptionFailed", &recipient, |world| {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: other}\nstringData: {a: b}\n";
        world
            .repository
            .write_sealed("apps/other.yaml", secret, &other.recipient);
        world.repository.commit(&world.alice, "Seal for somebody else");
    });
}

#[test]
fn an_alias_bomb() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    refused_file("InvalidManifest", "apps/bomb.yaml:", "apps/bomb.yaml", &bomb);
}

#[test]
fn a_file_of_100_mb() {
    refused_file(
        "RefusedFile",
        "apps/huge.yaml",
        "apps/huge.yaml",
        &"a".repeat(100 * 1024 * 1024),
    );
}

#[test]
fn a_submodule() {
    refused("delivery/web", "RefusedFile", "submodule", |world| {
        world.repository.git(&["add", "-A"]);
        let head = world.repository.head();
        world.repository.git(&[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{head},apps/other"),
        ]);
        world.repository.commit_index(&world.alice, "Add a submodule");
    });
}

#[test]
fn a_namespace_that_does_not_exist() {
    let nowhere = format!("t-{}", random_hex(5));
    refused("delivery/web", "NamespaceNotFound", &nowhere.clone(), |world| {
        let list = format!(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {{name: lost, namespace: {nowhere}}}\n"
        );
        world.repository.write("apps/lost.yaml", &list);
        world.repository.commit(&world.alice, "Aim at nowhere");
    });
}

#[test]
fn a_path_that_leaves_the_source() {
    refused_file(
        "BuildFailed",
        "..",
        "apps/kustomization.yaml",
        "resources: [../../../etc/passwd]\n",
    );
}

#[test]
fn an_immutable_field() {
    refused("delivery/web", "ImmutableField", "db", |world| {
        let with_type = format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: {}\ntype: example.org/other\nstringData:\n  password: {}\n",
            world.namespace.name, world.marker
        );
        world
            .repository
            .write_sealed("apps/secret.yaml", &with_type, &world.age.recipient);
        world
            .repository
            .commit(&world.alice, "Change the type of a Secret");
    });
}

#[test]
fn a_sealed_value_in_a_name() {
    refused(
        "delivery/web",
        "BuildFailed",
        "metadata.name is sealed",
        |world| {
            let secret = format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n",
                world.marker
            );
            world
                .repository
                .write_sealed_where("apps/named.yaml", &secret, &world.age.recipient, "^name$");
            world.repository.commit(&world.alice, "Seal a name");
        },
    );
}
