//! Dotenv, ini and binary files that are not exactly what was sealed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)] // tests

mod oracle;

use std::sync::atomic::{AtomicU8, Ordering};

use manifest_yaml::Limits;
use oracle::Oracle;
use sops::{
    EncryptError, EncryptOptions, EncryptedValueError, Format, LeafError, MacScope, MetadataError, OpenError,
    Rule, StructureError, SyntaxError, decrypt, decrypt_bytes, encrypt, open,
};

type Check = fn(&OpenError) -> bool;

/// No two files have the same data key.
static STATE: AtomicU8 = AtomicU8::new(0);

fn seal(oracle: &Oracle, format: Format, text: &str) -> String {
    let options = EncryptOptions {
        recipients: [oracle.recipient.clone()].into_iter().collect(),
        rule: Rule::default(),
        mac_scope: MacScope::AllValues,
        limits: Limits::default(),
    };
    let now = "2026-11-23T21:43:04Z".parse().unwrap();
    let mut random = |buffer: &mut [u8]| buffer.fill(STATE.fetch_add(1, Ordering::Relaxed));
    encrypt(text, format, &options, now, &mut random).unwrap()
}

fn check(oracle: &Oracle, format: Format, table: Vec<(&str, String, Check)>) {
    for (name, text, is_expected) in table {
        let opened = open(&text, format, &oracle.identities, &Limits::default()).map(drop);
        let decrypted = decrypt_bytes(&text, format, &oracle.identities, &Limits::default()).map(drop);
        for refused in [opened, decrypted] {
            let error = refused.err().unwrap_or_else(|| panic!("{name} opened:\n{text}"));
            assert!(is_expected(&error), "{name}: {error:?}");
            assert!(!format!("{error:?} {error}").contains("secret-"), "{name}");
        }
    }
}

/// The first line with a mark in it, its line break included.
fn line<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_inclusive('\n')
        .find(|line| line.contains(mark))
        .unwrap()
}

#[test]
fn dotenv_files_cannot_be_changed() {
    let oracle = Oracle::new();
    let sealed = seal(
        &oracle,
        Format::Dotenv,
        "A=secret-one\nB=secret-two\nC_unencrypted=c\n",
    );
    let other = seal(&oracle, Format::Dotenv, "A=secret-three\n");
    let (a, b) = (line(&sealed, "A="), line(&sealed, "B="));
    let mac = line(&sealed, "sops_mac=");
    let table: Vec<(&str, String, Check)> = vec![
        (
            "a value moved",
            sealed.replace(b, &a.replacen("A=", "B=", 1)),
            |error| {
                matches!(error, OpenError::Leaf { error: LeafError::NotAuthentic, path, position }
                if path.to_string() == "B" && position.line == 2)
            },
        ),
        ("a value in clear", sealed.replace(a, "A=clear\n"), |error| {
            matches!(
                error,
                OpenError::Leaf {
                    error: LeafError::Encoding(EncryptedValueError::NotEncrypted),
                    ..
                }
            )
        }),
        ("a value taken away", sealed.replace(a, ""), |error| {
            matches!(error, OpenError::MacMismatch)
        }),
        ("a clear value changed", sealed.replace("=c\n", "=d\n"), |error| {
            matches!(error, OpenError::MacMismatch)
        }),
        (
            "lines in another order",
            sealed.replace(a, "").replace(b, &format!("{b}{a}")),
            |error| matches!(error, OpenError::MacMismatch),
        ),
        ("a key twice", sealed.replace(a, &format!("{a}{a}")), |error| {
            matches!(error, OpenError::Structure(StructureError::DuplicateKey { .. }))
        }),
        ("no block", "A=1\n".to_owned(), |error| {
            matches!(error, OpenError::NotSealed)
        }),
        ("two blocks", format!("{sealed}{mac}"), |error| {
            matches!(error, OpenError::Parse(SyntaxError::Block { .. }))
        }),
        ("no MAC", sealed.replace(mac, ""), |error| {
            matches!(
                error,
                OpenError::Metadata(MetadataError::Missing { field: "mac", .. })
            )
        }),
        (
            "the MAC of another file",
            sealed.replace(mac, line(&other, "sops_mac=")),
            |error| matches!(error, OpenError::UnreadableMac { .. }),
        ),
        (
            "a list that misses an item",
            sealed.replace("__list_0", "__list_1"),
            |error| matches!(error, OpenError::Parse(SyntaxError::Block { .. })),
        ),
        (
            "a list that is none",
            sealed.replace("sops_age__list_0__map_", "sops_age__map_"),
            |error| matches!(error, OpenError::Metadata(MetadataError::WrongType { field, .. }) if field == "sops.age"),
        ),
        (
            "a line that is none",
            sealed.replace(a, "secret-line\n"),
            |error| matches!(error, OpenError::Parse(SyntaxError::Line { position, .. }) if position.line == 1),
        ),
        ("CRLF", sealed.replace('\n', "\r\n"), |error| {
            matches!(error, OpenError::Metadata(_) | OpenError::Parse(_))
        }),
    ];
    check(&oracle, Format::Dotenv, table);
}

