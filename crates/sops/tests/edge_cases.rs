//! Corners of the format, with the real sops on the other side.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity,
    clippy::too_many_lines
)] // tests

mod oracle;

use manifest_yaml::{Exposed, Limits, Number, Value, to_json_exposed, to_json_masked};
use oracle::Oracle;
use sops::{
    EncryptError, EncryptOptions, Format, GoRegex, LeafError, MacScope, OpenError, RecipientGroups, Rule,
    StructureError, decrypt, encrypt, open,
};

struct World {
    oracle: Oracle,
    rule: Rule,
}

impl World {
    fn new(pattern: &str) -> Self {
        Self {
            oracle: Oracle::new(),
            rule: Rule::EncryptedRegex(GoRegex::parse(pattern).unwrap()),
        }
    }

    fn everything() -> Self {
        Self {
            oracle: Oracle::new(),
            rule: Rule::default(),
        }
    }

    fn encrypt(&self, format: Format, text: &str) -> Result<String, EncryptError> {
        let options = EncryptOptions {
            recipients: [&self.oracle.recipient, &self.oracle.recipient]
                .into_iter()
                .cloned()
                .collect(),
            rule: self.rule.clone(),
            mac_scope: MacScope::AllValues,
            limits: Limits::default(),
        };
        let mut count = 0_u8;
        encrypt(
            text,
            format,
            &options,
            "2026-01-02T03:04:05Z".parse().unwrap(),
            &mut |buffer| {
                for byte in buffer {
                    count = count.wrapping_mul(7).wrapping_add(11);
                    *byte = count;
                }
            },
        )
    }

    fn open(&self, format: Format, text: &str) -> Result<Vec<Value>, OpenError> {
        open(text, format, &self.oracle.identities, &Limits::default()).map(|opened| opened.documents)
    }

    fn decrypt(&self, format: Format, text: &str) -> String {
        decrypt(text, format, &self.oracle.identities, &Limits::default())
            .unwrap()
            .to_string()
    }
}

fn json(documents: &[Value]) -> String {
    let parts: Vec<String> = documents
        .iter()
        .map(|document| String::from_utf8(to_json_exposed(document).to_vec()).unwrap())
        .collect();
    parts.join("\n")
}

#[test]
fn opened_values_are_sensitive_and_typed() {
    let world = World::new("^data$");
    let text =
        "clear: 1\ndata:\n  s: text\n  i: 42\n  f: 1.5\n  b: true\n  t: 2024-01-01\n  e: ''\n  n: null\n";
    let sealed = world
        .oracle
        .encrypt(Format::Yaml, text, &["--encrypted-regex", "^data$"])
        .unwrap();
    let documents = world.open(Format::Yaml, &sealed).unwrap();
    assert_eq!(
        to_json_masked(&documents[0]),
        r#"{"clear":1,"data":{"s":"***","i":"***","f":"***","b":"***","t":"***","e":"","n":null}}"#
    );
    let exposed = |key| match documents[0].get_path(&["data", key]) {
        Some(Value::Sensitive(scalar)) => match scalar.expose() {
            Exposed::String(text) => format!("string {text}"),
            Exposed::Bool(value) => format!("bool {value}"),
            Exposed::Number(Number::Integer(value)) => format!("integer {value}"),
            Exposed::Number(Number::Float(value)) => format!("float {value}"),
            Exposed::Number(Number::Unsigned(value)) => format!("unsigned {value}"),
        },
        _ => "clear".to_owned(),
    };
    assert_eq!(exposed("s"), "string text");
    assert_eq!(exposed("i"), "integer 42");
    assert_eq!(exposed("f"), "float 1.5");
    assert_eq!(exposed("b"), "bool true");
    assert_eq!(exposed("t"), "string 2024-01-01T00:00:00Z");
}

#[test]
fn every_byte_that_is_not_sealed_stays() {
    let world = World::new("^(data|stringData)$");
    let text = "# head\r\n---\r\nkind:   Secret # why\r\nmetadata: {name: 'x',\r\n   labels: {}}\r\n\r\nstringData:\r\n      \
                deep: \"quoted\"   # inside\r\n      # above\r\n      list:\r\n      - one\r\n      -   two\r\n      block: |\r\n        \
                a\r\n        b\r\n\r\nlast: true\r\n# end\r\n";
    let sealed = world.encrypt(Format::Yaml, text).unwrap();
    let head = sealed.split("stringData").next().unwrap();
    assert_eq!(head, text.split("stringData").next().unwrap());
    assert!(!sealed.replace("\r\n", "").contains('\n'));
    assert!(!sealed.contains("inside") && !sealed.contains("above") && sealed.contains("# end"));
    let plain = world.decrypt(Format::Yaml, &sealed);
    assert_eq!(plain, text.replace("\"quoted\"", "quoted"));
    assert!(world.oracle.decrypt(Format::Yaml, &sealed, "yaml").is_ok());
}

