//! What becomes of a signed commit when it is altered without the key. Git 2.39 accepts some of these.

use git_signature::{ObjectId, ObjectKind, TrustStore};
use jiff::Timestamp;

use crate::world::{Object, World, armor, days_ago, dearmor, replace_bytes, trust, verdict};

const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
const OTHER_TREE: &str = "tree 1111111111111111111111111111111111111111\n";

/// What is altered, how, and the reason of the refusal.
type Alteration = (&'static str, fn(&Object) -> Object, &'static str);

/// Alterations that hold for every kind of signature, with the reason of their refusal.
const ALTERATIONS: [Alteration; 26] = [
    ("another tree", |c| c.replace(TREE, OTHER_TREE), "BadSignature"),
    (
        "another author",
        |c| c.replace("author Ada", "author Eve"),
        "BadSignature",
    ),
    (
        "another committer",
        |c| c.replace("committer Ada", "committer Eve"),
        "BadSignature",
    ),
    (
        "another message",
        |c| c.replace("Change something", "Change everything"),
        "BadSignature",
    ),
    (
        "another parent",
        |c| c.replace(TREE, &format!("{TREE}parent {}\n", "1".repeat(40))),
        "BadSignature",
    ),
    (
        "a header that Git does not know",
        |c| c.replace("gpgsig ", "x-header y\ngpgsig "),
        "BadSignature",
    ),
    (
        "an encoding",
        |c| c.replace("gpgsig ", "encoding latin1\ngpgsig "),
        "BadSignature",
    ),
    (
        "a newline at the end",
        |c| Object::commit(format!("{}\n", c.text())),
        "BadSignature",
    ),
    (
        "CRLF in the message",
        |c| c.replace("Change something\n", "Change something\r\n"),
        "BadSignature",
    ),
    // Git leaves this header out of what is signed, and accepts it.
    (
        "gpgsig-foo",
        |c| c.replace("gpgsig ", "gpgsig-foo junk\ngpgsig "),
        "MalformedObject",
    ),
    (
        "gpgsig-foo after the signature",
        |c| after_signature(c, "gpgsig-foo junk\n"),
        "MalformedObject",
    ),
    // Git leaves this header out of what is signed, and accepts it.
    (
        "gpgsig-sha256",
        |c| after_signature(c, "gpgsig-sha256 junk\n"),
        "UnsupportedObjectFormat",
    ),
    // Git verifies the two as one text and accepts it where the reader stops after the first (SSH).
    ("gpgsig twice", |c| repeat_signature(c), "MultipleSignatures"),
    (
        "two blocks in one header",
        |c| c.with_signature(&format!("{0}\n{0}", c.signature())),
        "MultipleSignatures",
    ),
    ("gpgsig first", |c| move_signature_first(c), "MalformedObject"),
    (
        "tree twice",
        |c| c.replace(TREE, &format!("{OTHER_TREE}{TREE}")),
        "MalformedObject",
    ),
    (
        "tree again at the end",
        |c| after_signature(c, OTHER_TREE),
        "MalformedObject",
    ),
    (
        "author twice",
        |c| c.replace("author Ada", "author Eve <e@example.org> 1 +0000\nauthor Ada"),
        "MalformedObject",
    ),
    (
        "a NUL at the end",
        |c| Object::commit(format!("{}\0junk", c.text())),
        "MalformedObject",
    ),
    (
        "CRLF in the headers",
        |c| c.replace("gpgsig ", "x y\r\ngpgsig "),
        "MalformedObject",
    ),
    (
        "CRLF in the signature",
        |c| c.replace(" SIGNATURE-----\n ", " SIGNATURE-----\r\n "),
        "MalformedObject",
    ),
    // Git's readers of armor stop at the END line, and accept this.
    (
        "junk after the end of the armor",
        |c| c.with_signature(&format!("{}\njunk", c.signature())),
        "MalformedSignature",
    ),
    (
        "junk before the armor",
        |c| c.with_signature(&format!("junk\n{}", c.signature())),
        "UnsupportedSignatureType",
    ),
    // Readers of base64 skip white space, and accept this.
    (
        "a space in the base64",
        |c| change_base64(c, |line| format!("{} {}", &line[..8], &line[8..])),
        "MalformedSignature",
    ),
    (
        "a line broken in two",
        |c| change_base64(c, |line| format!("{}\n{}", &line[..8], &line[8..])),
        "MalformedSignature",
    ),
    (
        "no end of the armor",
        |c| c.with_signature(c.signature().split("\n-----END").next().unwrap()),
        "MalformedSignature",
    ),
];

fn after_signature(commit: &Object, headers: &str) -> Object {
    let marker = "SIGNATURE-----\n\nChange";
    commit.replace(marker, &format!("SIGNATURE-----\n{headers}\nChange"))
}

fn repeat_signature(commit: &Object) -> Object {
    let folded = commit.signature().replace('\n', "\n ");
    commit.replace("gpgsig ", &format!("gpgsig {folded}\ngpgsig "))
}

