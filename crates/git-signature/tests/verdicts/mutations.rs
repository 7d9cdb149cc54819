//! What becomes of a signed commit when it is altered without the key.

use git_signature::ObjectKind;

use crate::material::{Material, days_ago, trust};
use crate::object::{Object, armor, dearmor, replace_bytes};
use crate::table::{Group, refused, signed_by};
use crate::world::World;

const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
const OTHER_TREE: &str = "tree 1111111111111111111111111111111111111111\n";
const ADA: &str = "Ada <ada@example.org>";

/// What is altered, how, and the reason of the refusal.
type Alteration = (&'static str, fn(&Object) -> Object, &'static str);

/// Alterations that hold for every kind of signature.
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
    (
        "gpgsig-sha256",
        |c| after_signature(c, "gpgsig-sha256 junk\n"),
        "UnsupportedObjectFormat",
    ),
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

pub(crate) fn of_an_ssh_signature() -> Group {
    let (mut group, trust) = by_ssh("Altered commits: SSH");
    let commit = group.world.commit_ssh("ada");
    let other = group.world.commit_ssh("ada");
    add_alterations(&mut group, &trust, &commit, &other, "ada");
    group
}

pub(crate) fn of_an_openpgp_signature() -> Group {
    let (mut group, trust) = by_openpgp("Altered commits: OpenPGP");
    let commit = group.world.commit_gpg(ADA);
    let other = group.world.commit_gpg(ADA);
    add_alterations(&mut group, &trust, &commit, &other, ADA);
    group
}

fn by_ssh(title: &'static str) -> (Group, Material) {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}\n").as_bytes())]);
    (Group::new(title, world), trust)
}

fn by_openpgp(title: &'static str) -> (Group, Material) {
    let world = World::with_gpg();
    let key = world.gpg_key(ADA, "ed25519", "sign", "0");
    let trust = trust([("ada.asc", world.gpg_export(&key).as_bytes())]);
    (Group::new(title, world), trust)
}

fn add_alterations(group: &mut Group, trust: &Material, commit: &Object, other: &Object, signer: &str) {
    group.commit("as it was signed", trust, commit, signed_by(signer));
    for (what, alter, reason) in ALTERATIONS {
        let altered = alter(commit);
        assert_ne!(altered.raw, commit.raw, "{what}");
        group.commit(what, trust, &altered, refused(reason));
    }
    let foreign = commit.with_signature(&other.signature());
    group.commit(
        "the signature of another commit",
        trust,
        &foreign,
        refused("BadSignature"),
    );
    let unsigned = Object::commit(commit.unsigned());
    group.commit("the signature taken away", trust, &unsigned, refused("Unsigned"));
    let empty = commit.with_signature("");
    group.commit(
        "an empty signature",
        trust,
        &empty,
        refused("UnsupportedSignatureType"),
    );
    let spaced = |newlines| commit.with_signature(&format!("{}{newlines}", commit.signature()));
    group.commit(
        "one empty line after the armor, as forges write it",
        trust,
        &spaced("\n"),
        signed_by(signer),
    );
    group.commit(
        "two empty lines after the armor",
        trust,
        &spaced("\n\n"),
        refused("MalformedSignature"),
    );
}

pub(crate) fn of_the_sshsig_structure() -> Group {
    let (mut group, trust) = by_ssh("Altered SSHSIG structures");
    let commit = group.world.commit_ssh("ada");
    let blob = dearmor(&commit.signature());
    let namespace = b"\0\0\0\x03git\0\0\0\0";
    for (case, altered) in [
        (
            "something in the reserved field",
            replace_bytes(&blob, namespace, b"\0\0\0\x03git\0\0\0\x01x"),
        ),
        (
            "version 2",
            replace_bytes(&blob, b"SSHSIG\0\0\0\x01", b"SSHSIG\0\0\0\x02"),
        ),
        (
            "version 0",
            replace_bytes(&blob, b"SSHSIG\0\0\0\x01", b"SSHSIG\0\0\0\0"),
        ),
        (
            "another magic",
            replace_bytes(&blob, b"SSHSIG\0\0\0\x01", b"SSHSIH\0\0\0\x01"),
        ),
        ("an unknown hash", replace_bytes(&blob, b"sha512", b"sha513")),
        ("a byte after the end", [&blob[..], b"x"].concat()),
        ("a byte too few", blob[..blob.len() - 1].to_vec()),
    ] {
        let altered = commit.with_signature(&armor("SSH SIGNATURE", &altered));
        group.commit(case, &trust, &altered, refused("MalformedSignature"));
    }
    let bit = |from: &[u8], to: &[u8]| {
        commit.with_signature(&armor("SSH SIGNATURE", &replace_bytes(&blob, from, to)))
    };
    group.commit(
        "another namespace",
        &trust,
        &bit(b"\x03git", b"\x03gut"),
        refused("BadSignature"),
    );
    group.commit(
        "another hash",
        &trust,
        &bit(b"sha512", b"sha256"),
        refused("BadSignature"),
    );
    add_rsa_forms(&mut group);
    group
}

