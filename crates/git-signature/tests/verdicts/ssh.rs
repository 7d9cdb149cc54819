//! Plain SSH keys: what `allowed_signers` and `*.sshpub` say about them.

use git_signature::{KindTrust, ObjectKind, Refusal, SignerKind};
use jiff::{SignedDuration, Timestamp};

use crate::material::{allowed_signers, days_ago, stamp, trust, verify};
use crate::table::{Group, refused, signed_by};
use crate::world::World;

/// Flux reads lists of keys (`*.sshpub`) alone.
const OPTIONS: &str = "options of keys are dropped";

pub(crate) fn kinds_of_keys() -> Group {
    let mut group = Group::new("SSH keys", World::new());
    for (name, options) in [
        ("Ed25519", &["-t", "ed25519"][..]),
        ("RSA, 2048 bits", &["-t", "rsa", "-b", "2048"]),
        ("RSA, 3072 bits", &["-t", "rsa", "-b", "3072"]),
        ("ECDSA, P-256", &["-t", "ecdsa", "-b", "256"]),
        ("ECDSA, P-384", &["-t", "ecdsa", "-b", "384"]),
        ("ECDSA, P-521", &["-t", "ecdsa", "-b", "521"]),
    ] {
        let file = options.join("");
        let key = group.world.ssh_key(&file, options);
        let commit = group.world.commit_ssh(&file);
        group.commit(
            name,
            &allowed_signers(&format!("ada {key}\n")),
            &commit,
            signed_by("ada"),
        );
    }
    let weak = group.world.ssh_key("weak", &["-t", "rsa", "-b", "1024"]);
    let commit = group.world.commit_ssh("weak");
    let trust = allowed_signers(&format!("weak {weak}\n"));
    group.commit("RSA, 1024 bits", &trust, &commit, refused("WeakKey"));

    let ada = group.world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = allowed_signers(&format!("ada {ada}\n"));
    let commit = group.world.commit_ssh("ada");
    for hash in ["sha256", "sha512"] {
        let option = format!("hashalg={hash}");
        let signature = group
            .world
            .ssh_sign("ada", "git", &commit.unsigned(), &["-O", &option]);
        let signed = commit.with_signature(&signature);
        group.commit(format!("the hash {hash}"), &trust, &signed, signed_by("ada"));
    }
    group.world.ssh_key("eve", &["-t", "ed25519"]);
    let by_eve = group.world.commit_ssh("eve");
    group.commit("a key that is not listed", &trust, &by_eve, refused("UnknownKey"));
    group.world.git(["commit", "-q", "--allow-empty", "-m", "x"]);
    let unsigned = group.world.object("HEAD", ObjectKind::Commit);
    group.commit("no signature", &trust, &unsigned, refused("Unsigned"));

    let time = |minutes| Timestamp::now() + SignedDuration::from_mins(minutes);
    let soon = group.world.commit_ssh_at("ada", time(8));
    let later = group.world.commit_ssh_at("ada", time(12));
    group.commit(
        "a commit 8 minutes in the future",
        &trust,
        &soon,
        signed_by("ada"),
    );
    group.commit(
        "a commit 12 minutes in the future",
        &trust,
        &later,
        refused("FromTheFuture"),
    );
    group
}

pub(crate) fn security_keys() -> Group {
    let mut group = Group::new("Security keys", World::new());
    for (name, kind) in [("sk-ssh-ed25519", "ed25519"), ("sk-ecdsa-sha2-nistp256", "ecdsa")] {
        let key = SoftwareToken::new(&group.world, kind);
        let trust = allowed_signers(&key.line());
        for (case, flags, expected) in [
            ("touched", 0x01, signed_by("ada")),
            ("touched, and its PIN given", 0x05, signed_by("ada")),
            ("not touched", 0x00, refused("UserNotPresent")),
            ("not touched, with a PIN", 0x04, refused("UserNotPresent")),
        ] {
            let commit = group.world.commit_ssh(kind);
            let signed = commit.with_signature(&key.sign(&commit.unsigned(), flags, flags));
            group.commit(format!("{name}, {case}"), &trust, &signed, expected);
        }
        let commit = group.world.commit_ssh(kind);
        let claimed = commit.with_signature(&key.sign(&commit.unsigned(), 0x00, 0x01));
        let case = format!("{name}, not touched, and the flag set afterwards");
        group.commit(case, &trust, &claimed, refused("BadSignature"));
    }
    group
}

