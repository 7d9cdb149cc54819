//! What is not exactly what was sealed is refused, with a reason that says where and never what.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity,
    clippy::too_many_lines,
    clippy::items_after_statements,
    clippy::format_collect
)] // tests

mod oracle;

use manifest_yaml::{Limits, ParseError};
use oracle::Oracle;
use sops::{
    DataKeyError, EncryptOptions, EncryptedValueError, Format, GoRegex, LeafError, MacScope, MetadataError,
    OpenError, Rule, StructureError, SyntaxError, encrypt, open,
};

const PLAIN: &str =
    "kind: Secret\nother: clear\ndata:\n  user: secret-one\n  password: secret-two\n  list: [secret-three]\n";

fn seal(oracle: &Oracle, format: Format, text: &str) -> String {
    let options = EncryptOptions {
        recipients: std::iter::once(oracle.recipient.clone()).collect(),
        rule: Rule::EncryptedRegex(GoRegex::parse("^data$").unwrap()),
        mac_scope: MacScope::AllValues,
        limits: Limits::default(),
    };
    let now = "2026-11-23T21:43:04Z".parse().unwrap();
    let mut state = 0_u8;
    let mut random = |buffer: &mut [u8]| {
        for byte in buffer {
            state = state.wrapping_mul(5).wrapping_add(3);
            *byte = state;
        }
    };
    encrypt(text, format, &options, now, &mut random).unwrap()
}

fn refusal(oracle: &Oracle, text: &str) -> OpenError {
    let error = open(text, Format::Yaml, &oracle.identities, &Limits::default())
        .err()
        .unwrap_or_else(|| panic!("opened:\n{text}"));
    for secret in ["secret-one", "secret-two", "secret-three"] {
        assert!(!format!("{error:?} {error}").contains(secret));
    }
    error
}

fn leaf(path: &str, error: LeafError) -> impl Fn(&OpenError) -> bool + use<> {
    let path = path.to_owned();
    move |found| matches!(found, OpenError::Leaf { path: at, error: why, .. } if at.to_string() == path && *why == error)
}

/// The line of a key, without its line break.
fn line<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines()
        .find(|line| line.trim_start().starts_with(key))
        .unwrap()
}

/// The text between two marks in a line.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

