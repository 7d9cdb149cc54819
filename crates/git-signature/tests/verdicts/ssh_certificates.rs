//! Keys that are certified by an authority.

use crate::material::allowed_signers;
use crate::object::{Object, armor, dearmor, replace_bytes};
use crate::table::{Group, Verdict, refused, signed_by};
use crate::world::World;

/// Flux knows lists of keys alone.
pub(crate) const NO_AUTHORITIES: &str = "it knows no authorities";

/// Has the key `ada` certified by the authority `ca`, with these options of ssh-keygen.
pub(crate) fn certify(world: &World, ca: &str, options: &[&str]) {
    let mut command = world.command("ssh-keygen");
    command.args(["-q", "-s", ca]).args(options).arg("ada.pub");
    assert!(command.output().unwrap().status.success());
}

/// A commit signed with the certificate of `ada` that was issued last.
pub(crate) fn certified_commit(world: &World) -> Object {
    let commit = world.commit_ssh("ada");
    std::fs::copy(world.path("ada"), world.path("certified")).unwrap();
    std::fs::copy(world.path("ada-cert.pub"), world.path("certified.pub")).unwrap();
    // ssh-keygen takes the public half from the file beside the key, certificate and all.
    let signature = world.ssh_sign("certified.pub", "git", &commit.unsigned(), &[]);
    commit.with_signature(&signature)
}

/// A world with the key `ada` and the authority `ca`, whose public key is returned.
pub(crate) fn world_with_authority() -> (World, String) {
    let world = World::new();
    let authority = world.ssh_key("ca", &["-t", "ed25519"]);
    world.ssh_key("ada", &["-t", "ed25519"]);
    (world, authority)
}

impl Group {
    /// A commit under a certificate, none of which Flux accepts.
    fn certificate(&mut self, case: String, trusted: &str, commit: &Object, expected: Verdict) {
        let accepted = matches!(expected, Verdict::SignedBy(_));
        let row = self.commit(case, &allowed_signers(trusted), commit, expected);
        if accepted {
            row.flux(NO_AUTHORITIES);
        }
    }
}

pub(crate) fn entries_of_authorities() -> Group {
    let (world, authority) = world_with_authority();
    certify(
        &world,
        "ca",
        &["-I", "ada", "-n", "ada@example.org,ada@work", "-V", "-1d:+1d"],
    );
    let commit = certified_commit(&world);
    let ada = world.read_text("ada.pub").trim().to_owned();
    let other = world.ssh_key("other", &["-t", "ed25519"]);
    let mut group = Group::new("SSH certificates: entries of authorities", world);
    for (principals, options, expected) in [
        ("ada@example.org", "", signed_by("ada@example.org")),
        ("ada@work", "", signed_by("ada@work")),
        ("*", "", signed_by("ada@example.org")),
        ("*@work", "", signed_by("ada@work")),
        ("*,!ada@example.org", "", signed_by("ada@work")),
        ("*@else.org", "", refused("CertificateRefused")),
        ("*,!ada*", "", refused("CertificateRefused")),
        ("*", ",namespaces=\"git\"", signed_by("ada@example.org")),
        ("*", ",namespaces=\"file\"", refused("NamespaceNotAllowed")),
        ("*", ",valid-before=\"20200101\"", refused("Expired")),
        ("*", ",valid-after=\"21000101\"", refused("NotYetValid")),
    ] {
        let case = format!(
            "`{principals} cert-authority{options}`, the certificate for ada@example.org and ada@work"
        );
        let line = format!("{principals} cert-authority{options} {authority}\n");
        group.certificate(case, &line, &commit, expected);
    }
    for (case, line) in [
        (
            "the authority's key listed as a signer",
            format!("* {authority}\n"),
        ),
        (
            "the certified key listed, its authority not",
            format!("* {ada}\n"),
        ),
        ("another authority", format!("* cert-authority {other}\n")),
        (
            "the certified key as an authority",
            format!("* cert-authority {ada}\n"),
        ),
    ] {
        group.certificate(case.to_owned(), &line, &commit, refused("UnknownKey"));
    }
    let plain = group.world.commit_ssh("ada");
    let case = "a certified key that signs without its certificate".to_owned();
    group.certificate(
        case,
        &format!("* cert-authority {authority}\n"),
        &plain,
        refused("UnknownKey"),
    );
    let by_authority = group.world.commit_ssh("ca");
    let case = "the authority signs a commit itself".to_owned();
    group.certificate(
        case,
        &format!("* cert-authority {authority}\n"),
        &by_authority,
        refused("UnknownKey"),
    );
    group
}