/// A security key that is only software.
struct SoftwareToken {
    private: ssh_key::PrivateKey,
    public: ssh_key::public::KeyData,
}

impl SoftwareToken {
    const APPLICATION: &'static str = "ssh:";

    fn new(world: &World, kind: &str) -> Self {
        use ssh_key::public::{EcdsaPublicKey, KeyData, SkEcdsaSha2NistP256, SkEd25519};
        world.ssh_key(kind, &["-t", kind]);
        let private = ssh_key::PrivateKey::from_openssh(world.read_text(kind)).unwrap();
        let public = match private.public_key().key_data() {
            KeyData::Ed25519(key) => KeyData::SkEd25519(SkEd25519::new(*key, Self::APPLICATION)),
            KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => {
                KeyData::SkEcdsaSha2NistP256(SkEcdsaSha2NistP256::new(*point, Self::APPLICATION))
            }
            other => panic!("{other:?}"),
        };
        Self { private, public }
    }

    fn line(&self) -> String {
        let key = ssh_key::PublicKey::from(self.public.clone())
            .to_openssh()
            .unwrap();
        format!("ada {key}\n")
    }

    /// Signs as PROTOCOL.u2f says, with these flags, and claims others.
    fn sign(&self, payload: &[u8], signed: u8, claimed: u8) -> String {
        use sha2::{Digest, Sha256};
        use signature::Signer as _;
        use ssh_key::{HashAlg, LineEnding, Signature, SshSig};
        let counter = [0, 0, 0, 7];
        let message = SshSig::signed_data("git", HashAlg::Sha512, payload).unwrap();
        let blob = [
            &Sha256::digest(Self::APPLICATION)[..],
            &[signed],
            &counter,
            &Sha256::digest(message)[..],
        ]
        .concat();
        let software: Signature = self.private.try_sign(&blob).unwrap();
        let bytes = [software.as_bytes(), &[claimed], &counter].concat();
        let signature = Signature::new(self.public.algorithm(), bytes).unwrap();
        let armored = SshSig::new(self.public.clone(), "git", HashAlg::Sha512, signature).unwrap();
        armored.to_pem(LineEnding::LF).unwrap().trim_end().to_owned()
    }
}

pub(crate) fn entries() -> Group {
    let mut group = Group::new("Entries of allowed_signers and *.sshpub", World::new());
    let key = group.world.ssh_key("ada", &["-t", "ed25519"]);
    let bare = key.rsplit_once(' ').unwrap().0.to_owned();
    let commit = group.world.commit_ssh("ada");
    for (case, file, text, identity) in [
        (
            "one principal",
            "allowed_signers",
            format!("ada@example.org {key}\n"),
            "ada@example.org",
        ),
        (
            "several principals",
            "allowed_signers",
            format!("ada@a.org,ada@b.org {key}\n"),
            "ada@a.org",
        ),
        (
            "a pattern and an exclusion",
            "allowed_signers",
            format!("!eve@example.org,*@example.org {key}\n"),
            "*@example.org",
        ),
        (
            "a principal in quotation marks",
            "allowed_signers",
            format!("\"Ada Lovelace\" {key}\n"),
            "Ada Lovelace",
        ),
        (
            "a comment behind the key",
            "ada.sshpub",
            format!("{key}\n"),
            "ada@example.org",
        ),
        (
            "a comment of several words",
            "ada.sshpub",
            format!("# my key\n{bare} work laptop\n"),
            "work laptop",
        ),
    ] {
        let trust = trust([(file, text.as_bytes())]);
        group.commit(format!("`{file}`: {case}"), &trust, &commit, signed_by(identity));
    }
    let past = stamp(days_ago(5));
    let closed = format!("old valid-before=\"{past}\" {key}\nfiles namespaces=\"file\" {key}\n");
    let trust = allowed_signers(&format!("{closed}new {key}\n"));
    group.commit(
        "of three lines for a key, the last one accepts",
        &trust,
        &commit,
        signed_by("new"),
    );
    let row = group.commit(
        "of two lines for a key, none accepts",
        &allowed_signers(&closed),
        &commit,
        refused("Expired"),
    );
    row.flux(OPTIONS);
    group
}