#[test]
fn values_cannot_be_changed() {
    let oracle = Oracle::new();
    let sealed = seal(&oracle, Format::Yaml, PLAIN);
    assert!(open(&sealed, Format::Yaml, &oracle.identities, &Limits::default()).is_ok());
    let user = line(&sealed, "user:");
    let password = line(&sealed, "password:");
    let with_user = |replacement: String| sealed.replace(user, &replacement);
    let data = between(user, "data:", ",");
    let iv = between(user, "iv:", ",");
    let tag = between(user, "tag:", ",");
    let encoding = |error| leaf("data.user", LeafError::Encoding(error));

    type Check<'a> = Box<dyn Fn(&OpenError) -> bool + 'a>;
    let table: Vec<(&str, String, Check<'_>)> = vec![
        (
            "cut off",
            with_user(user.get(..user.len() - 6).unwrap().to_owned()),
            Box::new(encoding(EncryptedValueError::Malformed)),
        ),
        (
            "reordered",
            with_user(format!(
                "  user: ENC[AES256_GCM,iv:{iv},data:{data},tag:{tag},type:str]"
            )),
            Box::new(encoding(EncryptedValueError::Malformed)),
        ),
        (
            "another cipher",
            with_user(user.replace("AES256_GCM", "AES128_CBC")),
            Box::new(encoding(EncryptedValueError::UnknownCipher)),
        ),
        (
            "a short IV",
            with_user(user.replace(iv, "AAAAAAAAAAAAAAAA")),
            Box::new(encoding(EncryptedValueError::InvalidLength {
                field: "iv",
                length: 12,
            })),
        ),
        (
            "another IV",
            with_user(user.replace(iv, &format!("{}=", "A".repeat(43)))),
            Box::new(leaf("data.user", LeafError::NotAuthentic)),
        ),
        (
            "a short tag",
            with_user(user.replace(tag, "AAAAAAAAAAAAAAAA")),
            Box::new(encoding(EncryptedValueError::InvalidLength {
                field: "tag",
                length: 12,
            })),
        ),
        (
            "another tag",
            with_user(user.replace(tag, "AAAAAAAAAAAAAAAAAAAAAA==")),
            Box::new(leaf("data.user", LeafError::NotAuthentic)),
        ),
        (
            "no data",
            with_user(user.replace(data, "")),
            Box::new(encoding(EncryptedValueError::InvalidLength {
                field: "data",
                length: 0,
            })),
        ),
        (
            "another type",
            with_user(user.replace("type:str", "type:int")),
            Box::new(leaf("data.user", LeafError::InvalidPlaintext { kind: "int" })),
        ),
        (
            "an unknown type",
            with_user(user.replace("type:str", "type:object")),
            Box::new(encoding(EncryptedValueError::UnknownType)),
        ),
        (
            "a value made a comment",
            with_user(user.replace("type:str", "type:comment")),
            Box::new(leaf("data.user", LeafError::UnexpectedComment)),
        ),
        (
            "clear text",
            with_user("  user: hello".to_owned()),
            Box::new(encoding(EncryptedValueError::NotEncrypted)),
        ),
        (
            "a number",
            with_user("  user: 42".to_owned()),
            Box::new(leaf("data.user", LeafError::Clear { kind: "int" })),
        ),
        (
            "a value of another key",
            with_user(password.replace("password:", "user:")),
            Box::new(leaf("data.user", LeafError::NotAuthentic)),
        ),
        (
            "a key renamed",
            with_user(user.replace("user:", "admin:")),
            Box::new(leaf("data.admin", LeafError::NotAuthentic)),
        ),
        (
            "a value taken out",
            with_user(String::new()),
            Box::new(|error| *error == OpenError::MacMismatch),
        ),
        (
            "a value emptied",
            with_user("  user: ''".to_owned()),
            Box::new(|error| *error == OpenError::MacMismatch),
        ),
        (
            "a clear value changed",
            sealed.replace("other: clear", "other: changed"),
            Box::new(|error| *error == OpenError::MacMismatch),
        ),
        (
            "a clear value added",
            format!("extra: value\n{sealed}"),
            Box::new(|error| *error == OpenError::MacMismatch),
        ),
        (
            "a document added",
            format!("{sealed}---\nextra: value\n"),
            Box::new(|error| *error == OpenError::MacMismatch),
        ),
        (
            "an item twice",
            sealed.replace(
                "list: [",
                &format!("list: [\"{}\", ", between(line(&sealed, "list:"), "\"", "\"")),
            ),
            Box::new(|error| *error == OpenError::MacMismatch),
        ),
        (
            "a key twice",
            with_user(format!("{user}\n{user}")),
            Box::new(
                |error| matches!(error, OpenError::Structure(StructureError::DuplicateKey { path, .. }) if path.to_string() == "data.user"),
            ),
        ),
        (
            "an alias to a sealed value",
            with_user(user.replace("user: ", "user: &x ")).replace(password, "  password: *x"),
            Box::new(leaf("data.user", LeafError::Alias)),
        ),
        (
            "an alias bomb",
            format!(
                "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n{}{sealed}",
                ["b", "c", "d", "e", "f", "g"]
                    .iter()
                    .zip(["a", "b", "c", "d", "e", "f"])
                    .map(|(next, last)| format!(
                        "{next}: &{next} [{}]\n",
                        vec![format!("*{last}"); 9].join(", ")
                    ))
                    .collect::<String>()
            ),
            Box::new(|error| {
                matches!(
                    error,
                    OpenError::Parse(SyntaxError::Document(ParseError::TooMuchAliasing { .. }))
                )
            }),
        ),
        (
            "deep nesting",
            format!("deep: {}{}\n{sealed}", "[".repeat(10_000), "]".repeat(10_000)),
            Box::new(|error| {
                matches!(
                    error,
                    OpenError::Parse(SyntaxError::Document(ParseError::TooDeep { .. }))
                )
            }),
        ),
    ];
    for (name, text, is_expected) in table {
        let error = refusal(&oracle, &text);
        assert!(is_expected(&error), "{name}: {error:?}");
    }
}