pub(crate) fn certificates() -> Group {
    let (world, authority) = world_with_authority();
    let mut group = Group::new("SSH certificates", world);
    let line = format!("* cert-authority {authority}\n");
    for (case, options, expected) in [
        (
            "valid for ever",
            &["-n", "ada", "-V", "always:forever"][..],
            signed_by("ada"),
        ),
        (
            "expired yesterday",
            &["-n", "ada", "-V", "-2d:-1d"],
            refused("Expired"),
        ),
        (
            "valid from tomorrow on",
            &["-n", "ada", "-V", "+1d:+2d"],
            refused("NotYetValid"),
        ),
        (
            "without principals",
            &["-V", "-1d:+1d"],
            refused("CertificateRefused"),
        ),
        ("of a host", &["-h", "-n", "ada"], refused("CertificateRefused")),
        (
            "with force-command",
            &["-n", "ada", "-O", "force-command=true"],
            refused("CertificateRefused"),
        ),
        (
            "with an unknown critical option",
            &["-n", "ada", "-O", "critical:x@y=1"],
            refused("CertificateRefused"),
        ),
        (
            "with extensions",
            &["-n", "ada", "-O", "no-pty", "-O", "extension:x@y=1"],
            signed_by("ada"),
        ),
    ] {
        certify(&group.world, "ca", &[&["-I", "ada"], options].concat());
        let commit = certified_commit(&group.world);
        group.certificate(case.to_owned(), &line, &commit, expected);
    }

    // The signature over the commit does not cover the certificate beside it.
    certify(&group.world, "ca", &["-I", "key-of-ada", "-n", "ada", "-z", "7"]);
    let commit = certified_commit(&group.world);
    let promoted = replace_bytes(&dearmor(&commit.signature()), b"\0\0\0\x03ada", b"\0\0\0\x03bob");
    let promoted = commit.with_signature(&armor("SSH SIGNATURE", &promoted));
    let case = "with a principal changed after it was issued".to_owned();
    group.certificate(case, &line, &promoted, refused("CertificateRefused"));

    for (case, options, expected) in [
        (
            "by an RSA authority, 3072 bits",
            &["-t", "rsa", "-b", "3072"][..],
            signed_by("ada"),
        ),
        (
            "by an ECDSA authority",
            &["-t", "ecdsa", "-b", "256"],
            signed_by("ada"),
        ),
        (
            "by an RSA authority, 1024 bits",
            &["-t", "rsa", "-b", "1024"],
            refused("WeakKey"),
        ),
    ] {
        let file = options.join("");
        let authority = group.world.ssh_key(&file, options);
        certify(&group.world, &file, &["-I", "ada", "-n", "ada"]);
        let commit = certified_commit(&group.world);
        group.certificate(
            case.to_owned(),
            &format!("* cert-authority {authority}\n"),
            &commit,
            expected,
        );
    }
    let rsa = group.world.ssh_key("rsa", &["-t", "rsa", "-b", "2048"]);
    certify(&group.world, "rsa", &["-t", "ssh-rsa", "-I", "ada", "-n", "ada"]);
    let commit = certified_commit(&group.world);
    let case = "by an RSA authority over SHA-1".to_owned();
    group.certificate(
        case,
        &format!("* cert-authority {rsa}\n"),
        &commit,
        refused("CertificateRefused"),
    );
    group
}
