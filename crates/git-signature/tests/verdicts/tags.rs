//! Signed tags: name, target, and what becomes of them when they are moved or altered.

use git_signature::{ObjectId, ObjectKind, TrustStore};
use jiff::Timestamp;

use crate::world::{Object, World, trust};

fn verdict(trust: &TrustStore, tag: &Object, ref_name: &str) -> Result<(String, ObjectId), &'static str> {
    trust
        .verify_tag(&tag.raw, tag.id(), ref_name, Timestamp::now())
        .map(|(signer, commit)| (signer.identity, commit))
        .map_err(|refusal| refusal.reason())
}

#[test]
fn tags_by_both_kinds_of_keys_are_accepted_under_their_own_name() {
    let world = World::with_gpg();
    let ssh = world.ssh_key("ada", &["-t", "ed25519"]);
    let gpg = world.gpg_key("Ada <ada@example.org>", "ed25519", "sign", "0");
    let trust = trust([
        ("allowed_signers", format!("ada {ssh}").as_bytes()),
        ("ada.asc", world.gpg_export(&gpg).as_bytes()),
    ]);
    let commit = world.commit_ssh("ada").id();
    let by_ssh = world.tag_ssh("ada", "v1", "HEAD");
    let by_gpg = world.tag_gpg(&gpg, "release/v2", "HEAD");
    assert_eq!(
        verdict(&trust, &by_ssh, "refs/tags/v1"),
        Ok(("ada".to_owned(), commit))
    );
    assert_eq!(verdict(&trust, &by_ssh, "v1"), Ok(("ada".to_owned(), commit)));
    assert_eq!(
        verdict(&trust, &by_gpg, "refs/tags/release/v2"),
        Ok(("Ada <ada@example.org>".to_owned(), commit))
    );
    for elsewhere in [
        "v2",
        "refs/tags/v2",
        "refs/heads/v1",
        "refs/tags/refs/tags/v1",
        "",
    ] {
        assert_eq!(
            verdict(&trust, &by_ssh, elsewhere),
            Err("TagNameMismatch"),
            "{elsewhere}"
        );
    }
}

#[test]
fn tags_of_other_things_than_commits_are_refused() {
    let world = World::new();
    let ssh = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {ssh}").as_bytes())]);
    world.commit_ssh("ada");
    world.tag_ssh("ada", "v1", "HEAD");
    assert_eq!(
        verdict(&trust, &world.tag_ssh("ada", "nested", "v1"), "nested"),
        Err("TagTarget")
    );
    assert_eq!(
        verdict(&trust, &world.tag_ssh("ada", "tree", "HEAD^{tree}"), "tree"),
        Err("TagTarget")
    );
}

#[test]
fn altered_tags_are_refused() {
    let world = World::with_gpg();
    let ssh = world.ssh_key("ada", &["-t", "ed25519"]);
    let gpg = world.gpg_key("Ada <ada@example.org>", "ed25519", "sign", "0");
    let trust = trust([
        ("allowed_signers", format!("ada {ssh}").as_bytes()),
        ("ada.asc", world.gpg_export(&gpg).as_bytes()),
    ]);
    world.commit_ssh("ada");
    world.git(["tag", "-a", "-m", "x", "unsigned"]);
    let unsigned = world.object("unsigned", ObjectKind::Tag);
    assert_eq!(verdict(&trust, &unsigned, "unsigned"), Err("Unsigned"));

    for tag in [
        world.tag_ssh("ada", "v1", "HEAD"),
        world.tag_gpg(&gpg, "v2", "HEAD"),
    ] {
        let name = if tag.text().contains("tag v1") { "v1" } else { "v2" };
        assert!(verdict(&trust, &tag, name).is_ok());
        let end = |text: &str| Object {
            kind: ObjectKind::Tag,
            raw: format!("{}{text}", tag.text()).into_bytes(),
        };
        let again = tag.text()[tag.unsigned().len()..].to_owned();
        for (what, altered, reason) in [
            (
                "renamed",
                tag.replace(&format!("tag {name}"), "tag v3"),
                "BadSignature",
            ),
            ("message", tag.replace("A release", "A relapse"), "BadSignature"),
            ("type", tag.replace("type commit", "type tag"), "BadSignature"),
            (
                "header",
                tag.replace("\ntagger", "\nx y\ntagger"),
                "MalformedObject",
            ),
            (
                "header at the end",
                tag.replace("\n\nA release", "\nx y\n\nA release"),
                "MalformedObject",
            ),
            (
                "tag twice",
                tag.replace(&format!("tag {name}\n"), &format!("tag v3\ntag {name}\n")),
                "MalformedObject",
            ),
            ("junk after the signature", end("junk\n"), "MalformedSignature"),
            ("a second signature", end(&again), "MultipleSignatures"),
            ("NUL", end("\0"), "MalformedObject"),
        ] {
            let found = if what == "renamed" { "v3" } else { name };
            assert_eq!(
                verdict(&trust, &altered, found),
                Err(reason),
                "{what}: {}",
                altered.text()
            );
        }
    }
}

#[test]
fn a_commit_is_no_tag_and_a_tag_no_commit() {
    let world = World::new();
    let ssh = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {ssh}").as_bytes())]);
    let commit = world.commit_ssh("ada");
    let tag = world.tag_ssh("ada", "v1", "HEAD");
    let now = Timestamp::now();
    assert_eq!(verdict(&trust, &commit, "v1"), Err("MalformedObject"));
    assert_eq!(
        trust.verify_commit(&tag.raw, tag.id(), now).unwrap_err().reason(),
        "MalformedObject"
    );
    let disguised = Object {
        kind: ObjectKind::Tag,
        raw: commit.raw,
    };
    assert_eq!(verdict(&trust, &disguised, "v1"), Err("MalformedObject"));
}
