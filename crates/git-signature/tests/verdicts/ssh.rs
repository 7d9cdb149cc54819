//! Plain SSH keys: what `allowed_signers`, `*.sshpub` and `revoked_keys` say about them.

use git_signature::{KindTrust, Refusal, SignerKind};
use jiff::SignedDuration;
use jiff::Timestamp;

use crate::world::{World, allowed_signers, days_ago, stamp, trust, verdict, verify};

#[test]
fn keys_of_every_supported_kind_are_accepted() {
    let world = World::new();
    for (name, options) in [
        ("ed25519", &["-t", "ed25519"][..]),
        ("rsa2048", &["-t", "rsa", "-b", "2048"]),
        ("rsa3072", &["-t", "rsa", "-b", "3072"]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("p521", &["-t", "ecdsa", "-b", "521"]),
    ] {
        let key = world.ssh_key(name, options);
        let commit = world.commit_ssh(name);
        let signer = verify(&allowed_signers(&format!("someone {key}\n")), &commit).unwrap();
        let listing = world.run("ssh-keygen", ["-l", "-f", &format!("{name}.pub")]);
        let listing = String::from_utf8(listing).unwrap();
        assert_eq!(signer.kind, SignerKind::Ssh);
        assert_eq!(signer.identity, "someone");
        assert_eq!(
            Some(signer.fingerprint.as_str()),
            listing.split(' ').nth(1),
            "{name}"
        );
    }
}

#[test]
fn both_hashes_of_sshsig_are_accepted() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = allowed_signers(&format!("ada {key}"));
    let commit = world.commit_ssh("ada");
    for hash in ["sha256", "sha512"] {
        let option = format!("hashalg={hash}");
        let signature = world.ssh_sign("ada", "git", &commit.unsigned(), &["-O", &option]);
        assert_eq!(
            verdict(&trust, &commit.with_signature(&signature)),
            "ada",
            "{hash}"
        );
    }
}

#[test]
fn a_small_rsa_key_is_refused() {
    let world = World::new();
    let key = world.ssh_key("weak", &["-t", "rsa", "-b", "1024"]);
    let commit = world.commit_ssh("weak");
    assert_eq!(
        verdict(&allowed_signers(&format!("weak {key}")), &commit),
        "WeakKey"
    );
}

#[test]
fn an_unknown_key_is_named() {
    let world = World::new();
    world.ssh_key("eve", &["-t", "ed25519"]);
    let ada = world.ssh_key("ada", &["-t", "ed25519"]);
    let commit = world.commit_ssh("eve");
    let refusal = verify(&allowed_signers(&format!("ada {ada}")), &commit).unwrap_err();
    let listing = String::from_utf8(world.run("ssh-keygen", ["-l", "-f", "eve.pub"])).unwrap();
    let fingerprint = listing.split(' ').nth(1).unwrap();
    assert!(refusal.to_string().contains(fingerprint), "{refusal}");
    assert!(matches!(
        refusal,
        Refusal::UnknownKey {
            kind_is_trusted: KindTrust::Some,
            ..
        }
    ));
}

#[test]
fn an_unsigned_commit_is_refused() {
    let world = World::new();
    let ada = world.ssh_key("ada", &["-t", "ed25519"]);
    world.git(["commit", "-q", "--allow-empty", "-m", "x"]);
    let commit = world.object("HEAD", git_signature::ObjectKind::Commit);
    assert_eq!(
        verdict(&allowed_signers(&format!("ada {ada}")), &commit),
        "Unsigned"
    );
}

#[test]
fn the_identity_is_what_the_trust_material_says() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let bare = key.rsplit_once(' ').unwrap().0;
    let commit = world.commit_ssh("ada");
    let fingerprint = verify(&allowed_signers(&format!("x {key}")), &commit)
        .unwrap()
        .fingerprint;
    for (file, text, identity) in [
        (
            "allowed_signers",
            format!("ada@example.org {key}"),
            "ada@example.org",
        ),
        (
            "allowed_signers",
            format!("ada@a.org,ada@b.org {key}"),
            "ada@a.org",
        ),
        (
            "allowed_signers",
            format!("!eve@example.org,*@example.org {key}"),
            "*@example.org",
        ),
        (
            "allowed_signers",
            format!("\"Ada Lovelace\" {key}"),
            "Ada Lovelace",
        ),
        ("ada.sshpub", format!("{key}\n"), "ada@example.org"),
        (
            "ada.sshpub",
            format!("# my key\n{bare} work laptop\n"),
            "work laptop",
        ),
        ("ada.sshpub", format!("{bare}\n"), fingerprint.as_str()),
    ] {
        assert_eq!(
            verdict(&trust([(file, text.as_bytes())]), &commit),
            identity,
            "{text}"
        );
    }
}

