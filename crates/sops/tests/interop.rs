//! Files of all sorts, from the real sops to us and from us to it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity,
    clippy::too_many_lines
)] // tests
#![allow(clippy::print_stderr)] // the counts are worth reading

mod generator;
mod oracle;

use generator::Numbers;
use manifest_yaml::{Limits, Schema, Value, from_json, from_yaml, to_json_exposed};
use oracle::Oracle;
use sops::{EncryptOptions, Format, GoRegex, MacScope, Rule, decrypt, encrypt, open};

/// The files are the same in every run.
const SEED: u64 = 3_133;
const YAML_FILES: usize = 120;
const JSON_FILES: usize = 40;

/// A rule, and how the command line of sops names it.
struct Case {
    arguments: Vec<String>,
    rule: Rule,
    mac_scope: MacScope,
}

fn case(numbers: &mut Numbers) -> Case {
    let regex = |pattern| GoRegex::parse(pattern).unwrap();
    let rule = match numbers.below(5) {
        0 => Rule::default(),
        1 => Rule::UnencryptedSuffix("data".to_owned()),
        2 => Rule::EncryptedSuffix("_secret".to_owned()),
        3 => Rule::UnencryptedRegex(regex("^(metadata|a)$|\\s")),
        _ => Rule::EncryptedRegex(regex("^(data|stringData)$")),
    };
    let mut arguments = vec![
        format!("--{}", rule.field().replace('_', "-")),
        rule.operand().to_owned(),
    ];
    let mac_scope = if numbers.one_in(4) {
        MacScope::SealedValues
    } else {
        MacScope::AllValues
    };
    if mac_scope == MacScope::SealedValues {
        arguments.push("--mac-only-encrypted".to_owned());
    }
    Case {
        arguments,
        rule,
        mac_scope,
    }
}

/// The documents as JSON, secrets included: what two readings are compared by.
fn exposed(documents: &[Value]) -> Vec<String> {
    documents
        .iter()
        .map(|document| String::from_utf8(to_json_exposed(document).to_vec()).unwrap())
        .collect()
}

fn read(format: Format, text: &str) -> Vec<String> {
    let documents = match format {
        Format::Yaml => from_yaml(text.as_bytes(), Schema::GoYamlV3, &Limits::default()),
        _ => from_json(text.as_bytes(), &Limits::default()),
    }
    .unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let values: Vec<Value> = documents.into_iter().map(|document| document.value).collect();
    exposed(&values)
        .into_iter()
        .filter(|document| document != "{}")
        .collect()
}

fn round_trips(format: Format, count: usize, generate: fn(&mut Numbers) -> String) {
    let oracle = Oracle::new();
    let mut numbers = Numbers::new(SEED);
    let limits = Limits::default();
    let output = format.name();
    let mut comments_left_sealed = [0, 0];
    for index in 0..count {
        let text = generate(&mut numbers);
        let case = case(&mut numbers);
        let arguments: Vec<&str> = case.arguments.iter().map(String::as_str).collect();
        let context = |what: &str, text: &str| format!("file {index}, {arguments:?}: {what}\n{text}");

        let theirs = oracle
            .encrypt(format, &text, &arguments)
            .unwrap_or_else(|error| panic!("{}", context(&error, &text)));
        let expected = oracle
            .decrypt(format, &theirs, output)
            .unwrap_or_else(|error| panic!("{}", context(&error, &text)));
        let expected = read(format, &expected);
        let opened = open(&theirs, format, &oracle.identities, &limits)
            .unwrap_or_else(|error| panic!("{}", context(&format!("{error:?}"), &theirs)));
        assert_eq!(
            exposed(&opened.documents),
            expected,
            "{}",
            context("opened", &theirs)
        );
        let plain = decrypt(&theirs, format, &oracle.identities, &limits)
            .unwrap_or_else(|error| panic!("{}", context(&format!("{error:?}"), &theirs)));
        assert_eq!(read(format, &plain), expected, "{}", context("decrypted", &plain));
        comments_left_sealed[0] += plain.matches("#ENC[AES256").count();

        let options = EncryptOptions {
            recipients: std::iter::once(oracle.recipient.clone()).collect(),
            rule: case.rule,
            mac_scope: case.mac_scope,
            limits,
        };
        let now = "2026-11-23T21:43:04.5Z".parse().unwrap();
        let ours = encrypt(&text, format, &options, now, &mut |buffer| numbers.fill(buffer))
            .unwrap_or_else(|error| panic!("{}", context(&format!("{error:?}"), &text)));
        let by_sops = oracle
            .decrypt(format, &ours, output)
            .unwrap_or_else(|error| panic!("{}", context(&error, &ours)));
        assert_eq!(
            read(format, &by_sops),
            expected,
            "{}",
            context("sealed by us", &ours)
        );
        let plain = decrypt(&ours, format, &oracle.identities, &limits)
            .unwrap_or_else(|error| panic!("{}", context(&format!("{error:?}"), &ours)));
        assert_eq!(
            read(format, &plain),
            expected,
            "{}",
            context("both by us", &format!("{text}\n=====\n{ours}\n====\n{}", *plain))
        );
        assert!(
            !plain.contains("#ENC[AES256"),
            "{}",
            context("a comment stayed sealed", &plain)
        );
        comments_left_sealed[1] += by_sops.matches("#ENC[AES256").count();
    }
    eprintln!(
        "{count} {output} files, seed {SEED}, both directions; comments that stayed sealed: {} of theirs for us, {} of \
         ours for sops",
        comments_left_sealed[0], comments_left_sealed[1]
    );
}

#[test]
fn yaml_files_go_both_ways() {
    round_trips(Format::Yaml, YAML_FILES, generator::yaml);
}

#[test]
fn json_files_go_both_ways() {
    round_trips(Format::Json, JSON_FILES, generator::json);
}
