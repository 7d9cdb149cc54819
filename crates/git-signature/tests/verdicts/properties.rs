//! What must hold for any bytes at all.

use git_signature::{Commit, ObjectId, ObjectKind, Problem, Tag, TrustStore, inspect};
use jiff::Timestamp;
use proptest::prelude::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

/// Texts that look like commits and tags, so that the readers get beyond the first line.
fn nearly_an_object() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n".to_owned()),
        Just("object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\n".to_owned()),
        Just("parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n".to_owned()),
        Just("author A <a@example.org> 1700000000 +0000\n".to_owned()),
        Just("committer A <a@example.org> 1700000000 +0000\n".to_owned()),
        Just("tagger A <a@example.org> 1700000000 +0000\n".to_owned()),
        Just("gpgsig -----BEGIN SSH SIGNATURE-----\n".to_owned()),
        Just("gpgsig -----BEGIN PGP SIGNATURE-----\n \n".to_owned()),
        Just(" -----END SSH SIGNATURE-----\n".to_owned()),
        Just(" -----END PGP SIGNATURE-----\n".to_owned()),
        Just("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n".to_owned()),
        Just("\n".to_owned()),
        "[A-Za-z0-9+/]{0,16}={0,2}\n".prop_map(|line| format!(" {line}")),
        "\\PC{0,8}",
    ];
    prop_oneof![
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..256),
    ]
}

proptest! {
    #[test]
    fn no_object_makes_the_readers_panic(raw in nearly_an_object()) {
        let trust = TrustStore::parse([("allowed_signers", format!("ada {KEY}"))]).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let commit = ObjectId::of(ObjectKind::Commit, &raw).unwrap();
        if let Ok(parsed) = Commit::parse(&raw, commit) {
            // What is read is all there is: the payload and the signature make up the object.
            let payload = parsed.payload();
            prop_assert!(payload.len() <= raw.len());
            prop_assert_eq!(parsed.signature.is_none(), payload == raw);
        }
        prop_assert!(trust.verify_commit(&raw, commit, now).is_err());
        let tag = ObjectId::of(ObjectKind::Tag, &raw).unwrap();
        if let Ok(parsed) = Tag::parse(&raw, tag) {
            prop_assert!(raw.starts_with(parsed.payload()));
        }
        prop_assert!(trust.verify_tag(&raw, tag, "v1", now).is_err());
    }

    #[test]
    fn no_trust_material_makes_the_readers_panic(
        name in prop_oneof![
            Just("allowed_signers"), Just("a.sshpub"), Just("a.asc"), Just("revoked_keys"), Just("?")
        ],
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "(ada |\\*|,|!|namespaces=|valid-after=|cert-authority|\"|20240101|Z|ssh-ed25519 |AAAA|\n){0,12}"
                .prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..120).prop_map(|tail| {
                // The header of a KRL, so that the sections are reached.
                let mut krl = b"SSHKRL\n\0\0\0\0\x01".to_vec();
                krl.extend([0; 32]);
                krl.extend(tail);
                krl
            }),
        ],
    ) {
        let found = inspect([(name, &bytes)], Timestamp::UNIX_EPOCH);
        let unusable = found.iter().any(|finding| matches!(finding.problem, Problem::Unreadable(_)));
        prop_assert_eq!(TrustStore::parse([(name, &bytes)]).is_err(), unusable);
    }
}