pub(crate) fn windows() -> Group {
    let mut group = Group::new("Windows: valid-after and valid-before", World::new());
    let key = group.world.ssh_key("ada", &["-t", "ed25519"]);
    let recent = group.world.commit_ssh("ada");
    let old = group.world.commit_ssh_at("ada", days_ago(10));
    let after = |days| format!("valid-after=\"{}\"", stamp(days_ago(days)));
    let before = |days| format!("valid-before=\"{}\"", stamp(days_ago(days)));
    let (ada, early, late) = (
        || signed_by("ada"),
        || refused("NotYetValid"),
        || refused("Expired"),
    );
    for (case, options, on_recent, on_old) in [
        ("from 20 days ago on", after(20), ada(), ada()),
        ("from 5 days ago on", after(5), ada(), early()),
        ("from in 5 days on", after(-5), early(), early()),
        ("until in 5 days", before(-5), ada(), ada()),
        ("until 5 days ago", before(5), late(), late()),
        ("until 20 days ago", before(20), late(), late()),
        (
            "from 20 days ago until tomorrow",
            format!("{},{}", after(20), before(-1)),
            ada(),
            ada(),
        ),
        (
            "from 20 days ago until 5 days ago",
            format!("{},{}", after(20), before(5)),
            late(),
            late(),
        ),
    ] {
        let trust = allowed_signers(&format!("ada {options} {key}\n"));
        for (age, commit, expected) in [("of today", &recent, on_recent), ("10 days old", &old, on_old)] {
            let differs = expected != ada();
            let row = group.commit(
                format!("a commit {age}, the key valid {case}"),
                &trust,
                commit,
                expected,
            );
            if differs {
                row.flux(OPTIONS);
            }
        }
    }
    let trust = allowed_signers(&format!("ada {} {key}\n", before(5)));
    let case = "a commit 10 days old and first seen 9 days ago, the key valid until 5 days ago";
    group.commit_seen(case, &trust, &old, days_ago(9), ada());
    group
}

pub(crate) fn namespaces() -> Group {
    let mut group = Group::new("Namespaces", World::new());
    let key = group.world.ssh_key("ada", &["-t", "ed25519"]);
    let commit = group.world.commit_ssh("ada");
    for namespaces in ["git", "file,git", "g*", "gi?", "*,!file"] {
        let trust = allowed_signers(&format!("ada namespaces=\"{namespaces}\" {key}\n"));
        group.commit(
            format!("`namespaces=\"{namespaces}\"`"),
            &trust,
            &commit,
            signed_by("ada"),
        );
    }
    for namespaces in ["file", "*,!git", "Git"] {
        let trust = allowed_signers(&format!("ada namespaces=\"{namespaces}\" {key}\n"));
        let case = format!("`namespaces=\"{namespaces}\"`");
        group
            .commit(case, &trust, &commit, refused("NamespaceNotAllowed"))
            .flux(OPTIONS);
    }
    let trust = allowed_signers(&format!("ada {key}\n"));
    let for_files = group.world.ssh_sign("ada", "file", &commit.unsigned(), &[]);
    let for_files = commit.with_signature(&for_files);
    group.commit(
        "a signature made for `file`",
        &trust,
        &for_files,
        refused("WrongNamespace"),
    );
    group
}

#[test]
fn keys_are_named_as_ssh_keygen_names_them() {
    let world = World::new();
    let ada = world.ssh_key("ada", &["-t", "ed25519"]);
    let bare = ada.rsplit_once(' ').unwrap().0;
    let listing = String::from_utf8(world.run("ssh-keygen", ["-l", "-f", "ada.pub"])).unwrap();
    let fingerprint = listing.split(' ').nth(1).unwrap();
    let commit = world.commit_ssh("ada");
    let signer = verify(&trust([("ada.sshpub", bare.as_bytes())]), &commit).unwrap();
    assert_eq!(signer.kind, SignerKind::Ssh);
    // Without a comment, the fingerprint is all the name there is.
    assert_eq!(
        (signer.identity.as_str(), signer.fingerprint.as_str()),
        (fingerprint, fingerprint)
    );

    let eve = world.ssh_key("eve", &["-t", "ed25519"]);
    let refusal = verify(&allowed_signers(&format!("eve {eve}")), &commit).unwrap_err();
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
fn a_key_of_the_other_kind_is_explained() {
    let world = World::with_gpg();
    world.ssh_key("ada", &["-t", "ed25519"]);
    world.gpg_key("Ada <ada@example.org>", "ed25519", "sign", "0");
    let only_pgp = world.gpg_export("ada@example.org");
    let trust = trust([("ada.asc", only_pgp.as_bytes())]);
    let refusal = verify(&trust, &world.commit_ssh("ada")).unwrap_err();
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