#[test]
fn the_block_is_laid_out_as_sops_does() {
    let world = World::new("^data$");
    let layout = |text: &str| -> Vec<String> {
        let block = text.get(text.find("sops").unwrap()..).unwrap();
        // age files of different makers differ in length.
        let is_armor = |line: &&str| !line.contains([':', '-', '{', '}', '[', ']']);
        block
            .lines()
            .filter(|line| !is_armor(line))
            .map(|line| {
                let indent = line.len() - line.trim_start().len();
                format!("{indent} {}", line.trim().split(':').next().unwrap())
            })
            .collect()
    };
    for (format, text) in [
        (Format::Yaml, "data: x\n"),
        (Format::Json, "{\n\t\"data\": \"x\"\n}\n"),
    ] {
        let ours = world.encrypt(format, text).unwrap();
        let theirs = world
            .oracle
            .encrypt(format, text, &["--encrypted-regex", "^data$"])
            .unwrap();
        assert_eq!(layout(&ours), layout(&theirs), "{ours}\n{theirs}");
    }
}

#[test]
fn a_blank_line_below_is_no_part_of_a_value() {
    let oracle = Oracle::new();
    let text = "a: |-\n  one\n  two\nb: x\n";
    let sealed = oracle.encrypt(Format::Yaml, text, &[]).unwrap();
    for blanks in ["", " ", "  ", "   ", "     "] {
        let sealed = sealed.replacen("\nb:", &format!("\n{blanks}\n{blanks}\nb:"), 1);
        let plain = decrypt(&sealed, Format::Yaml, &oracle.identities, &Limits::default()).unwrap();
        let read = manifest_values(&plain);
        assert_eq!(
            json(&read),
            r#"{"a":"one\ntwo","b":"x"}"#,
            "{blanks:?}: {}",
            *plain
        );
    }
}

#[test]
fn json_keeps_its_layout() {
    let world = World::everything();
    for text in [
        "{}",
        "{\"a\": 1}",
        "{\n  \"a\": [1, \"x\", {\"b\": null}],\n  \"c_unencrypted\": 1.0\n}\n",
        "{\"a\":\"\\u0000\\t\"}",
    ] {
        let sealed = world.encrypt(Format::Json, text).unwrap();
        world.oracle.decrypt(Format::Json, &sealed, "json").unwrap();
        let plain = world.decrypt(Format::Json, &sealed);
        assert_eq!(
            plain.split_whitespace().collect::<String>(),
            text.split_whitespace().collect::<String>()
        );
    }
}

#[test]
fn flow_roots_and_lists_in_the_column_of_their_key() {
    let world = World::everything();
    for text in [
        "{a: b, c: [d, 'e']}\n",
        "{\n  a: b, # why\n  c: d,\n}\n",
        "a:\n- b\n- - c\n  - d\n- e: f\n  g: h\n",
        "? a\n: b\n",
        "!tag\n\n  a: b\n  c: d\n",
        "{\"a\":# top\n}\n",
        "x:\n  {a: !!str # inside\n   b, c: d}\n",
        "\u{feff}a: b\n",
        "  \r\r# c\ra: b\r---\rc: d\r",
        "a: {b: {c: [d]}}",
        "a: b # no line break at the end",
        "a:\n  - |\n    x\n    y\n  - z\nb_unencrypted: |+\n  kept\n\n\n",
    ] {
        let sealed = world
            .encrypt(Format::Yaml, text)
            .unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        let expected = json(&manifest_values(text));
        assert_eq!(
            json(&world.open(Format::Yaml, &sealed).unwrap()),
            expected,
            "{text}"
        );
        let by_sops = world
            .oracle
            .decrypt(Format::Yaml, &sealed, "yaml")
            .unwrap_or_else(|error| panic!("{error}\n{sealed}"));
        assert_eq!(json(&manifest_values(&by_sops)), expected, "{text}");
        assert_eq!(
            json(&manifest_values(&world.decrypt(Format::Yaml, &sealed))),
            expected,
            "{text}"
        );
    }
}

fn manifest_values(text: &str) -> Vec<Value> {
    manifest_yaml::from_yaml(
        text.as_bytes(),
        manifest_yaml::Schema::GoYamlV3,
        &Limits::default(),
    )
    .unwrap()
    .into_iter()
    .map(|document| document.value)
    .collect()
}