#[test]
fn ini_files_cannot_be_changed() {
    let oracle = Oracle::new();
    let sealed = seal(&oracle, Format::Ini, "[a]\nk = secret-one\n[b]\nk = secret-two\n");
    let value = line(&sealed, "k = ");
    let table: Vec<(&str, String, Check)> = vec![
        ("a section renamed", sealed.replace("[b]", "[c]"), |error| {
            matches!(error, OpenError::Leaf { error: LeafError::NotAuthentic, path, .. }
                if path.to_string() == "c.k")
        }),
        ("a value taken away", sealed.replace(value, ""), |error| {
            matches!(error, OpenError::MacMismatch)
        }),
        (
            "a value cut",
            sealed.replace(value, &value.replace("type:str]", "type:st")),
            |error| {
                matches!(
                    error,
                    OpenError::Leaf {
                        error: LeafError::Encoding(_),
                        ..
                    }
                )
            },
        ),
        (
            "a key twice",
            sealed.replace(value, &format!("{value}{value}")),
            |error| matches!(error, OpenError::Structure(StructureError::DuplicateKey { .. })),
        ),
        ("two blocks", format!("{sealed}[sops]\nmac = m\n"), |error| {
            matches!(error, OpenError::Structure(StructureError::DuplicateKey { path, .. })
                if path.to_string() == "sops")
        }),
        ("an empty block", "[a]\nk = v\n[sops]\n".to_owned(), |error| {
            matches!(error, OpenError::Metadata(MetadataError::Missing { .. }))
        }),
        ("no block", "[a]\nk = v\n".to_owned(), |error| {
            matches!(error, OpenError::NotSealed)
        }),
        ("an open section", format!("[a\n{sealed}"), |error| {
            matches!(error, OpenError::Parse(SyntaxError::Line { .. }))
        }),
        ("open quotes", format!("k = `secret-\n{sealed}"), |error| {
            matches!(error, OpenError::Parse(SyntaxError::Line { .. }))
        }),
    ];
    check(&oracle, Format::Ini, table);
}

#[test]
fn binary_files_cannot_be_changed() {
    let oracle = Oracle::new();
    let sealed = seal(&oracle, Format::Binary, "secret-one");
    let other = seal(&oracle, Format::Binary, "secret-two");
    let table: Vec<(&str, String, Check)> = vec![
        (
            "the data of another file",
            sealed.replace(line(&sealed, "\"data\""), line(&other, "\"data\"")),
            |error| matches!(error, OpenError::Leaf { path, .. } if path.to_string() == "data"),
        ),
        (
            "data in clear",
            sealed.replace(line(&sealed, "\"data\""), "\"data\": \"x\",\n"),
            |error| matches!(error, OpenError::Leaf { .. }),
        ),
        (
            "no data",
            sealed.replace(line(&sealed, "\"data\""), ""),
            |error| matches!(error, OpenError::Structure(StructureError::NotBinary { .. })),
        ),
        (
            "more than data",
            sealed.replacen('{', "{\"more\": 1,", 1),
            |error| matches!(error, OpenError::Structure(StructureError::NotBinary { .. })),
        ),
        (
            "data that is a number",
            sealed.replace(line(&sealed, "\"data\""), "\"data\": 1,\n"),
            |error| matches!(error, OpenError::Structure(StructureError::NotBinary { .. })),
        ),
        ("no JSON", "secret-one".to_owned(), |error| {
            matches!(error, OpenError::Parse(SyntaxError::Document(_)))
        }),
    ];
    check(&oracle, Format::Binary, table);
}

/// `WireGuard` has a section for every peer. Such a file is text to everybody but a map of values.
#[test]
fn sections_may_repeat() {
    let oracle = Oracle::new();
    let text = "[Peer]\nKey = secret-one\n\n[Peer]\nKey = secret-two\n";
    let sealed = seal(&oracle, Format::Ini, text);
    let plain = decrypt(&sealed, Format::Ini, &oracle.identities, &Limits::default()).unwrap();
    assert_eq!(*plain, text);
    let by_sops = oracle.decrypt(Format::Ini, &sealed, "ini").unwrap();
    assert_eq!(by_sops.matches("[Peer]").count(), 2);
    assert!(matches!(
        open(&sealed, Format::Ini, &oracle.identities, &Limits::default()).map(drop),
        Err(OpenError::Structure(StructureError::RepeatedSection { .. }))
    ));
}

#[test]
fn sealed_files_are_not_sealed_again() {
    let oracle = Oracle::new();
    for (format, text) in [
        (Format::Dotenv, "A=1\nsops_version=3\n"),
        (Format::Ini, "[a]\nb = 1\n[sops]\nc = 1\n"),
    ] {
        let options = EncryptOptions {
            recipients: [oracle.recipient.clone()].into_iter().collect(),
            rule: Rule::default(),
            mac_scope: MacScope::AllValues,
            limits: Limits::default(),
        };
        let now = "2026-11-23T21:43:04Z".parse().unwrap();
        let refused = encrypt(text, format, &options, now, &mut |buffer| buffer.fill(7));
        assert!(
            matches!(refused, Err(EncryptError::AlreadySealed { .. })),
            "{refused:?}"
        );
    }
}
