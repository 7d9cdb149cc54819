//! OpenPGP certificates made by gpg: kinds of keys, subkeys, expiry, revocation, hashes.

use std::io::Write;
use std::process::Stdio;

use git_signature::{KindTrust, Refusal, SignerKind, TrustStore};
use jiff::Timestamp;

use crate::world::{Object, World, allowed_signers, armor, days_ago, trust, verdict, verify};

const ADA: &str = "Ada <ada@example.org>";

fn certificate(world: &World, user: &str) -> TrustStore {
    trust([("keys.asc", world.gpg_export(user).as_bytes())])
}

/// gpg's option to work at another time.
fn at(time: Timestamp) -> String {
    format!("--faked-system-time={}", time.strftime("%Y%m%dT%H%M%S"))
}

/// A commit whose time is `time`, with a signature by gpg, run with these options.
fn commit_at(world: &World, time: Timestamp, user: &str, options: &[&str]) -> Object {
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

    /// Runs a command of gpg that asks questions, with the answers given.
    fn gpg_dialogue(&self, args: &[&str], answers: &str) -> Vec<u8> {
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

#[test]
fn keys_of_every_supported_kind_are_accepted() {
    let world = World::with_gpg();
    for (user, algorithm) in [
        ("ed <ed@example.org>", "ed25519"),
        ("rsa2 <rsa2@example.org>", "rsa2048"),
        ("rsa4 <rsa4@example.org>", "rsa4096"),
        ("p256 <p256@example.org>", "nistp256"),
        ("p384 <p384@example.org>", "nistp384"),
        ("p521 <p521@example.org>", "nistp521"),
    ] {
        let fingerprint = world.gpg_key(user, algorithm, "sign", "0");
        let commit = world.commit_gpg(&fingerprint);
        let signer = verify(&certificate(&world, &fingerprint), &commit).unwrap();
        assert_eq!(
            (signer.kind, signer.identity.as_str()),
            (SignerKind::OpenPgp, user)
        );
        assert_eq!(signer.fingerprint, fingerprint);
    }
}

#[test]
fn weak_keys_hashes_and_foreign_kinds_are_refused() {
    let world = World::with_gpg();
    let weak = world.gpg_key("weak <weak@example.org>", "rsa1024", "sign", "0");
    assert_eq!(
        verdict(&certificate(&world, &weak), &world.commit_gpg(&weak)),
        "WeakKey"
    );
    let dsa = world.gpg_key("dsa <dsa@example.org>", "dsa2048", "sign", "0");
    assert_eq!(
        verdict(&certificate(&world, &dsa), &world.commit_gpg(&dsa)),
        "UnsupportedAlgorithm"
    );

    let rsa = world.gpg_key("rsa <rsa@example.org>", "rsa2048", "sign", "0");
    let trust = certificate(&world, &rsa);
    let commit = world.commit_gpg(&rsa);
    let by_hash = |hash: &str| {
        let signature = world.gpg_sign(&rsa, &commit.unsigned(), &["--digest-algo", hash]);
        verdict(&trust, &commit.with_signature(&signature))
    };
    for hash in ["SHA256", "SHA384", "SHA512"] {
        assert_eq!(by_hash(hash), "rsa <rsa@example.org>", "{hash}");
    }
    for hash in ["SHA1", "RIPEMD160"] {
        assert_eq!(by_hash(hash), "WeakHash", "{hash}");
    }
}

#[test]
fn unknown_keys_are_named_and_the_other_kind_is_explained() {
    let world = World::with_gpg();
    let ada = world.gpg_key(ADA, "ed25519", "sign", "0");
    let eve = world.gpg_key("Eve <eve@example.org>", "ed25519", "sign", "0");
    let refusal = verify(&certificate(&world, &ada), &world.commit_gpg(&eve)).unwrap_err();
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
    assert!(refusal.to_string().contains(&eve), "{refusal}");

    let ssh = world.ssh_key("ada", &["-t", "ed25519"]);
    let refusal = verify(&allowed_signers(&format!("ada {ssh}")), &world.commit_gpg(&eve)).unwrap_err();
    assert!(
        refusal.to_string().contains("only SSH keys are trusted"),
        "{refusal}"
    );
}

#[test]
fn signing_subkeys_count_and_others_do_not() {
    let world = World::with_gpg();
    let primary = world.gpg_key(ADA, "ed25519", "cert", "0");
    world.gpg(["--quick-add-key", &primary, "rsa2048", "sign", "0"]);
    let trust = certificate(&world, &primary);
    let commit = world.commit_gpg(&primary);
    let signer = verify(&trust, &commit).unwrap();
    assert_eq!(
        (signer.identity.as_str(), signer.fingerprint.as_str()),
        (ADA, primary.as_str())
    );

    // A subkey that the trusted copy of the certificate does not have yet.
    world.gpg(["--quick-add-key", &primary, "ed25519", "sign", "0"]);
    let newest = world.gpg_fingerprints(&primary).pop().unwrap();
    let commit = world.commit_gpg(&format!("{newest}!"));
    assert_eq!(verdict(&trust, &commit), "UnknownKey");
    assert_eq!(verdict(&certificate(&world, &primary), &commit), ADA);

    // The subkey is revoked, which spares the primary key and the other subkeys.
    let other = world.gpg_fingerprints(&primary).remove(1);
    let by_other = world.commit_gpg(&format!("{other}!"));
    world.gpg_dialogue(&["--edit-key", &primary], "key 2\nrevkey\ny\n1\n\ny\nsave\n");
    let trust = certificate(&world, &primary);
    assert_eq!(verdict(&trust, &commit), "Revoked");
    assert_eq!(verdict(&trust, &by_other), ADA);
}

#[test]
fn validity_is_judged_at_the_commit_s_time_and_now() {
    let world = World::with_gpg();
    let then = days_ago(30);
    let make = |user: &str, expires: &str| {
        world.gpg([
            &at(then),
            "--quick-generate-key",
            user,
            "ed25519",
            "sign",
            expires,
        ]);
        world.gpg_fingerprints(user).remove(0)
    };
    let lasting = make("lasting <l@example.org>", "0");
    let expired = make("expired <e@example.org>", "10d");
    let trust = trust([
        ("lasting.asc", world.gpg_export(&lasting).as_bytes()),
        ("expired.asc", world.gpg_export(&expired).as_bytes()),
    ]);
    let signed_at = |user: &str, time: Timestamp| commit_at(&world, time, user, &[&at(time)]);

    assert_eq!(
        verdict(&trust, &signed_at(&lasting, days_ago(25))),
        "lasting <l@example.org>"
    );
    // Git accepts this one, and with gpg even a commit that was made after the key had expired.
    assert_eq!(verdict(&trust, &signed_at(&expired, days_ago(25))), "Expired");
    // The commit says that it is older than its key.
    let backdated = commit_at(&world, days_ago(40), &lasting, &[]);
    assert_eq!(verdict(&trust, &backdated), "NotYetValid");
    // Judged in those days, the key was good.
    let commit = signed_at(&expired, days_ago(25));
    let at_the_time = trust.verify_commit(&commit.raw, commit.id(), days_ago(25));
    assert_eq!(at_the_time.unwrap().identity, "expired <e@example.org>");

    let brief = commit_at(
        &world,
        days_ago(20),
        &lasting,
        &[&at(days_ago(20)), "--default-sig-expire", "1d"],
    );
    assert_eq!(verdict(&trust, &brief), "SignatureExpired");
    let lasting_signature = commit_at(
        &world,
        Timestamp::now(),
        &lasting,
        &["--default-sig-expire", "1d"],
    );
    assert_eq!(verdict(&trust, &lasting_signature), "lasting <l@example.org>");
    let future = commit_at(&world, Timestamp::now(), &lasting, &[&at(days_ago(-2))]);
    assert_eq!(verdict(&trust, &future), "FromTheFuture");
}

#[test]
fn revoked_certificates_do_not_count() {
    let world = World::with_gpg();
    let make = |user: &str| {
        world.gpg([
            &at(days_ago(30)),
            "--quick-generate-key",
            user,
            "ed25519",
            "sign",
            "0",
        ]);
        world.gpg_fingerprints(user).remove(0)
    };
    let (hard, soft) = (make("hard <h@example.org>"), make("soft <s@example.org>"));
    let trusted = |key: &str| certificate(&world, key);
    let stale = world.gpg_export(&hard);
    let (before_hard, before_soft) = (trusted(&hard), trusted(&soft));
    let old = |key: &str| commit_at(&world, days_ago(20), key, &[&at(days_ago(20))]);
    let (by_hard, by_soft) = (old(&hard), old(&soft));
    assert_eq!(verdict(&before_hard, &by_hard), "hard <h@example.org>");
    assert_eq!(verdict(&before_soft, &by_soft), "soft <s@example.org>");

    // 1: compromised, 3: no longer used (RFC 9580 §5.2.3.31); revoked ten days ago.
    for (key, reason) in [(&hard, "1"), (&soft, "3")] {
        let revocation = world.gpg_dialogue(
            &[&at(days_ago(10)), "--gen-revoke", key],
            &format!("y\n{reason}\n\ny\n"),
        );
        world.write("revocation", revocation);
        world.gpg(["--import", "revocation"]);
    }
    // A revocation counts however weak its hash is: ignoring it would bring the key back.
    let weak = make("weak <w@example.org>");
    let by_weak = old(&weak);
    let options = ["--cert-digest-algo", "SHA1", "--gen-revoke", &weak];
    world.write("revocation", world.gpg_dialogue(&options, "y\n1\n\ny\n"));
    world.gpg(["--import", "revocation"]);
    assert_eq!(verdict(&trusted(&weak), &by_weak), "Revoked");

    for (key, commit) in [(&hard, &by_hard), (&soft, &by_soft)] {
        let refusal = verify(&trusted(key), commit).unwrap_err();
        assert_eq!(refusal.reason(), "Revoked");
        assert!(
            refusal
                .to_string()
                .contains(if *key == hard { "compromised" } else { "retired" }),
            "{refusal}"
        );
    }
    // Seen before the revocation, only the key that was merely retired counts.
    let judge = |key: &str, commit: &Object| {
        trusted(key)
            .verify_commit(&commit.raw, commit.id(), days_ago(15))
            .map_err(|refusal| refusal.reason())
    };
    assert_eq!(judge(&hard, &by_hard), Err("Revoked"));
    assert!(judge(&soft, &by_soft).is_ok());

    // A stale copy of the certificate beside the revoked one does not bring the key back.
    let fresh = world.gpg_export(&hard);
    for (first, second) in [(&stale, &fresh), (&fresh, &stale)] {
        let merged = trust([("a.asc", first.as_bytes()), ("b.asc", second.as_bytes())]);
        assert_eq!(verdict(&merged, &by_hard), "Revoked");
    }
}

#[test]
fn other_signature_types_and_several_signatures_are_refused() {
    let world = World::with_gpg();
    let ada = world.gpg_key(ADA, "ed25519", "sign", "0");
    let bob = world.gpg_key("Bob <bob@example.org>", "ed25519", "sign", "0");
    let trust = trust([
        ("ada.asc", world.gpg_export(&ada).as_bytes()),
        ("bob.asc", world.gpg_export(&bob).as_bytes()),
    ]);
    let commit = world.commit_gpg(&ada);
    let with = |signature: &str| verdict(&trust, &commit.with_signature(signature));
    let sign = |options: &[&str]| world.gpg_sign(&ada, &commit.unsigned(), options);
    assert_eq!(with(&sign(&["--textmode"])), "MalformedSignature");
    assert_eq!(with(&sign(&["-u", &bob])), "MultipleSignatures");
    let two = format!("{}\n{}", sign(&[]), sign(&[]));
    assert_eq!(with(&two), "MultipleSignatures");
    assert_eq!(with(&sign(&["--comment", "by hand"])), ADA);
    assert_eq!(
        with(&sign(&["--sig-notation", "!critical@example.org=1"])),
        "MalformedSignature"
    );
    assert_eq!(with(&sign(&["--sig-notation", "harmless@example.org=1"])), ADA);

    let x509 =
        "-----BEGIN SIGNED MESSAGE-----\nMIAGCSqGSIb3DQEHAqCAMIACAQExDTAL\n-----END SIGNED MESSAGE-----";
    assert_eq!(with(x509), "UnsupportedSignatureType");
    let message = sign(&[]).replace("PGP SIGNATURE", "PGP MESSAGE");
    assert_eq!(with(&message), "UnsupportedSignatureType");
    assert_eq!(with("signed, Ada"), "UnsupportedSignatureType");
}

#[test]
fn signatures_in_the_form_of_rfc_4880_are_accepted() {
    let world = World::with_gpg();
    let ada = world.gpg_key(ADA, "rsa2048", "sign", "0");
    let commit = world.commit_gpg(&ada);
    let signature = world.gpg_sign(
        &ada,
        &commit.unsigned(),
        &["--rfc4880", "--digest-algo", "SHA256"],
    );
    assert_eq!(
        verdict(&certificate(&world, &ada), &commit.with_signature(&signature)),
        ADA
    );
}

#[test]
fn a_subkey_that_did_not_agree_does_not_count() {
    use sequoia_openpgp::cert::Cert;
    use sequoia_openpgp::packet::signature::SignatureBuilder;
    use sequoia_openpgp::parse::Parse;
    use sequoia_openpgp::serialize::SerializeInto;
    use sequoia_openpgp::types::{KeyFlags, SignatureType};
    use sequoia_openpgp::{Packet, packet::key};

    // Ada's certificate claims Bob's key for its own: whatever Bob signed would count as signed by Ada.
    let world = World::with_gpg();
    let ada = world.gpg_key(ADA, "ed25519", "sign", "0");
    let bob = world.gpg_key("Bob <bob@example.org>", "ed25519", "sign", "0");
    let by_bob = world.commit_gpg(&bob);
    let secret = Cert::from_bytes(&world.gpg(["--export-secret-keys", "--", &ada])).unwrap();
    let bob = Cert::from_bytes(&world.gpg(["--export", "--", &bob])).unwrap();
    let claimed: sequoia_openpgp::packet::Key<key::PublicParts, key::SubordinateRole> =
        bob.primary_key().key().clone().role_into_subordinate();
    let primary = secret.primary_key().key().clone();
    let mut signer = primary
        .clone()
        .parts_into_secret()
        .unwrap()
        .into_keypair()
        .unwrap();
    let public = secret.strip_secret_key_material();
    // As a signing key it would have to sign back; as one for other purposes it may not sign.
    for flags in [
        KeyFlags::empty().set_signing(),
        KeyFlags::empty().set_authentication(),
    ] {
        let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
            .set_key_flags(flags)
            .unwrap()
            .sign_subkey_binding(&mut signer, &primary, &claimed)
            .unwrap();
        let packets = [Packet::from(claimed.clone()), Packet::from(binding)];
        let (greedy, _) = public.clone().insert_packets(packets).unwrap();
        assert_eq!(greedy.keys().count(), 2);
        let armored = greedy.armored().to_vec().unwrap();
        let trust = trust([("ada.asc", armored.as_slice())]);
        assert_eq!(verdict(&trust, &world.commit_gpg(&ada)), ADA);
        assert_eq!(verdict(&trust, &by_bob), "UnusableKey");
    }
}

#[test]
fn a_certificate_with_a_broken_revocation_is_refused() {
    use sequoia_openpgp::parse::Parse;
    use sequoia_openpgp::serialize::MarshalInto;
    use sequoia_openpgp::types::SignatureType;
    use sequoia_openpgp::{Packet, PacketPile};

    let world = World::with_gpg();
    let ada = world.gpg_key(ADA, "ed25519", "sign", "0");
    let revocation = world.gpg_dialogue(&["--gen-revoke", &ada], "y\n1\n\ny\n");
    world.write("revocation", revocation);
    world.gpg(["--import", "revocation"]);
    let mut certificate = world.gpg(["--export", "--", &ada]);
    let file = |certificate: &[u8]| armor("PGP PUBLIC KEY BLOCK", certificate);
    assert!(TrustStore::parse([("ada.asc", file(&certificate))]).is_ok());

    let revocation = PacketPile::from_bytes(&certificate)
        .unwrap()
        .into_children()
        .find_map(|packet| match packet {
            Packet::Signature(signature) if signature.typ() == SignatureType::KeyRevocation => {
                Some(signature)
            }
            _ => None,
        })
        .unwrap()
        .to_vec()
        .unwrap();
    let start = certificate
        .windows(revocation.len())
        .position(|window| window == revocation)
        .unwrap();
    certificate[start + revocation.len() - 1] ^= 1;
    let error = TrustStore::parse([("ada.asc", file(&certificate))])
        .err()
        .expect("refused");
    assert!(error.to_string().contains("cannot be verified"), "{error}");
}
