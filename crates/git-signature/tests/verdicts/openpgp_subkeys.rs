//! Subkeys: their own expiry and revocation, and whose they are.

use crate::material::{days_ago, trust};
use crate::openpgp::{ADA, BOB, at, certificate, commit_at};
use crate::table::{Group, refused, signed_by};
use crate::world::World;

pub(crate) fn subkeys() -> Group {
    let mut group = Group::new("OpenPGP subkeys", World::with_gpg());
    let world = &group.world;
    let primary = world.gpg_key(ADA, "ed25519", "cert", "0");
    world.gpg(["--quick-add-key", &primary, "rsa2048", "sign", "0"]);
    let stale = certificate(world, &primary);
    let first = world.gpg_fingerprints(&primary).remove(1);
    let by_first = world.commit_gpg(&format!("{first}!"));

    world.gpg(["--quick-add-key", &primary, "ed25519", "sign", "0"]);
    let second = world.gpg_fingerprints(&primary).pop().unwrap();
    let by_second = world.commit_gpg(&format!("{second}!"));
    let fresh = certificate(world, &primary);

    // The second subkey is compromised, which spares the primary key and the first one.
    world.gpg_dialogue(&["--edit-key", &primary], "key 2\nrevkey\ny\n1\n\ny\nsave\n");
    let revoked = certificate(world, &primary);
    let both = trust([
        ("fresh.asc", fresh.files[0].1.as_slice()),
        ("revoked.asc", revoked.files[0].1.as_slice()),
    ]);

    group.commit(
        "a signing subkey of a certifying key",
        &fresh,
        &by_first,
        signed_by(ADA),
    );
    group.commit("a second signing subkey", &fresh, &by_second, signed_by(ADA));
    group.commit(
        "a subkey that the trusted copy does not have yet",
        &stale,
        &by_second,
        refused("UnknownKey"),
    );
    group.commit(
        "a subkey that was revoked",
        &revoked,
        &by_second,
        refused("Revoked"),
    );
    group.commit(
        "another subkey than the one that was revoked",
        &revoked,
        &by_first,
        signed_by(ADA),
    );
    group.commit(
        "a revoked subkey, with a copy from before beside",
        &both,
        &by_second,
        refused("Revoked"),
    );
    add_expired_subkey(&mut group);
    group
}

fn add_expired_subkey(group: &mut Group) {
    let world = &group.world;
    let then = at(days_ago(30));
    let primary = world.gpg_key_at(days_ago(30), BOB, "0", &[]);
    world.gpg([&then, "--quick-add-key", &primary, "ed25519", "sign", "10d"]);
    let subkey = format!("{}!", world.gpg_fingerprints(&primary).pop().unwrap());
    let trust = certificate(world, &primary);
    let by_subkey = commit_at(world, days_ago(25), &subkey, &[&at(days_ago(25))]);
    let by_primary = commit_at(world, days_ago(25), &format!("{primary}!"), &[&at(days_ago(25))]);
    group.commit(
        "a subkey that expired since",
        &trust,
        &by_subkey,
        refused("Expired"),
    );
    group.commit_seen(
        "the same, first seen before",
        &trust,
        &by_subkey,
        days_ago(24),
        signed_by(BOB),
    );
    group.commit(
        "its primary key, which did not expire",
        &trust,
        &by_primary,
        signed_by(BOB),
    );
}

/// Ada's certificate claims Bob's key for its own: whatever Bob signed would count as signed by Ada.
pub(crate) fn adopted() -> Group {
    use sequoia_openpgp::cert::Cert;
    use sequoia_openpgp::packet::signature::SignatureBuilder;
    use sequoia_openpgp::parse::Parse;
    use sequoia_openpgp::serialize::SerializeInto;
    use sequoia_openpgp::types::{KeyFlags, SignatureType};
    use sequoia_openpgp::{Packet, packet::key};

    let mut group = Group::new("OpenPGP: subkeys that belong to somebody else", World::with_gpg());
    let world = &group.world;
    let ada = world.gpg_key(ADA, "ed25519", "sign", "0");
    let bob = world.gpg_key(BOB, "ed25519", "sign", "0");
    let (by_ada, by_bob) = (world.commit_gpg(&ada), world.commit_gpg(&bob));
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
    for (claim, flags) in [
        ("without its agreement", KeyFlags::empty().set_signing()),
        ("for another purpose", KeyFlags::empty().set_authentication()),
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
        group.commit(
            format!("claimed {claim}: its owner signs"),
            &trust,
            &by_bob,
            refused("UnusableKey"),
        );
        group.commit(
            format!("claimed {claim}: the claimer signs"),
            &trust,
            &by_ada,
            signed_by(ADA),
        );
    }
    group
}
