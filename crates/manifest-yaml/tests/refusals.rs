//! What is refused, where, and that the message does not say the value.
// clippy.toml excepts test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use manifest_yaml::{Limits, ParseError, Position, Schema, from_json, from_yaml};

fn yaml(bytes: &[u8]) -> ParseError {
    from_yaml(bytes, Schema::Kubernetes, &Limits::default()).unwrap_err()
}

fn sops(bytes: &[u8]) -> ParseError {
    from_yaml(bytes, Schema::GoYamlV3, &Limits::default()).unwrap_err()
}

fn json(bytes: &[u8]) -> ParseError {
    from_json(bytes, &Limits::default()).unwrap_err()
}

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn characters() {
    assert_eq!(
        yaml(b"a: 1\nb: \xff\n"),
        ParseError::NotUtf8 { position: at(2, 4) }
    );
    assert_eq!(
        json(b"{\"a\": \"\xe9\"}"),
        ParseError::NotUtf8 { position: at(1, 8) }
    );
    // UTF-16 with its mark.
    assert_eq!(yaml(b"\xff\xfea\x00"), ParseError::NotUtf8 { position: at(1, 1) });
    assert_eq!(
        yaml(b"a: 1\nb: \0\n"),
        ParseError::ControlCharacter {
            position: at(2, 4),
            code: 0
        }
    );
    assert_eq!(
        yaml("a: '\u{7f}'".as_bytes()),
        ParseError::ControlCharacter {
            position: at(1, 5),
            code: 0x7f
        }
    );
    assert_eq!(
        yaml("a: b\u{feff}".as_bytes()),
        ParseError::ControlCharacter {
            position: at(1, 5),
            code: 0xfeff
        }
    );
    for code in [0x85, 0x2028, 0x2029] {
        let text = format!("a: x{}y", char::from_u32(code).unwrap());
        assert_eq!(
            yaml(text.as_bytes()),
            ParseError::AmbiguousLineBreak {
                position: at(1, 5),
                code
            }
        );
    }
    assert!(matches!(json(b"\xef\xbb\xbf{}"), ParseError::Json { .. }));
    let with_mark = from_yaml(b"\xef\xbb\xbfa: 1\n", Schema::Kubernetes, &Limits::default()).unwrap();
    assert_eq!(
        format!("{:?}", with_mark.first().unwrap().value),
        r#"{"a": Integer(1)}"#
    );
}

#[test]
fn tabs() {
    for (text, position) in [
        ("\ta: 1\n", at(1, 2)),
        ("a:\n\tb: 1\n", at(2, 2)),
        ("a: '1'\n\tb: 2\n", at(2, 2)),
        ("-\ta: 1\n", at(1, 3)),
        ("a:\n  - 'b'\n\t- c\n", at(3, 2)),
    ] {
        let refused = yaml(text.as_bytes());
        assert!(
            matches!(
                refused,
                ParseError::TabIndentation { .. } | ParseError::Yaml { .. }
            ),
            "{text:?}: {refused}"
        );
        assert_eq!(refused.position().line, position.line, "{text:?}: {refused}");
    }
}

