//! Dotenv, ini and binary files, from the real sops to us and from us to it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines
)] // tests
#![allow(clippy::print_stderr)] // the counts are worth reading

mod generator;
mod oracle;

use generator::{Numbers, lines};
use manifest_yaml::syntax::{Content, Node};
use manifest_yaml::{Limits, Mapping, Schema, Value, from_json, from_yaml, to_json_exposed};
use oracle::Oracle;
use sops::{
    EncryptOptions, Format, GoRegex, MacScope, Rule, decrypt, decrypt_bytes, encrypt, encrypt_bytes, open,
};

/// The files are the same in every run.
const SEED: u64 = 4_004;
const DOTENV_FILES: usize = 100;
const INI_FILES: usize = 140;
const BINARY_FILES: usize = 30;

fn options(oracle: &Oracle, rule: Rule, mac_scope: MacScope) -> EncryptOptions {
    EncryptOptions {
        recipients: [oracle.recipient.clone()].into_iter().collect(),
        rule,
        mac_scope,
        limits: Limits::default(),
    }
}

fn rule(numbers: &mut Numbers) -> Rule {
    let regex = |pattern| GoRegex::parse(pattern).unwrap();
    match numbers.below(6) {
        0..=2 => Rule::default(),
        3 => Rule::EncryptedSuffix("_secret".to_owned()),
        4 => Rule::UnencryptedRegex(regex("^(x-y|d.e|sops)$")),
        _ => Rule::EncryptedRegex(regex("(?i)^pass|data$|^a;b#$")),
    }
}

