//! Signed tags: name, target, and what becomes of them when they are moved or altered.

use git_signature::ObjectKind;
use jiff::Timestamp;

use crate::material::{Material, trust};
use crate::object::Object;
use crate::table::{Group, refused, signed_by};
use crate::world::World;

const ADA: &str = "Ada <ada@example.org>";

pub(crate) fn of_an_ssh_key() -> Group {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}\n").as_bytes())]);
    world.commit_ssh("ada");
    let tag = world.tag_ssh("ada", "v1", "HEAD");
    let mut group = Group::new("Tags: SSH", world);
    add_tag(&mut group, &trust, &tag, "ada");
    group
}

pub(crate) fn of_an_openpgp_key() -> Group {
    let world = World::with_gpg();
    let key = world.gpg_key(ADA, "ed25519", "sign", "0");
    let trust = trust([("ada.asc", world.gpg_export(&key).as_bytes())]);
    world.commit_gpg(&key);
    let tag = world.tag_gpg(&key, "v1", "HEAD");
    let mut group = Group::new("Tags: OpenPGP", world);
    add_tag(&mut group, &trust, &tag, ADA);
    group
}

/// The tag `v1`, as it is, and altered without the key.
fn add_tag(group: &mut Group, trust: &Material, tag: &Object, signer: &str) {
    group.tag("as `refs/tags/v1`", trust, tag, "refs/tags/v1", signed_by(signer));
    for found in ["refs/tags/v2", "refs/heads/v1", "refs/tags/refs/tags/v1"] {
        let case = format!("signed as `v1`, found as `{found}`");
        group.tag(case, trust, tag, found, refused("TagNameMismatch"));
    }
    let end = |text: &str| Object {
        kind: ObjectKind::Tag,
        raw: format!("{}{text}", tag.text()).into_bytes(),
    };
    group.tag(
        "one empty line after the signature",
        trust,
        &end("\n"),
        "v1",
        signed_by(signer),
    );
    let again = &tag.text()[tag.unsigned().len()..];
    let renamed = tag.replace("tag v1", "tag v3");
    group.tag("another name", trust, &renamed, "v3", refused("BadSignature"));
    for (case, altered, reason) in [
        (
            "another message",
            tag.replace("A release", "A relapse"),
            "BadSignature",
        ),
        (
            "another type",
            tag.replace("type commit", "type tree"),
            "BadSignature",
        ),
        (
            "a header before the tagger",
            tag.replace("\ntagger", "\nx y\ntagger"),
            "MalformedObject",
        ),
        (
            "a header at the end",
            tag.replace("\n\nA release", "\nx y\n\nA release"),
            "MalformedObject",
        ),
        (
            "the name twice",
            tag.replace("tag v1\n", "tag v3\ntag v1\n"),
            "MalformedObject",
        ),
        ("no tagger", tag.replace("tagger", "taggers"), "MalformedObject"),
        ("junk after the signature", end("junk\n"), "MalformedSignature"),
        (
            "two empty lines after the signature",
            end("\n\n"),
            "MalformedSignature",
        ),
        ("a second signature", end(again), "MultipleSignatures"),
        ("a NUL at the end", end("\0"), "MalformedObject"),
        (
            "the signature taken away",
            Object {
                kind: ObjectKind::Tag,
                raw: tag.unsigned(),
            },
            "Unsigned",
        ),
    ] {
        group.tag(case, trust, &altered, "v1", refused(reason));
    }
}

pub(crate) fn targets() -> Group {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}\n").as_bytes())]);
    let commit = world.commit_ssh("ada");
    world.git(["tag", "-a", "-m", "x", "unsigned"]);
    let unsigned = world.object("unsigned", ObjectKind::Tag);
    let tag = world.tag_ssh("ada", "release/v1", "HEAD");
    let nested = world.tag_ssh("ada", "nested", "release/v1");
    let tree = world.tag_ssh("ada", "tree", "HEAD^{tree}");
    let mut group = Group::new("Tags and what they stand for", world);
    group.tag(
        "a commit, under a name with a slash",
        &trust,
        &tag,
        "refs/tags/release/v1",
        signed_by("ada"),
    );
    group.tag(
        "a commit, without a signature",
        &trust,
        &unsigned,
        "unsigned",
        refused("Unsigned"),
    );
    group.tag("another tag", &trust, &nested, "nested", refused("TagTarget"));
    group.tag("a tree", &trust, &tree, "tree", refused("TagTarget"));
    let disguised = |kind, object: &Object| Object {
        kind,
        raw: object.raw.clone(),
    };
    let as_commit = disguised(ObjectKind::Commit, &tag);
    let as_tag = disguised(ObjectKind::Tag, &commit);
    group.commit(
        "a tag that poses as a commit",
        &trust,
        &as_commit,
        refused("MalformedObject"),
    );
    group.tag(
        "a commit that poses as a tag",
        &trust,
        &as_tag,
        "v1",
        refused("MalformedObject"),
    );
    group
}

#[test]
fn a_tag_leads_to_the_commit_that_was_signed() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}").as_bytes())]);
    let commit = world.commit_ssh("ada").id();
    let tag = world.tag_ssh("ada", "v1", "HEAD");
    for name in ["v1", "refs/tags/v1"] {
        let (_, target) = trust
            .store
            .verify_tag(&tag.raw, tag.id(), name, Timestamp::now())
            .unwrap();
        assert_eq!(target, commit);
    }
}
