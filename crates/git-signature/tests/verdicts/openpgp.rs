//! OpenPGP certificates made by gpg: kinds of keys, and what their signatures can be.

use std::io::Write;
use std::process::Stdio;

use git_signature::{KindTrust, Refusal, SignerKind};
use jiff::Timestamp;

use crate::material::{Material, allowed_signers, days_ago, trust, verify};
use crate::object::Object;
use crate::table::{Group, refused, signed_by};
use crate::world::World;

pub(crate) const ADA: &str = "Ada <ada@example.org>";
pub(crate) const BOB: &str = "Bob <bob@example.org>";

pub(crate) fn certificate(world: &World, user: &str) -> Material {
    trust([("keys.asc", world.gpg_export(user).as_bytes())])
}

/// gpg's option to work at another time.
pub(crate) fn at(time: Timestamp) -> String {
    format!("--faked-system-time={}", time.strftime("%Y%m%dT%H%M%S"))
}

/// A commit whose time is `time`, with a signature by gpg, run with these options.
pub(crate) fn commit_at(world: &World, time: Timestamp, user: &str, options: &[&str]) -> Object {
    world.ssh_key_once();
    let commit = world.commit_ssh_at("template", time);
    commit.with_signature(&world.gpg_sign(user, &commit.unsigned(), options))
}

impl World {
    /// The commits of these tests get their signature replaced; this one makes the template.
    fn ssh_key_once(&self) {
        if !self.path("template").exists() {
            self.ssh_key("template", &["-t", "ed25519"]);
        }
    }

    /// Makes a certificate for signing, at another time, with gpg's options.
    pub(crate) fn gpg_key_at(&self, time: Timestamp, user: &str, expires: &str, options: &[&str]) -> String {
        let time = at(time);
        let make = ["--quick-generate-key", user, "ed25519", "sign", expires];
        self.gpg([&[time.as_str()], options, &make[..]].concat());
        self.gpg_fingerprints(user).remove(0)
    }

    /// Revokes a certificate, at a time, for a reason (1: compromised, 2: superseded, 3: retired).
    pub(crate) fn gpg_revoke(&self, key: &str, time: Timestamp, reason: &str, options: &[&str]) {
        let time = at(time);
        let arguments = [&[time.as_str()], options, &["--gen-revoke", key]].concat();
        let revocation = self.gpg_dialogue(&arguments, &format!("y\n{reason}\n\ny\n"));
        self.write("revocation", revocation);
        self.gpg(["--import", "revocation"]);
    }