#[test]
fn sealed_comments_in_lists_come_in_two_forms() {
    let world = World::everything();
    // As sops up to 3.13 seals them: as items.
    let text = "a:\n    # one\n    - x\n    # two\n    - z # three\nb:\n- # four\n  k: v\n";
    let sealed = world.oracle.encrypt(Format::Yaml, text, &[]).unwrap();
    assert!(sealed.contains("- ENC[") && sealed.matches("type:comment").count() >= 4);
    assert_eq!(
        json(&world.open(Format::Yaml, &sealed).unwrap()),
        r#"{"a":["x","z"],"b":[{"k":"v"}]}"#
    );
    let plain = world.decrypt(Format::Yaml, &sealed);
    assert!(plain.contains("    # one\n    - x\n    # two\n"), "{plain}");
    assert!(!plain.contains("ENC["), "{plain}");
    // As comments, which is what we write.
    let sealed = world.encrypt(Format::Yaml, text).unwrap();
    assert_eq!(sealed.matches("#ENC[").count(), 4);
    assert_eq!(world.decrypt(Format::Yaml, &sealed), text);
    let by_sops = world.oracle.decrypt(Format::Yaml, &sealed, "yaml").unwrap();
    assert_eq!(json(&manifest_values(&by_sops)), json(&manifest_values(text)));
}

/// sops lets a list of comments alone be encrypted, and then finds items in it.
#[test]
fn a_list_of_comments_alone_is_an_empty_list() {
    let world = World::everything();
    let sealed = world
        .oracle
        .encrypt(
            Format::Yaml,
            "a:\n    # one\n    []\nb:\n    - # two\n      []\n",
            &[],
        )
        .unwrap();
    let expected = json(&manifest_values(
        &world.oracle.decrypt(Format::Yaml, &sealed, "yaml").unwrap(),
    ));
    assert_eq!(json(&world.open(Format::Yaml, &sealed).unwrap()), expected);
    assert_eq!(
        json(&manifest_values(&world.decrypt(Format::Yaml, &sealed))),
        expected,
        "{sealed}"
    );
}

#[test]
fn aliases_work_where_nothing_is_sealed() {
    let world = World::new("^data$");
    let text = "labels: &labels {app: x}\nselector: *labels\nmerged:\n  <<: *labels\ndata: &unused {a: b}\n";
    let sealed = world.encrypt(Format::Yaml, text).unwrap();
    assert!(sealed.contains("selector: *labels"));
    let expected =
        r#"{"labels":{"app":"x"},"selector":{"app":"x"},"merged":{"<<":{"app":"x"}},"data":{"a":"b"}}"#;
    assert_eq!(json(&world.open(Format::Yaml, &sealed).unwrap()), expected);
    world.oracle.decrypt(Format::Yaml, &sealed, "yaml").unwrap();
}

