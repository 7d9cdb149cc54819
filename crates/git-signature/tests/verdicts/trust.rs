//! Trust material that is not usable as a whole.

use git_signature::{MAX_TRUST_FILE_BYTES, TrustError, TrustErrorReason, TrustStore};

use crate::material;
use crate::world::World;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

fn refused<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> TrustError {
    TrustStore::parse(files).err().expect("refused")
}

#[test]
fn one_bad_file_makes_the_store_unusable() {
    let good = format!("ada {KEY}\n");
    let bad_line = format!("ada {KEY}\n# next\nbob {}\n", KEY.replace("AAAAC3", "AAAAC4"));
    for (name, text, line) in [
        ("README.md", "who signs here", None),
        ("allowed_signers.bak", good.as_str(), None),
        ("Allowed_signers", good.as_str(), None),
        (".sshpub", KEY, None),
        (".asc", "", None),
        ("keys/ada.sshpub.txt", KEY, None),
        ("a.sshpub", bad_line.as_str(), Some(1)),
        ("b.sshpub", "no-pty ssh-ed25519 AAAA", Some(1)),
        ("revoked_keys", bad_line.as_str(), Some(1)),
        ("revoked_keys", "serial: 1", Some(1)),
        ("revoked_keys", "SSHKRL\n\0", None),
        ("a.asc", "", Some(1)),
        (
            "a.asc",
            "\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\naGVsbG8=\n-----END PGP PUBLIC KEY BLOCK-----\n",
            Some(2),
        ),
        ("a.asc", KEY, Some(1)),
    ] {
        let error = refused([("allowed_signers", good.as_bytes()), (name, text.as_bytes())]);
        assert_eq!((error.file.as_str(), error.line), (name, line), "{error}");
    }
    let error = refused([("allowed_signers", bad_line.as_bytes())]);
    assert_eq!(
        (error.file.as_str(), error.line),
        ("allowed_signers", Some(3)),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("failed to read the trust material allowed_signers:3: "),
        "{error}"
    );
    for name in ["allowed_signers", "a.sshpub"] {
        assert_eq!(refused([(name, &b"\xff"[..])]).reason, TrustErrorReason::NotText);
    }
}

#[test]
fn a_store_that_trusts_nobody_is_refused() {
    assert_eq!(refused([]).reason, TrustErrorReason::Empty);
    assert_eq!(
        refused([("allowed_signers", &b"# nobody yet\n"[..])]).reason,
        TrustErrorReason::Empty
    );
    assert_eq!(
        refused([("revoked_keys", KEY.as_bytes())]).reason,
        TrustErrorReason::Empty
    );
}

#[test]
fn the_same_name_twice_and_huge_files_are_refused() {
    let good = format!("ada {KEY}\n");
    let twice = refused([
        ("allowed_signers", good.as_bytes()),
        ("allowed_signers", good.as_bytes()),
    ]);
    assert_eq!(twice.reason, TrustErrorReason::Repeated);
    let mut padded = good.into_bytes();
    padded.resize(MAX_TRUST_FILE_BYTES, b'\n');
    assert!(TrustStore::parse([("allowed_signers", &padded)]).is_ok());
    padded.push(b'\n');
    assert_eq!(
        refused([("allowed_signers", padded.as_slice())]).reason,
        TrustErrorReason::TooLarge(MAX_TRUST_FILE_BYTES + 1)
    );
}

#[test]
fn private_keys_are_refused_by_name() {
    let world = World::with_gpg();
    world.ssh_key("ada", &["-t", "ed25519"]);
    world.ssh_key("old", &["-t", "rsa", "-m", "PEM"]);
    let gpg = world.gpg_key("Ada <ada@example.org>", "ed25519", "sign", "0");
    let secret = world.gpg(["--export-secret-keys", "--armor", "--", &gpg]);
    let public = world.gpg(["--export", "--", &gpg]);
    for (name, bytes) in [
        ("ada.sshpub", world.read("ada")),
        ("allowed_signers", world.read("ada")),
        ("revoked_keys", world.read("ada")),
        ("id_ed25519", world.read("ada")),
        ("old.sshpub", world.read("old")),
        ("ada.asc", secret.clone()),
    ] {
        assert_eq!(
            refused([(name, bytes.as_slice())]).reason,
            TrustErrorReason::PrivateKey,
            "{name}"
        );
    }
    // The label of the armor is only a label.
    let disguised = String::from_utf8(secret)
        .unwrap()
        .replace("PRIVATE KEY BLOCK", "PUBLIC KEY BLOCK");
    let error = refused([("ada.asc", disguised.as_bytes())]);
    assert!(error.to_string().contains("secret key"), "{error}");
    // Unarmored.
    assert_eq!(refused([("ada.asc", public.as_slice())]).file, "ada.asc");
}

#[test]
fn several_certificates_in_a_file_all_count() {
    let world = World::with_gpg();
    let ada = world.gpg_key("Ada <ada@example.org>", "ed25519", "sign", "0");
    let bob = world.gpg_key("Bob <bob@example.org>", "ed25519", "sign", "0");
    let together = world.gpg(["--export", "--armor", "--", &ada, &bob]);
    let apart = [
        world.gpg(["--export", "--armor", "--", &ada]),
        world.gpg(["--export", "--armor", "--", &bob]),
    ]
    .concat();
    for file in [&together, &apart] {
        let trust = material::trust([("all.asc", file.as_slice())]);
        for (key, identity) in [(&ada, "Ada <ada@example.org>"), (&bob, "Bob <bob@example.org>")] {
            assert_eq!(material::verdict(&trust, &world.commit_gpg(key)), identity);
        }
    }
    let trailing = [together, b"and more".to_vec()].concat();
    assert_eq!(refused([("all.asc", trailing.as_slice())]).file, "all.asc");
}

#[test]
fn the_digest_tells_materials_apart() {
    let digest = |files: &[(&str, String)]| {
        TrustStore::parse(files.iter().map(|(n, t)| (*n, t)))
            .unwrap()
            .digest()
    };
    let ada = || ("allowed_signers", format!("ada {KEY}"));
    let bob = || ("bob.sshpub", format!("{KEY} bob"));
    assert_eq!(digest(&[ada(), bob()]), digest(&[bob(), ada()]));
    assert_ne!(digest(&[ada()]), digest(&[ada(), bob()]));
    assert_ne!(digest(&[bob()]), digest(&[("eve.sshpub", bob().1)]));
    assert_ne!(
        digest(&[ada()]),
        digest(&[("allowed_signers", format!("eve {KEY}"))])
    );
    assert_eq!(digest(&[ada()]).len(), 64);
}

#[test]
fn a_store_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<TrustStore>();
}

#[test]
fn certificates_from_other_programs_and_systems_are_read() {
    let world = World::with_gpg();
    let ada = world.gpg_key("Ada <ada@example.org>", "ed25519", "sign", "0");
    let exported = world.gpg_export(&ada);
    let comments = "BLOCK-----\nComment: \u{c4}da\nHash: none\nComment: 1\nComment: 2\nComment: 3\n";
    for file in [
        exported.replace('\n', "\r\n"),
        exported.replacen("BLOCK-----\n", comments, 1),
    ] {
        assert!(TrustStore::parse([("ada.asc", &file)]).is_ok(), "{file}");
    }
}
