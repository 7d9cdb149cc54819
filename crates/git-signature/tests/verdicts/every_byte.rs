//! Signed commits of which every single byte is changed: none may be accepted.

use jiff::Timestamp;

use crate::material::{Material, trust, verdict};
use crate::object::{Object, armor, dearmor};
use crate::world::World;

/// Changes every byte of a signed commit, one at a time, and names the result by its new hash: all of them
/// are refused. The bytes of the signature are included, so that no signed commit has a second id.
fn check_every_byte(trust: &Material, commit: &Object) {
    let now = Timestamp::now();
    assert!(trust.store.verify_commit(&commit.raw, commit.id(), now).is_ok());
    for position in 0..commit.raw.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut altered = commit.clone();
            altered.raw[position] ^= flip;
            let outcome = trust.store.verify_commit(&altered.raw, altered.id(), now);
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
}

#[test]
fn no_sshsig_structure_may_end_early() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}").as_bytes())]);
    let commit = world.commit_ssh("ada");
    let blob = dearmor(&commit.signature());
    for length in 0..blob.len() {
        let cut = armor("SSH SIGNATURE", &blob[..length]);
        assert_eq!(
            verdict(&trust, &commit.with_signature(&cut)),
            "MalformedSignature",
            "{length} bytes"
        );
    }
}

/// Under another name, even an honest commit is refused.
#[test]
fn no_byte_of_the_id_can_change() {
    let world = World::new();
    let key = world.ssh_key("ada", &["-t", "ed25519"]);
    let trust = trust([("allowed_signers", format!("ada {key}").as_bytes())]);
    let commit = world.commit_ssh("ada");
    for position in 0..20 {
        let mut id = *commit.id().as_bytes();
        id[position] ^= 1;
        let outcome = trust.store.verify_commit(
            &commit.raw,
            git_signature::ObjectId::from_bytes(id),
            Timestamp::now(),
        );
        assert_eq!(outcome.unwrap_err().reason(), "MalformedObject");
    }
}