#[test]
fn windows_hold_at_the_time_of_the_commit_and_now() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let recent = world.commit_ssh("ada");
    let old = world.commit_ssh_at("ada", days_ago(10));
    for (options, on_recent, on_old) in [
        (format!("valid-after=\"{}\"", stamp(days_ago(20))), "ada", "ada"),
        (
            format!("valid-after=\"{}\"", stamp(days_ago(5))),
            "ada",
            "NotYetValid",
        ),
        (
            format!("valid-after=\"{}\"", stamp(days_ago(-5))),
            "NotYetValid",
            "NotYetValid",
        ),
        (format!("valid-before=\"{}\"", stamp(days_ago(-5))), "ada", "ada"),
        // Git accepts the old commit: it was made while the key was valid, by its own account.
        (
            format!("valid-before=\"{}\"", stamp(days_ago(5))),
            "Expired",
            "Expired",
        ),
        (
            format!("valid-before=\"{}\"", stamp(days_ago(20))),
            "Expired",
            "Expired",
        ),
        (
            format!(
                "valid-after=\"{}\",valid-before=\"{}\"",
                stamp(days_ago(20)),
                stamp(days_ago(-1))
            ),
            "ada",
            "ada",
        ),
    ] {
        let trust = allowed_signers(&format!("ada {options} {key}"));
        assert_eq!(verdict(&trust, &recent), on_recent, "{options}");
        assert_eq!(verdict(&trust, &old), on_old, "{options}");
    }
}

#[test]
fn any_line_for_a_key_that_accepts_is_enough() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let commit = world.commit_ssh("ada");
    let past = stamp(days_ago(5));
    let text = format!("old valid-before=\"{past}\" {key}\nfiles namespaces=\"file\" {key}\nnew {key}\n");
    assert_eq!(verdict(&allowed_signers(&text), &commit), "new");
    let text = format!("old valid-before=\"{past}\" {key}\nfiles namespaces=\"file\" {key}\n");
    assert_eq!(verdict(&allowed_signers(&text), &commit), "Expired");
}

#[test]
fn namespaces_limit_what_a_key_may_sign() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let commit = world.commit_ssh("ada");
    for (namespaces, expected) in [
        ("git", "ada"),
        ("file,git", "ada"),
        ("g*", "ada"),
        ("*,!file", "ada"),
        ("file", "NamespaceNotAllowed"),
        ("*,!git", "NamespaceNotAllowed"),
    ] {
        let trust = allowed_signers(&format!("ada namespaces=\"{namespaces}\" {key}"));
        assert_eq!(verdict(&trust, &commit), expected, "{namespaces}");
    }
    let trust = allowed_signers(&format!("ada {key}"));
    let for_files = world.ssh_sign("ada", "file", &commit.unsigned(), &[]);
    assert_eq!(
        verdict(&trust, &commit.with_signature(&for_files)),
        "WrongNamespace"
    );
}

#[test]
fn a_commit_from_the_future_is_refused_beyond_the_bound() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = allowed_signers(&format!("ada {key}"));
    let ahead = |minutes| Timestamp::now() + SignedDuration::from_mins(minutes);
    assert_eq!(verdict(&trust, &world.commit_ssh_at("ada", ahead(8))), "ada");
    assert_eq!(
        verdict(&trust, &world.commit_ssh_at("ada", ahead(12))),
        "FromTheFuture"
    );
}

