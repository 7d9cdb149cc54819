//! Keys that are certified by an authority.

use crate::world::{Object, World, allowed_signers, armor, dearmor, replace_bytes, trust, verdict, verify};

/// An authority `ca`, and a key `ada` that it certified with these options of ssh-keygen.
struct Certified {
    world: World,
    authority: String,
}

impl Certified {
    fn new() -> Self {
        let world = World::new();
        let authority = world.ssh_key("ca", &["-t", "ed25519"]);
        world.ssh_key("ada", &["-t", "ed25519"]);
        Self { world, authority }
    }

    fn certify(&self, options: &[&str]) {
        let mut command = self.world.command("ssh-keygen");
        command.args(["-q", "-s", "ca"]).args(options).arg("ada.pub");
        assert!(command.output().unwrap().status.success());
    }

    /// A commit signed with the certificate that was issued last.
    fn commit(&self) -> Object {
        let commit = self.world.commit_ssh("ada");
        let certificate = self.world.path("ada-cert.pub");
        std::fs::copy(self.world.path("ada"), self.world.path("certified")).unwrap();
        std::fs::copy(certificate, self.world.path("certified.pub")).unwrap();
        // ssh-keygen takes the public half from the file beside the key, certificate and all.
        let signature = self
            .world
            .ssh_sign("certified.pub", "git", &commit.unsigned(), &[]);
        commit.with_signature(&signature)
    }

    fn lines(&self, principals: &str, options: &str) -> String {
        format!("{principals} cert-authority{options} {}\n", self.authority)
    }
}

#[test]
fn a_certificate_counts_where_its_authority_s_line_says_so() {
    let certified = Certified::new();
    certified.certify(&["-I", "ada", "-n", "ada@example.org,ada@work", "-V", "-1d:+1d"]);
    let commit = certified.commit();
    for (principals, options, expected) in [
        ("ada@example.org", "", "ada@example.org"),
        ("ada@work", "", "ada@work"),
        ("*", "", "ada@example.org"),
        ("*@work", "", "ada@work"),
        ("*,!ada@example.org", "", "ada@work"),
        ("*@else.org", "", "CertificateRefused"),
        ("*,!ada*", "", "CertificateRefused"),
        ("*", ",namespaces=\"git\"", "ada@example.org"),
        ("*", ",namespaces=\"file\"", "NamespaceNotAllowed"),
        ("*", ",valid-before=\"20200101\"", "Expired"),
        ("*", ",valid-after=\"21000101\"", "NotYetValid"),
    ] {
        let trust = allowed_signers(&certified.lines(principals, options));
        assert_eq!(verdict(&trust, &commit), expected, "{principals} {options}");
    }
}

#[test]
fn only_the_authority_itself_certifies() {
    let certified = Certified::new();
    certified.certify(&["-I", "ada", "-n", "ada", "-V", "-1d:+1d"]);
    let commit = certified.commit();
    // The authority's key as that of a signer, and the certified key without its certificate.
    let plain = format!("* {}\n", certified.authority);
    assert_eq!(verdict(&allowed_signers(&plain), &commit), "UnknownKey");
    let inner = format!("ada {}\n", certified.world.read_text("ada.pub").trim());
    assert_eq!(verdict(&allowed_signers(&inner), &commit), "UnknownKey");
    // Another authority, and the signer's own key as an authority.
    let other = certified.world.ssh_key("other", &["-t", "ed25519"]);
    assert_eq!(
        verdict(&allowed_signers(&format!("* cert-authority {other}\n")), &commit),
        "UnknownKey"
    );
    let own = format!(
        "* cert-authority {}\n",
        certified.world.read_text("ada.pub").trim()
    );
    assert_eq!(verdict(&allowed_signers(&own), &commit), "UnknownKey");
}

#[test]
fn certificates_that_do_not_fit_are_refused() {
    let certified = Certified::new();
    let trust = allowed_signers(&certified.lines("*", ""));
    for (options, expected) in [
        (&["-I", "ada", "-n", "ada", "-V", "always:forever"][..], "ada"),
        (&["-I", "ada", "-n", "ada", "-V", "-2d:-1d"], "Expired"),
        (&["-I", "ada", "-n", "ada", "-V", "+1d:+2d"], "NotYetValid"),
        (&["-I", "ada", "-V", "-1d:+1d"], "CertificateRefused"),
        (
            &["-h", "-I", "ada", "-n", "ada", "-V", "-1d:+1d"],
            "CertificateRefused",
        ),
        (
            &["-I", "ada", "-n", "ada", "-O", "force-command=true"],
            "CertificateRefused",
        ),
        (
            &["-I", "ada", "-n", "ada", "-O", "critical:x@y=1"],
            "CertificateRefused",
        ),
        (
            &["-I", "ada", "-n", "ada", "-O", "no-pty", "-O", "extension:x@y=1"],
            "ada",
        ),
    ] {
        certified.certify(options);
        assert_eq!(verdict(&trust, &certified.commit()), expected, "{options:?}");
    }
}