/// RSA signatures in other forms than OpenSSH writes.
fn add_rsa_forms(group: &mut Group) {
    use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};
    let key = group.world.ssh_key("rsa", &["-t", "rsa", "-b", "2048"]);
    let trust = trust([("allowed_signers", format!("ada {key}\n").as_bytes())]);
    let commit = group.world.commit_ssh("rsa");
    let signature = SshSig::from_pem(commit.signature()).unwrap();
    let number = signature.signature().as_bytes();
    let labelled = |hash, number: &[u8]| {
        let inner = Signature::new(Algorithm::Rsa { hash }, number).unwrap();
        let outer = SshSig::new(signature.public_key().clone(), "git", signature.hash_alg(), inner).unwrap();
        commit.with_signature(outer.to_pem(LineEnding::LF).unwrap().trim_end())
    };
    // The signature is a number of the modulus' length; a longer one with zeros in front has the same value.
    let padded = labelled(Some(HashAlg::Sha512), &[&[0], number].concat());
    group.commit(
        "a zero in front of an RSA signature",
        &trust,
        &padded,
        refused("BadSignature"),
    );
    let other = labelled(Some(HashAlg::Sha256), number);
    group.commit(
        "an RSA signature labelled rsa-sha2-256",
        &trust,
        &other,
        refused("BadSignature"),
    );
    let sha1 = labelled(None, number);
    group.commit(
        "an RSA signature labelled ssh-rsa, over SHA-1",
        &trust,
        &sha1,
        refused("WeakHash"),
    );
}

pub(crate) fn of_the_openpgp_packet() -> Group {
    let (mut group, trust) = by_openpgp("Altered OpenPGP packets");
    let commit = group.world.commit_gpg(ADA);
    let packet = dearmor(&commit.signature());
    let with = |packet: &[u8]| commit.with_signature(&armor("PGP SIGNATURE", packet));
    group.commit(
        "without the optional checksum",
        &trust,
        &with(&packet),
        signed_by(ADA),
    );
    // The unprotected area ends with the issuer's key id (length 9, type 16).
    let key_id = &packet[packet.windows(2).position(|pair| pair == [9, 16]).unwrap()..][..10];
    let extended = |extra: &[u8]| {
        let area = u8::try_from(key_id.len() + extra.len()).unwrap();
        let from = [&[0, 10], key_id].concat();
        let mut more = replace_bytes(&packet, &from, &[&[0, area], key_id, extra].concat());
        more[1] += u8::try_from(extra.len()).unwrap();
        with(&more)
    };
    let malformed = || refused("MalformedSignature");
    let remark = extended(&[2, 100, b'x']);
    group.commit("a remark in the unprotected part", &trust, &remark, malformed());
    group.commit(
        "the issuer twice in the unprotected part",
        &trust,
        &extended(key_id),
        malformed(),
    );
    let long = [&[packet[0] | 1, 0, packet[1]], &packet[2..]].concat();
    group.commit(
        "a length of two bytes where one is enough",
        &trust,
        &with(&long),
        malformed(),
    );
    let trailing = [&packet[..], b"x"].concat();
    group.commit("a byte after the packet", &trust, &with(&trailing), malformed());
    let version_3 = [&packet[..2], &[3], &packet[3..]].concat();
    group.commit("version 3", &trust, &with(&version_3), malformed());
    group.commit(
        "the packet twice",
        &trust,
        &with(&packet.repeat(2)),
        refused("MultipleSignatures"),
    );
    let checksum = commit.replace("\n =", "\n =A");
    group.commit("another checksum", &trust, &checksum, malformed());
    group
}

pub(crate) fn with_signed_tags_inside() -> Group {
    let (mut group, trust) = by_ssh("Signed tags inside merges");
    let world = &group.world;
    world.commit_ssh("ada");
    world.git(["checkout", "-q", "-b", "side"]);
    world.commit_ssh_at("ada", days_ago(1));
    world.tag_ssh("ada", "v1", "side");
    world.git(["checkout", "-q", "main"]);
    world.commit_ssh("ada");
    world.git(["merge", "-q", "--no-ff", "-m", "Merge v1", "v1"]);
    let merge = world.object("HEAD", ObjectKind::Commit);
    assert!(merge.text().contains("mergetag object"));
    let signature = world.ssh_sign("ada", "git", &merge.raw, &[]);
    let inside = merge.replace(
        "mergetag object",
        &format!("mergetag gpgsig {}\n object", signature.replace('\n', "\n  ")),
    );
    let signed = merge.replace(
        "\n\nMerge",
        &format!("\ngpgsig {}\n\nMerge", signature.replace('\n', "\n ")),
    );
    group.commit(
        "an unsigned merge of a signed tag",
        &trust,
        &merge,
        refused("Unsigned"),
    );
    group.commit(
        "with a signature inside the tag's headers",
        &trust,
        &inside,
        refused("Unsigned"),
    );
    group.commit("the merge signed as well", &trust, &signed, signed_by("ada"));
    group
}

pub(crate) fn in_a_sha256_repository() -> Group {
    let world = World::with_ids("sha256");
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}\n").as_bytes())]);
    let commit = world.commit_ssh("ada");
    let tag = world.tag_ssh("ada", "v1", "HEAD");
    let mut group = Group::new("Repositories with SHA-256 ids", world);
    let unsupported = || refused("UnsupportedObjectFormat");
    group.commit("a signed commit", &trust, &commit, unsupported());
    group.tag("a signed tag", &trust, &tag, "v1", unsupported());
    group
}