#[test]
fn metadata_cannot_be_changed() {
    let oracle = Oracle::new();
    let sealed = seal(&oracle, Format::Yaml, PLAIN);
    let other = seal(&oracle, Format::Yaml, &PLAIN.replace("clear", "another"));
    let mac = line(&sealed, "mac:");
    let block = sealed.get(sealed.find("sops:").unwrap()..).unwrap();

    type Check = fn(&OpenError) -> bool;
    let table: Vec<(&str, String, Check)> = vec![
        ("no block", PLAIN.to_owned(), |error| {
            *error == OpenError::NotSealed
        }),
        (
            "the block in another document",
            format!("a: b\n---\n{sealed}"),
            |error| *error == OpenError::NotSealed,
        ),
        (
            "the block nested",
            sealed.replace("sops:", "other2:\n  sops:"),
            |error| matches!(error, OpenError::NotSealed | OpenError::Parse(_)),
        ),
        (
            "two blocks",
            format!("{sealed}{block}"),
            |error| matches!(error, OpenError::Structure(StructureError::DuplicateKey { path, .. }) if path.to_string() == "sops"),
        ),
        (
            "the MAC of another file",
            sealed.replace(mac, line(&other, "mac:")),
            |error| matches!(error, OpenError::UnreadableMac { .. } | OpenError::MacMismatch),
        ),
        ("no MAC", sealed.replace(&format!("{mac}\n"), ""), |error| {
            matches!(
                error,
                OpenError::Metadata(MetadataError::Missing { field: "mac", .. })
            )
        }),
        ("an empty MAC", sealed.replace(mac, "    mac: ''"), |error| {
            matches!(
                error,
                OpenError::Metadata(MetadataError::Missing { field: "mac", .. })
            )
        }),
        (
            "a MAC in clear",
            sealed.replace(mac, &format!("    mac: {}", "0".repeat(128))),
            |error| {
                matches!(
                    error,
                    OpenError::UnreadableMac {
                        error: LeafError::Encoding(_),
                        ..
                    } | OpenError::Metadata(_)
                )
            },
        ),
        (
            "another time",
            sealed.replace("2026-11-23T21:43:04Z", "2026-11-23T21:43:05Z"),
            |error| {
                matches!(
                    error,
                    OpenError::UnreadableMac {
                        error: LeafError::NotAuthentic,
                        ..
                    }
                )
            },
        ),
        ("another rule", sealed.replace("^data$", "^other$"), |error| {
            matches!(error, OpenError::Leaf { .. })
        }),
        (
            "a wider scope of the MAC",
            sealed.replace(mac, &format!("{mac}\n    mac_only_encrypted: true")),
            |error| *error == OpenError::MacMismatch,
        ),
        (
            "the block as a list",
            sealed.replace("sops:\n", "sops: []\nrest:\n"),
            |error| matches!(error, OpenError::Metadata(MetadataError::WrongType { .. })),
        ),
        ("no keys", sealed.replace("    age:", "    future:"), |error| {
            matches!(error, OpenError::Metadata(MetadataError::InvalidKeyGroups { .. }))
        }),
        (
            "a broken age file",
            sealed.replace("-----END AGE", "-----FIN AGE"),
            |error| matches!(error, OpenError::DataKey(DataKeyError::NoKey { broken, .. }) if broken.len() == 1),
        ),
        ("a list as document", "- a\n".to_owned(), |error| {
            *error == OpenError::NotSealed
        }),
        ("nothing", String::new(), |error| *error == OpenError::NotSealed),
    ];
    for (name, text, is_expected) in table {
        assert_ne!(text, sealed, "{name}");
        let error = refusal(&oracle, &text);
        assert!(is_expected(&error), "{name}: {error:?}");
    }
}

/// Each of them is a file of its own; joined, sops says that it cannot decrypt.
#[test]
fn documents_sealed_apart_are_named() {
    let oracle = Oracle::new();
    let first = seal(&oracle, Format::Yaml, PLAIN);
    let second = oracle.encrypt(Format::Yaml, "data:\n  a: b\n", &[]).unwrap();
    let joined = format!("{first}---\n{second}");
    assert!(oracle.decrypt(Format::Yaml, &joined, "yaml").is_err());
    let OpenError::SealedApart { position } = refusal(&oracle, &joined) else {
        panic!("opened, or another error");
    };
    assert_eq!(usize::try_from(position.line).unwrap(), first.lines().count() + 4);
}

#[test]
fn another_key_is_told_whose_file_it_is() {
    let (oracle, stranger) = (Oracle::new(), Oracle::new());
    let sealed = seal(&oracle, Format::Yaml, PLAIN);
    let OpenError::DataKey(error) = refusal(&stranger, &sealed) else {
        panic!("another error");
    };
    assert_eq!(
        error.to_string(),
        format!(
            "failed to find a key for the file: it is sealed for {}",
            oracle.recipient
        )
    );
}

/// The limits of the format, which sops shares: this file opens, although it is not the one that was sealed. Who wrote
/// a file is for the signature of its commit to say.
#[test]
fn the_mac_covers_no_keys_and_no_empty_values() {
    let oracle = Oracle::new();
    let sealed = seal(&oracle, Format::Yaml, PLAIN);
    for changed in [
        sealed.replace("other: clear", "renamed: clear"),
        sealed.replace("kind: Secret\nother: clear", "kind: Sec\nother: retclear"),
        format!("empty: ''\nnothing: null\nmap: {{}}\nlist: []\n{sealed}"),
        format!("# comment\n{sealed}"),
    ] {
        assert!(open(&changed, Format::Yaml, &oracle.identities, &Limits::default()).is_ok());
        assert!(oracle.decrypt(Format::Yaml, &changed, "yaml").is_ok());
    }
}
