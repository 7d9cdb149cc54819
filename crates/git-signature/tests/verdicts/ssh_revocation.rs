//! `revoked_keys`: lists of keys and KRLs made by ssh-keygen.

use crate::material::trust;
use crate::ssh_certificates::{NO_AUTHORITIES, certified_commit, certify, world_with_authority};
use crate::table::{Group, refused, signed_by};
use crate::world::World;

/// Flux has no way to say that a key was revoked.
const NO_REVOCATION: &str = "there is no list of revoked keys";

/// A KRL by ssh-keygen from a specification, with an authority that its serial numbers belong to.
fn krl(world: &World, authority: Option<&str>, specification: &str) -> Vec<u8> {
    world.write("specification", specification);
    let mut command = world.command("ssh-keygen");
    command.args(["-q", "-k", "-f", "krl"]);
    if let Some(authority) = authority {
        command.args(["-s", authority]);
    }
    assert!(command.arg("specification").output().unwrap().status.success());
    world.read("krl")
}

pub(crate) fn of_keys() -> Group {
    let mut group = Group::new("Revoked SSH keys", World::new());
    let world = &group.world;
    let ada = world.ssh_key("ada", &["-t", "ed25519"]);
    let bob = world.ssh_key("bob", &["-t", "ecdsa"]);
    let signers = format!("ada {ada}\nbob {bob}\n");
    let (by_ada, by_bob) = (world.commit_ssh("ada"), world.commit_ssh("bob"));
    let listing = String::from_utf8(world.run("ssh-keygen", ["-l", "-f", "ada.pub"])).unwrap();
    let fingerprint = listing.split(' ').nth(1).unwrap();
    let files = [
        ("in a list", format!("# gone\n{ada}\n").into_bytes()),
        ("in a KRL", krl(world, None, &format!("key: {ada}\n"))),
        (
            "by its SHA-1 in a KRL",
            krl(world, None, &format!("sha1: {ada}\n")),
        ),
        (
            "by its SHA-256 in a KRL",
            krl(world, None, &format!("sha256: {ada}\n")),
        ),
        (
            "by its fingerprint in a KRL",
            krl(world, None, &format!("hash: {fingerprint}\n")),
        ),
    ];
    let nobody = krl(world, None, "");
    let with = |revoked: &[u8]| trust([("allowed_signers", signers.as_bytes()), ("revoked_keys", revoked)]);
    for (case, revoked) in files {
        let trust = with(&revoked);
        group
            .commit(format!("the key {case}"), &trust, &by_ada, refused("Revoked"))
            .flux(NO_REVOCATION);
        group.commit(
            format!("another key than the one {case}"),
            &trust,
            &by_bob,
            signed_by("bob"),
        );
    }
    group.commit("an empty KRL", &with(&nobody), &by_ada, signed_by("ada"));
    let krl_comment = with(b"# nobody yet\n");
    group.commit("an empty list", &krl_comment, &by_ada, signed_by("ada"));
    group
}

pub(crate) fn of_certificates() -> Group {
    let (world, authority) = world_with_authority();
    certify(&world, "ca", &["-I", "ada", "-n", "ada", "-z", "42"]);
    let commit = certified_commit(&world);
    let certificate = world.read_text("ada-cert.pub");
    let of_ca = |specification: &str| krl(&world, Some("ca.pub"), specification);
    let files = [
        ("its key in a list", world.read("ada.pub"), refused("Revoked")),
        (
            "itself in a list",
            certificate.clone().into_bytes(),
            refused("Revoked"),
        ),
        (
            "its authority in a list",
            world.read("ca.pub"),
            refused("Revoked"),
        ),
        ("its serial in a KRL", of_ca("serial: 42\n"), refused("Revoked")),
        (
            "its serial among others",
            of_ca("serial: 1\nserial: 42\nserial: 100000\n"),
            refused("Revoked"),
        ),
        (
            "its serial in a range",
            of_ca("serial: 40-50\n"),
            refused("Revoked"),
        ),
        (
            "its serial in a bitmap",
            of_ca("serial: 40\nserial: 42\nserial: 43\nserial: 45\nserial: 47\n"),
            refused("Revoked"),
        ),
        ("its key id in a KRL", of_ca("id: ada\n"), refused("Revoked")),
        ("itself in a KRL", of_ca(&certificate), refused("Revoked")),
        (
            "its authority in a KRL",
            of_ca(&format!("key: {authority}")),
            refused("Revoked"),
        ),
        (
            "other serials",
            of_ca("serial: 41\nserial: 43\n"),
            signed_by("ada"),
        ),
        (
            "another bitmap",
            of_ca("serial: 40\nserial: 41\nserial: 43\nserial: 45\nserial: 47\n"),
            signed_by("ada"),
        ),
        (
            "other ranges",
            of_ca("serial: 1-41\nserial: 43-50\n"),
            signed_by("ada"),
        ),
        ("another key id", of_ca("id: bob\n"), signed_by("ada")),
    ];
    let other = world.ssh_key("other", &["-t", "ed25519"]);
    let of_another = krl(&world, Some("other.pub"), "serial: 42\nid: ada\n");
    assert!(other.starts_with("ssh-ed25519"));

    let signers = format!("* cert-authority {authority}\n");
    let mut group = Group::new("Revoked SSH certificates", world);
    let files = files.into_iter().chain([(
        "its serial and id, of another authority",
        of_another,
        signed_by("ada"),
    )]);
    for (case, revoked, expected) in files {
        let trust = trust([
            ("allowed_signers", signers.as_bytes()),
            ("revoked_keys", &revoked),
        ]);
        let accepted = expected == signed_by("ada");
        let row = group.commit(case, &trust, &commit, expected);
        if accepted {
            row.flux(NO_AUTHORITIES);
        }
        // ssh-keygen itself agrees.
        if revoked.starts_with(b"SSHKRL") {
            group.world.write("revoked", &revoked);
            let mut query = group.world.command("ssh-keygen");
            query.args(["-Q", "-f", "revoked", "ada-cert.pub"]);
            assert_eq!(query.output().unwrap().status.success(), accepted, "{case}");
        }
    }
    group
}