#[test]
fn keys() {
    let duplicate = |key: &str, first, position| ParseError::DuplicateKey {
        position,
        key: key.to_owned(),
        first,
    };
    assert_eq!(yaml(b"a: 1\nb: 2\na: 3\n"), duplicate("a", at(1, 1), at(3, 1)));
    assert_eq!(sops(b"a: 1\nb: 2\n'a': 3\n"), duplicate("a", at(1, 1), at(3, 1)));
    assert_eq!(
        yaml(b"yes: 1\n'true': 2\n"),
        duplicate("true", at(1, 1), at(2, 1))
    );
    assert_eq!(
        json(br#"{"a": 1, "\u0061": 2}"#),
        duplicate("a", at(1, 2), at(1, 10))
    );
    assert_eq!(
        yaml(b"[a]: 1\n"),
        ParseError::UnsupportedKey {
            position: at(1, 1),
            kind: "a list"
        }
    );
    assert_eq!(
        yaml(b"~: 1\n"),
        ParseError::UnsupportedKey {
            position: at(1, 1),
            kind: "null"
        }
    );
    assert_eq!(
        sops(b"1: a\n"),
        ParseError::UnsupportedKey {
            position: at(1, 1),
            kind: "a number"
        }
    );
    assert_eq!(
        sops(b"2024-01-01: a\n"),
        ParseError::UnsupportedKey {
            position: at(1, 1),
            kind: "a time"
        }
    );
    assert_eq!(json(b"{1: 2}").position(), at(1, 2));
}

#[test]
fn merges() {
    assert_eq!(
        yaml(b"a: {<<: 1}\n"),
        ParseError::InvalidMerge { position: at(1, 9) }
    );
    assert_eq!(
        yaml(b"a:\n  b: 1\n  <<: {b: 2}\n"),
        ParseError::AmbiguousMerge {
            position: at(3, 3),
            key: "b".to_owned(),
            first: at(2, 3)
        }
    );
    // For SOPS `<<` is a key like any other.
    assert!(from_yaml(b"a: {<<: 1}\n", Schema::GoYamlV3, &Limits::default()).is_ok());
}

#[test]
fn json_that_is_not_rfc_8259() {
    for (text, position) in [
        ("", at(1, 1)),
        ("{", at(1, 2)),
        ("{} {}", at(1, 4)),
        ("[1,]", at(1, 4)),
        ("{\"a\":1,}", at(1, 8)),
        ("[1 2]", at(1, 4)),
        ("[1}", at(1, 3)),
        ("{\"a\" 1}", at(1, 6)),
        ("{\"a\":}", at(1, 6)),
        ("'a'", at(1, 1)),
        ("// c\n1", at(1, 1)),
        ("nul", at(1, 1)),
        ("nullx", at(1, 5)),
        ("NaN", at(1, 1)),
        ("Infinity", at(1, 1)),
        ("01", at(1, 2)),
        ("+1", at(1, 1)),
        (".5", at(1, 1)),
        ("1.", at(1, 1)),
        ("1e", at(1, 1)),
        ("-", at(1, 1)),
        ("0x10", at(1, 2)),
        ("\"a", at(1, 3)),
        ("\"a\nb\"", at(1, 3)),
        ("\"\t\"", at(1, 2)),
        ("\"\\x41\"", at(1, 2)),
        ("\"\\u12\"", at(1, 2)),
        ("\"\\u+123\"", at(1, 2)),
        ("\"\\ud800\"", at(1, 2)),
        ("\"\\udc00\"", at(1, 2)),
        ("\"\\ud800\\u0041\"", at(1, 2)),
        ("1\u{a0}", at(1, 2)),
    ] {
        let refused = json(text.as_bytes());
        assert!(matches!(refused, ParseError::Json { .. }), "{text:?}: {refused}");
        assert_eq!(refused.position(), position, "{text:?}: {refused}");
    }
    assert_eq!(json(b"[1e400]"), ParseError::NotFinite { position: at(1, 2) });
}

#[test]
fn messages_do_not_say_values() {
    const SECRET: &str = "hunter2";
    for text in [
        format!("a: !!int {SECRET}\n"),
        format!("a: !!binary {SECRET}!\n"),
        format!("a: \"{SECRET}\n"),
        format!("a: {SECRET}: {SECRET}\n"),
        format!("a: [{SECRET}\n"),
        format!("a: *{SECRET}\n"),
        format!("a: |\n  {SECRET}\n b\n"),
        format!("a: !!bool \"{SECRET}\"\n"),
        format!("a: {{<<: {SECRET}}}\n"),
        format!("a: '{SECRET}' {SECRET}\n"),
        format!("a: @{SECRET}\n"),
    ] {
        let refused = yaml(text.as_bytes());
        assert!(
            !format!("{refused} {refused:?}").contains(SECRET),
            "{text:?}: {refused:?}"
        );
    }
    for text in [
        format!("{{\"a\": {SECRET}}}"),
        format!("{{\"a\": \"{SECRET}"),
        format!("[\"{SECRET}\" 1]"),
    ] {
        let refused = json(text.as_bytes());
        assert!(
            !format!("{refused} {refused:?}").contains(SECRET),
            "{text:?}: {refused:?}"
        );
    }
}