    /// Runs a command of gpg that asks questions, with the answers given.
    pub(crate) fn gpg_dialogue(&self, args: &[&str], answers: &str) -> Vec<u8> {
        let mut child = self
            .command("gpg")
            .args([
                "--no-tty",
                "--quiet",
                "--yes",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
            ])
            .args(["--command-fd", "0", "--status-fd", "2"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}

pub(crate) fn kinds_of_keys() -> Group {
    let mut group = Group::new("OpenPGP keys", World::with_gpg());
    for (case, algorithm) in [
        ("Ed25519", "ed25519"),
        ("RSA, 2048 bits", "rsa2048"),
        ("RSA, 3072 bits", "rsa3072"),
        ("ECDSA, P-256", "nistp256"),
        ("ECDSA, P-384", "nistp384"),
        ("ECDSA, P-521", "nistp521"),
    ] {
        let user = format!("{algorithm} <a@example.org>");
        let key = group.world.gpg_key(&user, algorithm, "sign", "0");
        let commit = group.world.commit_gpg(&key);
        let trust = certificate(&group.world, &key);
        group.commit(case, &trust, &commit, signed_by(&user));
    }
    for (case, algorithm, reason) in [
        ("RSA, 1024 bits", "rsa1024", "WeakKey"),
        ("DSA, 2048 bits", "dsa2048", "UnsupportedAlgorithm"),
    ] {
        let key = group
            .world
            .gpg_key(&format!("{algorithm} <a@example.org>"), algorithm, "sign", "0");
        let commit = group.world.commit_gpg(&key);
        group.commit(case, &certificate(&group.world, &key), &commit, refused(reason));
    }
    let options = ["--cert-digest-algo", "SHA1"];
    let key = group
        .world
        .gpg_key_at(days_ago(3), "old <old@example.org>", "0", &options);
    let commit = group.world.commit_gpg(&key);
    let case = "a certificate that binds its user by SHA-1";
    group.commit(
        case,
        &certificate(&group.world, &key),
        &commit,
        refused("UnusableKey"),
    );

    let ada = group.world.gpg_key(ADA, "ed25519", "sign", "0");
    let by_ada = group.world.commit_gpg(&ada);
    let others = certificate(&group.world, &key);
    group.commit(
        "a certificate that is not trusted",
        &others,
        &by_ada,
        refused("UnknownKey"),
    );
    let ssh = group.world.ssh_key("ada", &["-t", "ed25519"]);
    let only_ssh = allowed_signers(&format!("ada {ssh}\n"));
    group.commit(
        "only SSH keys are trusted",
        &only_ssh,
        &by_ada,
        refused("UnknownKey"),
    );
    let by_ssh = group.world.commit_ssh("ada");
    let only_pgp = certificate(&group.world, &ada);
    group.commit(
        "only OpenPGP keys are trusted, an SSH key signed",
        &only_pgp,
        &by_ssh,
        refused("UnknownKey"),
    );
    group
}

pub(crate) fn signatures() -> Group {
    let mut group = Group::new("OpenPGP signatures", World::with_gpg());
    let world = &group.world;
    let ada = world.gpg_key(ADA, "rsa2048", "sign", "0");
    let bob = world.gpg_key(BOB, "ed25519", "sign", "0");
    let trust = trust([
        ("ada.asc", world.gpg_export(&ada).as_bytes()),
        ("bob.asc", world.gpg_export(&bob).as_bytes()),
    ]);
    let commit = world.commit_gpg(&ada);
    let sign = |options: &[&str]| world.gpg_sign(&ada, &commit.unsigned(), options);
    let rows = [
        ("over SHA-256", sign(&["--digest-algo", "SHA256"]), signed_by(ADA)),
        ("over SHA-384", sign(&["--digest-algo", "SHA384"]), signed_by(ADA)),
        ("over SHA-512", sign(&["--digest-algo", "SHA512"]), signed_by(ADA)),
        (
            "over SHA-1",
            sign(&["--digest-algo", "SHA1"]),
            refused("WeakHash"),
        ),
        (
            "over RIPEMD-160",
            sign(&["--digest-algo", "RIPEMD160"]),
            refused("WeakHash"),
        ),
        (
            "in the form of RFC 4880",
            sign(&["--rfc4880", "--digest-algo", "SHA256"]),
            signed_by(ADA),
        ),
        (
            "over a text, not a binary document",
            sign(&["--textmode"]),
            refused("MalformedSignature"),
        ),
        (
            "by two keys in a block",
            sign(&["-u", &bob]),
            refused("MultipleSignatures"),
        ),
        (
            "twice, in two blocks",
            format!("{0}\n{0}", sign(&[])),
            refused("MultipleSignatures"),
        ),
        (
            "with a comment in the armor",
            sign(&["--comment", "by hand"]),
            signed_by(ADA),
        ),
        (
            "with a critical notation",
            sign(&["--sig-notation", "!critical@example.org=1"]),
            refused("MalformedSignature"),
        ),
        (
            "with a harmless notation",
            sign(&["--sig-notation", "harmless@example.org=1"]),
            signed_by(ADA),
        ),
        (
            "by X.509 (gpgsm, gitsign)",
            "-----BEGIN SIGNED MESSAGE-----\nMIAGCSqGSIb3DQEHAqCAMIACAQExDTAL\n-----END SIGNED MESSAGE-----"
                .to_owned(),
            refused("UnsupportedSignatureType"),
        ),
        (
            "labelled as a message",
            sign(&[]).replace("PGP SIGNATURE", "PGP MESSAGE"),
            refused("UnsupportedSignatureType"),
        ),
        (
            "in words: `signed, Ada`",
            "signed, Ada".to_owned(),
            refused("UnsupportedSignatureType"),
        ),
    ];
    for (case, signature, expected) in rows {
        group.commit(case, &trust, &commit.with_signature(&signature), expected);
    }
    group
}

#[test]
fn keys_are_named_by_the_fingerprint_of_their_certificate() {
    let world = World::with_gpg();
    let ada = world.gpg_key(ADA, "ed25519", "cert", "0");
    world.gpg(["--quick-add-key", &ada, "ed25519", "sign", "0"]);
    let signer = verify(&certificate(&world, &ada), &world.commit_gpg(&ada)).unwrap();
    assert_eq!(signer.kind, SignerKind::OpenPgp);
    assert_eq!((signer.identity.as_str(), signer.fingerprint), (ADA, ada.clone()));

    let bob = world.gpg_key(BOB, "ed25519", "sign", "0");
    let by_bob = world.commit_gpg(&bob);
    let refusal = verify(&certificate(&world, &ada), &by_bob).unwrap_err();
    assert!(
        matches!(
            refusal,
            Refusal::UnknownKey {
                kind_is_trusted: KindTrust::Some,
                ..
            }
        ),
        "{refusal}"
    );
    assert!(refusal.to_string().contains(&bob), "{refusal}");

    let ssh = world.ssh_key("ada", &["-t", "ed25519"]);
    let refusal = verify(&allowed_signers(&format!("ada {ssh}")), &by_bob).unwrap_err();
    assert!(
        refusal.to_string().contains("only SSH keys are trusted"),
        "{refusal}"
    );
}