fn move_signature_first(commit: &Object) -> Object {
    let folded = commit.signature().replace('\n', "\n ");
    Object::commit(format!(
        "gpgsig {folded}\n{}",
        String::from_utf8(commit.unsigned()).unwrap()
    ))
}

/// Changes the first long line of the signature's base64.
fn change_base64(commit: &Object, change: fn(&str) -> String) -> Object {
    let signature = commit.signature();
    let line = signature
        .lines()
        .find(|line| line.len() > 60 && !line.starts_with("---"))
        .unwrap();
    commit.with_signature(&signature.replacen(line, &change(line), 1))
}

fn check_alterations(trust: &TrustStore, commit: &Object, other: &Object) {
    assert!(
        trust
            .verify_commit(&commit.raw, commit.id(), Timestamp::now())
            .is_ok()
    );
    for (what, alter, reason) in ALTERATIONS {
        let altered = alter(commit);
        assert_ne!(altered.raw, commit.raw, "{what}");
        assert_eq!(
            verdict(trust, &altered),
            reason,
            "{what}:\n{}",
            String::from_utf8_lossy(&altered.raw)
        );
    }
    assert_eq!(
        verdict(trust, &commit.with_signature(&other.signature())),
        "BadSignature"
    );

    // One empty line after the armor is what forges write there.
    assert!(
        trust
            .verify_commit(&commit.raw, commit.id(), Timestamp::now())
            .is_ok()
    );
    let spaced = commit.with_signature(&format!("{}\n", commit.signature()));
    assert!(
        trust
            .verify_commit(&spaced.raw, spaced.id(), Timestamp::now())
            .is_ok()
    );
    let spaced = commit.with_signature(&format!("{}\n\n", commit.signature()));
    assert_eq!(verdict(trust, &spaced), "MalformedSignature");

    // Under another name, even the honest commit is refused.
    let wrong = ObjectId::from_bytes([7; 20]);
    let refusal = trust
        .verify_commit(&commit.raw, wrong, Timestamp::now())
        .unwrap_err();
    assert_eq!(refusal.reason(), "MalformedObject");
}

#[test]
fn an_altered_commit_with_an_ssh_signature_is_refused() {
    let world = World::new();
    for (name, options) in [
        ("ed25519", &["-t", "ed25519"][..]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
    ] {
        let key = world.ssh_key(name, options);
        let trust = trust([("allowed_signers", format!("ada {key}").as_bytes())]);
        world.git(["checkout", "-q", "--orphan", name]);
        let commit = world.commit_ssh(name);
        check_alterations(&trust, &commit, &world.commit_ssh(name));
    }
}

#[test]
fn an_altered_commit_with_an_openpgp_signature_is_refused() {
    let world = World::with_gpg();
    for algorithm in ["ed25519", "rsa2048"] {
        let key = world.gpg_key(&format!("{algorithm} <ada@example.org>"), algorithm, "sign", "0");
        let trust = trust([("ada.asc", world.gpg_export(&key).as_bytes())]);
        world.git(["checkout", "-q", "--orphan", algorithm]);
        let commit = world.commit_gpg(&key);
        check_alterations(&trust, &commit, &world.commit_gpg(&key));
    }
}

#[test]
fn a_signed_tag_inside_a_merge_does_not_sign_the_merge() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}").as_bytes())]);
    world.commit_ssh("ada");
    world.git(["checkout", "-q", "-b", "side"]);
    world.commit_ssh_at("ada", days_ago(1));
    world.tag_ssh("ada", "v1", "side");
    world.git(["checkout", "-q", "main"]);
    world.commit_ssh("ada");
    world.git(["merge", "-q", "--no-ff", "-m", "Merge v1", "v1"]);
    let merge = world.object("HEAD", ObjectKind::Commit);
    assert!(merge.text().contains("mergetag object"));
    assert_eq!(verdict(&trust, &merge), "Unsigned");

    // With the signature moved into the mergetag, and honestly signed.
    let signature = world.ssh_sign("ada", "git", &merge.raw, &[]);
    let inside = merge.replace(
        "mergetag object",
        &format!("mergetag gpgsig {}\n object", signature.replace('\n', "\n  ")),
    );
    assert_eq!(verdict(&trust, &inside), "Unsigned");
    let signed = merge.replace(
        "\n\nMerge",
        &format!("\ngpgsig {}\n\nMerge", signature.replace('\n', "\n ")),
    );
    assert_eq!(verdict(&trust, &signed), "ada");
}

/// Changes every byte of a signed commit, one at a time, and names the result by its new hash: all of them
/// are refused. The bytes of the signature are included, so that no signed commit has a second id.
fn check_every_byte(trust: &TrustStore, commit: &Object) {
    let now = Timestamp::now();
    assert!(trust.verify_commit(&commit.raw, commit.id(), now).is_ok());
    for position in 0..commit.raw.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut altered = commit.clone();
            altered.raw[position] ^= flip;
            let outcome = trust.verify_commit(&altered.raw, altered.id(), now);
            assert!(
                outcome.is_err(),
                "byte {position} with {flip:#x}:\n{}",
                String::from_utf8_lossy(&altered.raw)
            );
        }
    }
}