fn json_of(text: &str) -> String {
    let documents =
        from_json(text.as_bytes(), &Limits::default()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    String::from_utf8(to_json_exposed(&documents[0].value).to_vec()).unwrap()
}

/// What a plain text says, as JSON.
fn json_of_plain(format: Format, text: &str) -> String {
    let tree = format.parse(text, &Limits::default()).unwrap();
    let root = tree.documents()[0].root.as_ref().unwrap();
    String::from_utf8(to_json_exposed(&value(root)).to_vec()).unwrap()
}

fn value(node: &Node) -> Value {
    match &node.content {
        Content::Scalar { text, .. } => Value::String(text.clone()),
        Content::Mapping { entries, .. } => {
            let mut mapping = Mapping::new();
            for (key, entry) in entries {
                mapping.insert(key.as_scalar().unwrap(), value(entry));
            }
            Value::Mapping(mapping)
        }
        Content::Sequence { .. } | Content::Alias(_) => panic!("these formats have none"),
    }
}

/// The comments of a text, in order.
fn comments(format: Format, text: &str) -> Vec<String> {
    fn collect(node: &Node, comments: &mut Vec<String>) {
        comments.extend(node.comments.iter().map(|comment| comment.text.clone()));
        for (_, value) in node.as_entries().unwrap_or_default() {
            collect(value, comments);
        }
    }
    let tree = format.parse(text, &Limits::default()).unwrap();
    let mut comments = Vec::new();
    collect(tree.documents()[0].root.as_ref().unwrap(), &mut comments);
    comments
}

fn round_trips(format: Format, count: usize, generate: fn(&mut Numbers) -> String) {
    let oracle = Oracle::new();
    let mut numbers = Numbers::new(SEED);
    let limits = Limits::default();
    for index in 0..count {
        let text = generate(&mut numbers);
        let rule = rule(&mut numbers);
        let mac_scope = if numbers.one_in(4) {
            MacScope::SealedValues
        } else {
            MacScope::AllValues
        };
        let flag = format!("--{}", rule.field().replace('_', "-"));
        let mut arguments = vec![flag.as_str(), rule.operand()];
        if mac_scope == MacScope::SealedValues {
            arguments.push("--mac-only-encrypted");
        }
        let context = |what: &str, text: &str| format!("file {index}, {arguments:?}: {what}\n{text}");

        let theirs = oracle
            .encrypt(format, &text, &arguments)
            .unwrap_or_else(|error| panic!("{}", context(&error, &text)));
        let expected = oracle
            .decrypt(format, &theirs, "json")
            .unwrap_or_else(|error| panic!("{}", context(&error, &theirs)));
        let expected = json_of(&expected);
        let opened = open(&theirs, format, &oracle.identities, &limits)
            .unwrap_or_else(|error| panic!("{}", context(&format!("{error:?}"), &theirs)));
        let opened: Vec<String> = opened
            .documents
            .iter()
            .map(|document| String::from_utf8(to_json_exposed(document).to_vec()).unwrap())
            .collect();
        assert_eq!(opened, [expected.as_str()], "{}", context("opened", &theirs));
        let plain = decrypt(&theirs, format, &oracle.identities, &limits)
            .unwrap_or_else(|error| panic!("{}", context(&format!("{error:?}"), &theirs)));
        assert_eq!(
            json_of_plain(format, &plain),
            expected,
            "{}",
            context("decrypted", &plain)
        );
        assert!(
            !plain.contains("ENC[AES256"),
            "{}",
            context("left sealed", &plain)
        );

        let options = options(&oracle, rule.clone(), mac_scope);
        let now = "2026-11-23T21:43:04.5Z".parse().unwrap();
        let ours = encrypt(&text, format, &options, now, &mut |buffer| numbers.fill(buffer))
            .unwrap_or_else(|error| panic!("{}", context(&format!("{error:?}"), &text)));
        let by_sops = oracle
            .decrypt(format, &ours, "json")
            .unwrap_or_else(|error| panic!("{}", context(&error, &ours)));
        assert_eq!(json_of(&by_sops), expected, "{}", context("sealed by us", &ours));
        let plain = decrypt(&ours, format, &oracle.identities, &limits)
            .unwrap_or_else(|error| panic!("{}", context(&format!("{error:?}"), &ours)));
        assert_eq!(
            json_of_plain(format, &plain),
            expected,
            "{}",
            context("both by us", &plain)
        );
        assert_eq!(
            comments(format, &plain),
            comments(format, &text),
            "{}",
            context("comments", &plain)
        );
    }
    eprintln!("{count} {} files, seed {SEED}, both directions", format.name());
}

#[test]
fn dotenv_files_go_both_ways() {
    round_trips(Format::Dotenv, DOTENV_FILES, lines::dotenv);
}

#[test]
fn ini_files_go_both_ways() {
    round_trips(Format::Ini, INI_FILES, lines::ini);
}

#[test]
fn binary_files_go_both_ways() {
    let oracle = Oracle::new();
    let mut numbers = Numbers::new(SEED);
    let limits = Limits::default();
    // Rules are for files with keys.
    let options = options(
        &oracle,
        Rule::EncryptedSuffix("nothing".to_owned()),
        MacScope::SealedValues,
    );
    for index in 0..BINARY_FILES {
        let mut bytes = vec![0; numbers.below(3) * numbers.below(200)];
        numbers.fill(&mut bytes);
        if numbers.one_in(2) {
            for byte in &mut bytes {
                *byte &= 0x7F;
            }
        }
        let recipient = oracle.recipient.to_string();
        let theirs = oracle
            .run_on_bytes(Format::Binary, &bytes, &["--encrypt", "--age", &recipient])
            .unwrap();
        let theirs = String::from_utf8(theirs).unwrap();
        let opened = decrypt_bytes(&theirs, Format::Binary, &oracle.identities, &limits)
            .unwrap_or_else(|error| panic!("file {index}: {error:?}\n{theirs}"));
        assert_eq!(*opened, bytes, "file {index}");

        let now = "2026-11-23T21:43:04Z".parse().unwrap();
        let ours = encrypt_bytes(&bytes, Format::Binary, &options, now, &mut |buffer| {
            numbers.fill(buffer);
        })
        .unwrap_or_else(|error| panic!("file {index}: {error:?}"));
        let by_sops = oracle
            .run_on_bytes(Format::Binary, ours.as_bytes(), &["--decrypt"])
            .unwrap();
        assert_eq!(by_sops, bytes, "file {index}\n{ours}");
        let opened = decrypt_bytes(&ours, Format::Binary, &oracle.identities, &limits).unwrap();
        assert_eq!(*opened, bytes, "file {index}");
        let as_text = decrypt(&ours, Format::Binary, &oracle.identities, &limits);
        assert_eq!(as_text.is_ok(), str::from_utf8(&bytes).is_ok(), "file {index}");
    }
    eprintln!("{BINARY_FILES} binary files, seed {SEED}, both directions");
}

/// What `sops decrypt --output-type` writes says the same as what we write.
#[test]
fn opened_files_are_written_in_other_formats() {
    let oracle = Oracle::new();
    let flat = "a: text\nb: |\n    two\n    lines\nc: 42\nd: true\ne: 1.5\nf: 2024-01-01\ng: 1e9\nh: ''\n";
    let nested = "s:\n    a: text\n    b: x;y\n    c: 42\nt:\n    d: ' around '\n    e: true\n";
    let cases = [
        (Format::Yaml, flat),
        (Format::Yaml, nested),
        (Format::Yaml, "a: [1, {b: c}]\nd: {}\ne: null\n"),
        (Format::Yaml, "data: any text\n"),
        (
            Format::Json,
            "{\"a\": [1.5, \"x\", null, []], \"b\": {\"c\": false}}",
        ),
        (Format::Dotenv, "# comment\nA=1\nB=two\\nlines\n"),
        (Format::Ini, "top = 1\n[s]\nkey = `a;b`\nlonger = 2\n"),
        (Format::Binary, "some text\n"),
        (Format::Yaml, "a: 1\n---\nb: 2\n"),
    ];
    let mut written = 0;
    for (from, text) in cases {
        let sealed = oracle.encrypt(from, text, &[]).unwrap();
        let opened = open(&sealed, from, &oracle.identities, &Limits::default()).unwrap();
        for to in Format::ALL {
            let theirs = oracle.decrypt(from, &sealed, to.name());
            let ours = opened.write_as(to);
            let case = format!("{} to {}: {text}{theirs:?}", from.name(), to.name());
            let Ok(ours) = ours else {
                let drops_documents = opened.documents.len() > 1;
                // A null is `<nil>` for sops, and a list or a map is refused.
                assert!(
                    theirs.is_err() || drops_documents || text.contains("null"),
                    "{case}"
                );
                continue;
            };
            let (ours, theirs) = (String::from_utf8(ours.to_vec()).unwrap(), theirs.expect(&case));
            match to {
                Format::Yaml => {
                    let read = |text: &str| -> Vec<String> {
                        from_yaml(text.as_bytes(), Schema::GoYamlV3, &Limits::default())
                            .unwrap()
                            .iter()
                            .map(|document| {
                                String::from_utf8(to_json_exposed(&document.value).to_vec()).unwrap()
                            })
                            .collect()
                    };
                    assert_eq!(read(&ours), read(&theirs), "{case}");
                }
                Format::Dotenv => assert_eq!(ours, theirs.replace("# comment\n", ""), "{case}"),
                Format::Json | Format::Ini | Format::Binary => assert_eq!(ours, theirs, "{case}"),
            }
            written += 1;
        }
    }
    assert!(written > 20, "{written}");
}