#[test]
fn revoked_keys_do_not_count_in_any_form_of_the_file() {
    let world = World::new();
    let ada = world.ssh_key("ada", &["-t", "ed25519"]);
    let bob = world.ssh_key("bob", &["-t", "rsa", "-b", "2048"]);
    let signers = format!("ada {ada}\nbob {bob}\n");
    let (by_ada, by_bob) = (world.commit_ssh("ada"), world.commit_ssh("bob"));

    let krl = |name: &str, specification: &str| {
        world.write("specification", specification);
        world.run("ssh-keygen", ["-q", "-k", "-f", name, "specification"]);
        world.read(name)
    };
    let sha256 = String::from_utf8(world.run("ssh-keygen", ["-l", "-f", "ada.pub"])).unwrap();
    let sha256 = sha256.split(' ').nth(1).unwrap();
    for (what, revoked) in [
        ("list", format!("# gone\n{ada}\n").into_bytes()),
        ("keys in a KRL", krl("krl1", &format!("key: {ada}\n"))),
        ("SHA-1 in a KRL", krl("krl2", &format!("sha1: {ada}\n"))),
        ("SHA-256 in a KRL", krl("krl3", &format!("sha256: {ada}\n"))),
        ("fingerprint in a KRL", krl("krl4", &format!("hash: {sha256}\n"))),
    ] {
        let trust = trust([
            ("allowed_signers", signers.as_bytes()),
            ("revoked_keys", &revoked),
        ]);
        assert_eq!(verdict(&trust, &by_ada), "Revoked", "{what}");
        assert_eq!(verdict(&trust, &by_bob), "bob", "{what}");
    }
    let nobody = krl("krl5", "");
    let trust = trust([("allowed_signers", signers.as_bytes()), ("revoked_keys", &nobody)]);
    assert_eq!(verdict(&trust, &by_ada), "ada");
}

#[test]
fn a_security_key_must_have_been_touched() {
    use sha2::{Digest, Sha256};
    use signature::Signer as _;
    use ssh_key::public::{KeyData, SkEd25519};
    use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, Signature, SshSig};

    const APPLICATION: &str = "ssh:";
    let world = World::new();
    world.ssh_key("ada", &["-t", "ed25519"]);
    let commit = world.commit_ssh("ada");
    let private = PrivateKey::from_openssh(world.read_text("ada")).unwrap();
    let public = private.public_key().key_data().ed25519().unwrap();
    let key = KeyData::SkEd25519(SkEd25519::new(*public, APPLICATION));
    let line = PublicKey::from(key.clone()).to_openssh().unwrap();
    let allowed = format!("ada {line}\n");
    world.write("allowed", &allowed);

    for (flags, expected) in [
        (0x01, "ada"),
        (0x05, "ada"),
        (0x00, "UserNotPresent"),
        (0x04, "UserNotPresent"),
    ] {
        // What a security key signs (PROTOCOL.u2f), with a key that is only software.
        let message = SshSig::signed_data("git", HashAlg::Sha512, &commit.unsigned()).unwrap();
        let trailer = [flags, 0, 0, 0, 7];
        let signed = [
            &Sha256::digest(APPLICATION)[..],
            &trailer,
            &Sha256::digest(message)[..],
        ]
        .concat();
        let software: Signature = private.try_sign(&signed).unwrap();
        let bytes = [software.as_bytes(), &trailer].concat();
        let signature = Signature::new(Algorithm::SkEd25519, bytes).unwrap();
        let armored = SshSig::new(key.clone(), "git", HashAlg::Sha512, signature)
            .unwrap()
            .to_pem(LineEnding::LF)
            .unwrap();

        // OpenSSH agrees that it is a signature; it does not look at the flags.
        world.write("signature", &armored);
        let mut check = world.command("ssh-keygen");
        check.args([
            "-Y",
            "verify",
            "-f",
            "allowed",
            "-I",
            "ada",
            "-n",
            "git",
            "-s",
            "signature",
        ]);
        let payload = std::fs::File::open(world.write("payload", commit.unsigned())).unwrap();
        assert!(check.stdin(payload).output().unwrap().status.success());
        assert_eq!(
            verdict(
                &allowed_signers(&allowed),
                &commit.with_signature(armored.trim_end())
            ),
            expected
        );
    }
}

#[test]
fn a_key_of_the_other_kind_is_explained() {
    let world = World::with_gpg();
    world.ssh_key("ada", &["-t", "ed25519"]);
    world.gpg_key("Ada <ada@example.org>", "ed25519", "sign", "0");
    let only_pgp = world.gpg_export("ada@example.org");
    let refusal = verify(
        &trust([("ada.asc", only_pgp.as_bytes())]),
        &world.commit_ssh("ada"),
    )
    .unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::UnknownKey {
            kind_is_trusted: KindTrust::None,
            ..
        }
    ));
    assert!(
        refusal.to_string().contains("only OpenPGP keys are trusted"),
        "{refusal}"
    );
}
