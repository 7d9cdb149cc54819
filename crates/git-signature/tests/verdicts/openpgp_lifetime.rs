//! From when to when an OpenPGP certificate counts: expiry and revocation.

use git_signature::TrustStore;
use jiff::Timestamp;

use crate::material::{days_ago, trust, verify};
use crate::object::armor;
use crate::openpgp::{ADA, at, certificate, commit_at};
use crate::table::{Group, refused, signed_by};
use crate::world::World;

pub(crate) fn expiry() -> Group {
    let mut group = Group::new("OpenPGP: expiry", World::with_gpg());
    let world = &group.world;
    let (lasting_user, expired_user) = ("lasting <l@example.org>", "expired <e@example.org>");
    let lasting = world.gpg_key_at(days_ago(30), lasting_user, "0", &[]);
    let expired = world.gpg_key_at(days_ago(30), expired_user, "10d", &[]);
    let trust = trust([
        ("lasting.asc", world.gpg_export(&lasting).as_bytes()),
        ("expired.asc", world.gpg_export(&expired).as_bytes()),
    ]);
    let signed_at = |user: &str, time: Timestamp| commit_at(world, time, user, &[&at(time)]);
    let then = signed_at(&expired, days_ago(25));
    let lasting_then = signed_at(&lasting, days_ago(25));
    // The key that has expired signs as if it were still its time, and dates the commit today.
    let late = commit_at(world, Timestamp::now(), &expired, &[&at(days_ago(25))]);
    let older = commit_at(world, days_ago(40), &lasting, &[]);
    let older_signature = days_ago(40);
    let brief = &[&at(days_ago(20)), "--default-sig-expire", "1d"];
    let brief = commit_at(world, days_ago(20), &lasting, brief);
    let long = commit_at(world, Timestamp::now(), &lasting, &["--default-sig-expire", "1d"]);
    let ahead = commit_at(world, Timestamp::now(), &lasting, &[&at(days_ago(-2))]);

    group.commit(
        "a key that does not expire",
        &trust,
        &lasting_then,
        signed_by(lasting_user),
    );
    group.commit("a key that expired since", &trust, &then, refused("Expired"));
    group.commit_seen(
        "the same, first seen before",
        &trust,
        &then,
        days_ago(24),
        signed_by(expired_user),
    );
    group.commit(
        "a commit of today under a signature from before the end",
        &trust,
        &late,
        refused("Expired"),
    );
    group.commit(
        "a commit older than its key",
        &trust,
        &older,
        refused("NotYetValid"),
    );
    let case = "a commit first seen before its key was made";
    group.commit_seen(case, &trust, &older, older_signature, refused("FromTheFuture"));
    group.commit(
        "a signature that expired",
        &trust,
        &brief,
        refused("SignatureExpired"),
    );
    group.commit(
        "a signature that will expire tomorrow",
        &trust,
        &long,
        signed_by(lasting_user),
    );
    group.commit(
        "a signature of the day after tomorrow",
        &trust,
        &ahead,
        refused("FromTheFuture"),
    );
    group
}

pub(crate) fn revocation() -> Group {
    let mut group = Group::new("OpenPGP: revocation", World::with_gpg());
    for (reason, number, options, hard) in [
        ("compromised", "1", &[][..], Hard::Yes),
        (
            "compromised, said with SHA-1",
            "1",
            &["--cert-digest-algo", "SHA1"],
            Hard::Yes,
        ),
        ("no reason given", "0", &[], Hard::Yes),
        ("superseded", "2", &[], Hard::No),
        ("retired", "3", &[], Hard::No),
    ] {
        let user = format!("{} <a@example.org>", reason.split(',').next().unwrap());
        let user = if options.is_empty() {
            user
        } else {
            format!("weakly {user}")
        };
        let world = &group.world;
        let key = world.gpg_key_at(days_ago(30), &user, "0", &[]);
        let commit = commit_at(world, days_ago(20), &key, &[&at(days_ago(20))]);
        let stale = certificate(world, &key);
        world.gpg_revoke(&key, days_ago(10), number, options);
        let fresh = certificate(world, &key);
        let both = trust([
            ("a.asc", stale.files[0].1.as_slice()),
            ("b.asc", fresh.files[0].1.as_slice()),
        ]);
        group.commit(
            format!("{reason}: the copy from before the revocation"),
            &stale,
            &commit,
            signed_by(&user),
        );
        group.commit(
            format!("{reason}: a commit from before"),
            &fresh,
            &commit,
            refused("Revoked"),
        );
        group.commit(
            format!("{reason}: both copies"),
            &both,
            &commit,
            refused("Revoked"),
        );
        let seen = match hard {
            Hard::Yes => refused("Revoked"),
            Hard::No => signed_by(&user),
        };
        let case = format!("{reason}: a commit seen before the revocation");
        group.commit_seen(case, &fresh, &commit, days_ago(15), seen);
    }
    group
}

/// Whether a revocation says that the key may never have been good (RFC 9580 §5.2.3.31).
#[derive(Clone, Copy)]
enum Hard {
    Yes,
    No,
}

#[test]
fn a_revocation_is_told_with_its_reason() {
    let world = World::with_gpg();
    for (user, reason, word) in [
        ("hard <h@example.org>", "1", "compromised"),
        ("soft <s@example.org>", "3", "retired"),
    ] {
        let key = world.gpg_key_at(days_ago(30), user, "0", &[]);
        let commit = commit_at(&world, days_ago(20), &key, &[&at(days_ago(20))]);
        world.gpg_revoke(&key, days_ago(10), reason, &[]);
        let refusal = verify(&certificate(&world, &key), &commit).unwrap_err();
        assert!(refusal.to_string().contains(word), "{refusal}");
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