#[test]
fn an_altered_certificate_is_refused() {
    use git_signature::{CertificateProblem, Refusal};
    let certified = Certified::new();
    certified.certify(&["-I", "key-of-ada", "-n", "ada", "-z", "7"]);
    let commit = certified.commit();
    let trust = allowed_signers(&certified.lines("*", ""));
    assert_eq!(verdict(&trust, &commit), "ada");
    // The signature over the commit does not cover the certificate beside it.
    let blob = dearmor(&commit.signature());
    let promoted = replace_bytes(&blob, b"\0\0\0\x03ada", b"\0\0\0\x03bob");
    let refusal = verify(&trust, &commit.with_signature(&armor("SSH SIGNATURE", &promoted))).unwrap_err();
    assert!(
        matches!(
            refusal,
            Refusal::CertificateRefused {
                problem: CertificateProblem::Signature,
                ..
            }
        ),
        "{refusal}"
    );
}

#[test]
fn authorities_of_other_kinds_of_key_certify_too() {
    let certified = Certified::new();
    for (name, options, expected) in [
        ("rsa", &["-t", "rsa", "-b", "3072"][..], "ada"),
        ("p256", &["-t", "ecdsa", "-b", "256"], "ada"),
        ("weak", &["-t", "rsa", "-b", "1024"], "WeakKey"),
    ] {
        let authority = certified.world.ssh_key(name, options);
        let mut command = certified.world.command("ssh-keygen");
        command.args(["-q", "-s", name, "-I", "ada", "-n", "ada", "ada.pub"]);
        assert!(command.output().unwrap().status.success());
        let trust = allowed_signers(&format!("* cert-authority {authority}\n"));
        assert_eq!(verdict(&trust, &certified.commit()), expected, "{name}");
    }
}

#[test]
fn certificates_are_revoked_by_key_number_id_and_authority() {
    let certified = Certified::new();
    certified.certify(&["-I", "ada", "-n", "ada", "-z", "42"]);
    let commit = certified.commit();
    let signers = certified.lines("*", "");
    let world = &certified.world;
    let krl = |specification: &str| {
        world.write("specification", specification);
        world.run(
            "ssh-keygen",
            ["-q", "-k", "-s", "ca.pub", "-f", "krl", "specification"],
        );
        world.read("krl")
    };
    let certificate = world.read_text("ada-cert.pub");
    for (what, revoked, expected) in [
        ("the key in a list", world.read("ada.pub"), "Revoked"),
        (
            "the certificate in a list",
            certificate.clone().into_bytes(),
            "Revoked",
        ),
        ("the authority in a list", world.read("ca.pub"), "Revoked"),
        ("serial", krl("serial: 42\n"), "Revoked"),
        (
            "serials apart",
            krl("serial: 1\nserial: 42\nserial: 100000\n"),
            "Revoked",
        ),
        ("a range", krl("serial: 40-50\n"), "Revoked"),
        (
            "a bitmap",
            krl("serial: 40\nserial: 42\nserial: 43\nserial: 45\nserial: 47\n"),
            "Revoked",
        ),
        ("key id", krl("id: ada\n"), "Revoked"),
        ("the certificate in a KRL", krl(&certificate), "Revoked"),
        (
            "the authority in a KRL",
            krl(&format!("key: {}", certified.authority)),
            "Revoked",
        ),
        ("another serial", krl("serial: 41\nserial: 43\n"), "ada"),
        (
            "another bitmap",
            krl("serial: 40\nserial: 41\nserial: 43\nserial: 45\nserial: 47\n"),
            "ada",
        ),
        ("another range", krl("serial: 1-41\nserial: 43-50\n"), "ada"),
        ("another key id", krl("id: bob\n"), "ada"),
    ] {
        let trust = trust([
            ("allowed_signers", signers.as_bytes()),
            ("revoked_keys", &revoked),
        ]);
        assert_eq!(verdict(&trust, &commit), expected, "{what}");

        // ssh-keygen itself agrees.
        world.write("revoked", &revoked);
        let query = world
            .command("ssh-keygen")
            .args(["-Q", "-f", "revoked", "ada-cert.pub"])
            .output()
            .unwrap();
        if revoked.starts_with(b"SSHKRL") {
            assert_eq!(!query.status.success(), expected == "Revoked", "{what}");
        }
    }
}