#[test]
fn plain_files_that_cannot_be_sealed_are_refused() {
    let world = World::new("^data$");
    let leaf_error = |text: &str| match world.encrypt(Format::Yaml, text) {
        Err(EncryptError::Leaf { path, error, .. }) => (path.to_string(), error),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        leaf_error("x: &x {a: b}\ndata: *x\n"),
        ("data.a".to_owned(), LeafError::Alias)
    );
    assert_eq!(
        leaf_error("data: &x {a: b}\ny: *x\n"),
        ("data.a".to_owned(), LeafError::Alias)
    );
    assert_eq!(
        leaf_error("x: 18446744073709551615\n"),
        ("x".to_owned(), LeafError::IntegerOutOfRange)
    );
    let sealed = world.encrypt(Format::Yaml, "data: x\n").unwrap();
    for again in [sealed.as_str(), "a: b\n---\nsops: x\n"] {
        assert!(matches!(
            world.encrypt(Format::Yaml, again),
            Err(EncryptError::AlreadySealed { .. })
        ));
    }
    for empty in ["", "# nothing\n", "---\n---\na: b\n", "null\n"] {
        assert!(
            matches!(
                world.encrypt(Format::Yaml, empty),
                Err(EncryptError::EmptyFirstDocument)
            ),
            "{empty:?}"
        );
    }
    for (text, line) in [("- a\n", 1), ("a: b\n---\ntext\n", 3)] {
        match world.encrypt(Format::Yaml, text) {
            Err(EncryptError::Structure(StructureError::NotMap { position })) => {
                assert_eq!(position.line, line);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        world.encrypt(Format::Yaml, "a: [\n"),
        Err(EncryptError::Parse(_))
    ));
    let options = EncryptOptions {
        recipients: std::iter::empty().collect(),
        rule: Rule::default(),
        mac_scope: MacScope::AllValues,
        limits: Limits::default(),
    };
    let refused = encrypt(
        "a: b\n",
        Format::Yaml,
        &options,
        jiff::Timestamp::UNIX_EPOCH,
        &mut |_| {},
    );
    assert!(matches!(refused, Err(EncryptError::NoRecipients)));
}

#[test]
fn infinities_are_for_yaml_only() {
    let world = World::everything();
    let sealed = world.encrypt(Format::Yaml, "a: .inf\n").unwrap();
    assert_eq!(world.decrypt(Format::Yaml, &sealed), "a: .inf\n");
    match world.open(Format::Yaml, &sealed) {
        Err(OpenError::Leaf { path, error, .. }) => {
            assert_eq!((path.to_string().as_str(), error), ("a", LeafError::NotFinite));
        }
        other => panic!("{other:?}"),
    }
}

/// sops writes a clear -0.0 as -0, which it then reads as the integer 0; neither of us opens that.
#[test]
fn sops_cannot_open_its_own_negative_zero() {
    let world = World::new("^data$");
    let theirs = world
        .oracle
        .encrypt(Format::Yaml, "a: -0.0\n", &["--encrypted-regex", "^data$"])
        .unwrap();
    assert!(world.oracle.decrypt(Format::Yaml, &theirs, "yaml").is_err());
    assert_eq!(
        world.open(Format::Yaml, &theirs).err(),
        Some(OpenError::MacMismatch)
    );
    let ours = world.encrypt(Format::Yaml, "a: -0.0\n").unwrap();
    assert!(world.oracle.decrypt(Format::Yaml, &ours, "yaml").is_ok());
}

#[test]
fn empty_documents_have_no_block() {
    let world = World::everything();
    let sealed = world
        .encrypt(Format::Yaml, "a: b\n---\n---\nc: d\n---\n")
        .unwrap();
    assert_eq!(sealed.matches("sops:").count(), 2);
    assert_eq!(
        json(&world.open(Format::Yaml, &sealed).unwrap()),
        "{\"a\":\"b\"}\n{\"c\":\"d\"}"
    );
    assert_eq!(
        world.decrypt(Format::Yaml, &sealed),
        "a: b\n---\n---\nc: d\n---\n"
    );
    world.oracle.decrypt(Format::Yaml, &sealed, "yaml").unwrap();
}

#[test]
fn a_document_with_nothing_but_the_block() {
    let world = World::everything();
    let sealed = world.oracle.encrypt(Format::Yaml, "a: b\n---\n", &[]).unwrap();
    assert_eq!(
        sealed.matches("sops:").count(),
        2,
        "sops gives empty documents a block"
    );
    assert_eq!(json(&world.open(Format::Yaml, &sealed).unwrap()), "{\"a\":\"b\"}");
    assert_eq!(world.decrypt(Format::Yaml, &sealed), "a: b\n---\n{}\n");
}

/// Key groups of the real sops: the data key is shared out, and two of three shares bring it back.
#[test]
fn shares_of_key_groups_are_combined() {
    let (mut first, second, mut third) = (Oracle::new(), Oracle::new(), Oracle::new());
    let groups: Vec<String> = [&first, &second, &third]
        .iter()
        .map(|oracle| format!("{{age: [{}]}}", oracle.recipient))
        .collect();
    let config = format!(
        "creation_rules: [{{shamir_threshold: 2, key_groups: [{}]}}]\n",
        groups.join(", ")
    );
    let sealed = first
        .encrypt_with_config(Format::Yaml, "data: secret\n", &config)
        .unwrap();
    let alone = open(&sealed, Format::Yaml, &first.identities, &Limits::default())
        .err()
        .unwrap();
    let source = std::error::Error::source(&alone).unwrap().to_string();
    assert_eq!(
        source,
        format!(
            "failed to open enough key groups of the file: 1 of 2; the others are sealed for {}, {}",
            second.recipient, third.recipient
        )
    );
    let mut together = std::mem::take(&mut third.identities);
    together.extend(std::mem::take(&mut first.identities));
    let opened = open(&sealed, Format::Yaml, &together, &Limits::default()).unwrap();
    assert_eq!(json(&opened.documents), r#"{"data":"secret"}"#);
}

/// A file for OpenPGP and KMS keys alone.
/// Key groups of ours: the real sops opens the file with two of three, and not with one.
#[test]
fn sops_combines_our_shares() {
    let (first, second, third) = (Oracle::new(), Oracle::new(), Oracle::new());
    let groups = [&first, &second, &third].map(|oracle| vec![oracle.recipient.clone()]);
    for (format, text) in [
        (Format::Yaml, "data: secret\n"),
        (Format::Json, "{\"data\": \"secret\"}"),
    ] {
        let options = |threshold| EncryptOptions {
            recipients: RecipientGroups::new(groups.to_vec(), Some(threshold)).unwrap(),
            rule: Rule::default(),
            mac_scope: MacScope::AllValues,
            limits: Limits::default(),
        };
        let mut count = 0_u8;
        let mut random = |buffer: &mut [u8]| {
            for byte in buffer {
                count = count.wrapping_mul(5).wrapping_add(3);
                *byte = count;
            }
        };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let sealed = encrypt(text, format, &options(2), now, &mut random).unwrap();
        let output = if format == Format::Json { "json" } else { "yaml" };
        assert!(
            first.decrypt(format, &sealed, output).is_err(),
            "one group of two"
        );
        first.add_identities_of(&third);
        assert!(first.decrypt(format, &sealed, output).unwrap().contains("secret"));
        let all = encrypt(text, format, &options(3), now, &mut random).unwrap();
        assert!(
            first.decrypt(format, &all, output).is_err(),
            "two groups of three"
        );
        first.forget_added_identities();
    }
}

/// What each kind of key has in the metadata of sops (stores/stores.go), and how it is named.
const FOREIGN_KEYS: [(&str, &str, &str); 6] = [
    (
        "kms",
        "{arn: 'arn:aws:kms:eu-west-1:1:key/2', created_at: '2024-01-01T00:00:00Z', enc: x, aws_profile: ''}",
        "arn:aws:kms:eu-west-1:1:key/2",
    ),
    (
        "gcp_kms",
        "{resource_id: projects/p/locations/l/keyRings/r/cryptoKeys/k, created_at: '2024-01-01T00:00:00Z', enc: x}",
        "projects/p/locations/l/keyRings/r/cryptoKeys/k",
    ),
    (
        "hckms",
        "{key_id: 'eu:1', created_at: '2024-01-01T00:00:00Z', enc: x}",
        "eu:1",
    ),
    (
        "azure_kv",
        "{vault_url: https://v.vault.azure.net, name: n, version: v, created_at: '2024-01-01T00:00:00Z', enc: x}",
        "n",
    ),
    (
        "hc_vault",
        "{vault_address: http://127.0.0.1:8200, engine_path: transit, key_name: k, created_at: '2024-01-01T00:00:00Z', enc: x}",
        "k",
    ),
    (
        "pgp",
        "{fp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4, created_at: '2024-01-01T00:00:00Z', enc: x}",
        "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4",
    ),
];

#[test]
fn foreign_keys_are_named() {
    let world = World::everything();
    let sealed = world.encrypt(Format::Yaml, "a: b\n").unwrap();
    let rest = sealed.get(sealed.find("    lastmodified").unwrap()..).unwrap();
    for (kind, entry, name) in FOREIGN_KEYS {
        let foreign = format!("a: b\nsops:\n    {kind}:\n        - {entry}\n{rest}");
        let error = world.open(Format::Yaml, &foreign).err().unwrap();
        let error = std::error::Error::source(&error).unwrap().to_string();
        let named = format!("failed to find a key for the file: it is sealed for {kind} {name}; ");
        assert!(error.starts_with(&named), "{error}");
        assert!(
            error.ends_with("add an age recipient with sops rotate --add-age"),
            "{error}"
        );
        assert_eq!(error.contains("secret OpenPGP key"), kind == "pgp", "{error}");
    }
}

/// With an age key beside them they are no hindrance.
#[test]
fn foreign_keys_do_not_hinder_those_of_age() {
    let world = World::everything();
    let sealed = world.encrypt(Format::Yaml, "a: b\n").unwrap();
    for (kind, entry, _) in FOREIGN_KEYS {
        let added = sealed.replacen("sops:\n", &format!("sops:\n    {kind}:\n        - {entry}\n"), 1);
        assert!(world.open(Format::Yaml, &added).is_ok(), "{kind}");
    }
}

#[test]
fn limits_of_the_reader_hold() {
    let world = World::everything();
    let sealed = world.encrypt(Format::Yaml, "a: b\n").unwrap();
    let limits = Limits {
        max_bytes: sealed.len() - 1,
        ..Limits::default()
    };
    let refused = open(&sealed, Format::Yaml, &world.oracle.identities, &limits);
    assert!(matches!(refused, Err(OpenError::Parse(_))));
}