#[test]
fn no_byte_of_a_commit_with_an_ssh_signature_can_change() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}").as_bytes())]);
    check_every_byte(&trust, &world.commit_ssh("ada"));
}

#[test]
fn no_byte_of_a_commit_with_an_openpgp_signature_can_change() {
    let world = World::with_gpg();
    let key = world.gpg_key("Ada <ada@example.org>", "ed25519", "sign", "0");
    let trust = trust([("ada.asc", world.gpg_export(&key).as_bytes())]);
    check_every_byte(&trust, &world.commit_gpg(&key));
}

#[test]
fn an_ssh_signature_has_one_form() {
    use ssh_key::{LineEnding, Signature, SshSig};
    let world = World::new();
    let key = world.ssh_key("rsa", &["-t", "rsa", "-b", "2048"]);
    let trust = trust([("allowed_signers", format!("ada {key}").as_bytes())]);
    let commit = world.commit_ssh("rsa");
    let signature = SshSig::from_pem(commit.signature()).unwrap();
    let number = signature.signature();
    let padded = Signature::new(number.algorithm(), [&[0], number.as_bytes()].concat()).unwrap();
    let again = SshSig::new(
        signature.public_key().clone(),
        "git",
        signature.hash_alg(),
        padded,
    )
    .unwrap();
    let again = again.to_pem(LineEnding::LF).unwrap();
    assert_eq!(
        verdict(&trust, &commit.with_signature(again.trim_end())),
        "BadSignature"
    );
}

#[test]
fn an_sshsig_structure_has_one_form() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}").as_bytes())]);
    let commit = world.commit_ssh("ada");
    let blob = dearmor(&commit.signature());
    let with = |blob: &[u8]| verdict(&trust, &commit.with_signature(&armor("SSH SIGNATURE", blob)));
    assert_eq!(with(&blob), "ada");
    let namespace = b"\0\0\0\x03git\0\0\0\0";
    let reserved = b"\0\0\0\x03git\0\0\0\x01x";
    assert_eq!(
        with(&replace_bytes(&blob, namespace, reserved)),
        "MalformedSignature"
    );
    assert_eq!(
        with(&replace_bytes(&blob, b"SSHSIG\0\0\0\x01", b"SSHSIG\0\0\0\x02")),
        "MalformedSignature"
    );
    assert_eq!(
        with(&replace_bytes(&blob, b"SSHSIG\0\0\0\x01", b"SSHSIG\0\0\0\0")),
        "MalformedSignature"
    );
    assert_eq!(with(&[&blob[..], b"x"].concat()), "MalformedSignature");
    for length in 0..blob.len() {
        assert_eq!(with(&blob[..length]), "MalformedSignature", "{length} bytes");
    }
}

/// Without the checksum of the armor, the packet itself must show that it was altered: also where the
/// signature does not protect it.
#[test]
fn no_byte_of_an_openpgp_packet_can_change() {
    let world = World::with_gpg();
    let key = world.gpg_key("Ada <ada@example.org>", "ed25519", "sign", "0");
    let trust = trust([("ada.asc", world.gpg_export(&key).as_bytes())]);
    let commit = world.commit_gpg(&key);
    let packet = dearmor(&commit.signature());
    let with = |packet: &[u8]| verdict(&trust, &commit.with_signature(&armor("PGP SIGNATURE", packet)));
    assert_eq!(with(&packet), "Ada <ada@example.org>");
    for position in 0..packet.len() {
        for bit in 0..8 {
            let mut altered = packet.clone();
            altered[position] ^= 1 << bit;
            let reason = with(&altered);
            assert_ne!(reason, "Ada <ada@example.org>", "bit {bit} of byte {position}");
        }
    }

    // The unprotected area ends with the issuer's key id (length 9, type 16): a remark beside it, or twice.
    let key_id = &packet[packet.windows(2).position(|pair| pair == [9, 16]).unwrap()..][..10];
    for (what, extra) in [("a remark", &[2, 100, b'x'][..]), ("the issuer again", key_id)] {
        let area = u8::try_from(key_id.len() + extra.len()).unwrap();
        let from = [&[0, 10], key_id].concat();
        let mut more = replace_bytes(&packet, &from, &[&[0, area], key_id, extra].concat());
        more[1] += u8::try_from(extra.len()).unwrap();
        assert_eq!(with(&more), "MalformedSignature", "{what}");
    }
    // A length of two bytes where one is enough.
    let long = [&[packet[0] | 1, 0, packet[1]], &packet[2..]].concat();
    assert_eq!(with(&long), "MalformedSignature");
}
