//! Rules by comments, from the real sops to us and from us to it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // tests
#![allow(clippy::print_stderr)] // the counts are worth reading

mod generator;
mod oracle;

use generator::{Numbers, lines};
use manifest_yaml::{Limits, Schema, Value, from_json, from_yaml, to_json_exposed};
use oracle::Oracle;
use sops::{EncryptError, EncryptOptions, Format, GoRegex, MacScope, Rule, decrypt, encrypt, open};

/// The files are the same in every run.
const SEED: u64 = 7_313;
const YAML_FILES: usize = 80;
const DOTENV_FILES: usize = 30;

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
    match numbers.below(4) {
        0 => Rule::EncryptedCommentRegex(regex("(above|a comment)$")),
        1 => Rule::EncryptedCommentRegex(regex("^tight$| beside$")),
        2 => Rule::UnencryptedCommentRegex(regex("^tight$| beside$")),
        _ => Rule::UnencryptedCommentRegex(regex("^ (above|a comment|ünïcödé)")),
    }
}

fn exposed(documents: &[Value]) -> Vec<String> {
    documents
        .iter()
        .map(|document| String::from_utf8(to_json_exposed(document).to_vec()).unwrap())
        .filter(|document| document != "{}")
        .collect()
}

fn read(format: Format, text: &str) -> Vec<String> {
    let documents = match format {
        Format::Yaml => from_yaml(text.as_bytes(), Schema::GoYamlV3, &Limits::default()),
        _ => from_json(text.as_bytes(), &Limits::default()),
    };
    let values: Vec<Value> = documents
        .unwrap()
        .into_iter()
        .map(|document| document.value)
        .collect();
    exposed(&values)
}

fn round_trips(format: Format, output: Format, count: usize, generate: fn(&mut Numbers) -> String) {
    let oracle = Oracle::new();
    let mut numbers = Numbers::new(SEED);
    let limits = Limits::default();
    let (mut refused, mut unreadable) = (0, 0);
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
        let sealed_plainly = oracle.encrypt(format, &text, &[]).unwrap();
        let expected = oracle.decrypt(format, &sealed_plainly, output.name()).unwrap();
        let expected = read(output, &expected);

        let theirs = oracle.encrypt(format, &text, &arguments).unwrap();
        // sops cannot open some of its own: its emitter moves comments.
        unreadable += usize::from(oracle.decrypt(format, &theirs, output.name()).is_err());
        let opened = open(&theirs, format, &oracle.identities, &limits)
            .unwrap_or_else(|error| panic!("{}", context(&format!("{error:?}"), &theirs)));
        assert_eq!(
            exposed(&opened.documents),
            expected,
            "{}",
            context("opened", &theirs)
        );

        let options = options(&oracle, rule.clone(), mac_scope);
        let now = "2026-11-23T21:43:04Z".parse().unwrap();
        let ours = match encrypt(&text, format, &options, now, &mut |buffer| numbers.fill(buffer)) {
            Ok(ours) => ours,
            Err(EncryptError::AmbiguousComment { .. }) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{}", context(&format!("{error:?}"), &text)),
        };
        let by_sops = oracle
            .decrypt(format, &ours, output.name())
            .unwrap_or_else(|error| panic!("{}", context(&error, &format!("{text}\n=====\n{ours}"))));
        assert_eq!(
            read(output, &by_sops),
            expected,
            "{}",
            context("sealed by us", &ours)
        );
        let plain = decrypt(&ours, format, &oracle.identities, &limits).unwrap();
        assert!(
            !plain.contains("ENC[AES256"),
            "{}",
            context("left sealed", &plain)
        );
        if format == output {
            assert_eq!(read(format, &plain), expected, "{}", context("both by us", &ours));
        }
    }
    assert!(refused < count / 2, "{refused} of {count} refused");
    eprintln!(
        "{count} {} files, seed {SEED}; {refused} refused for an ambiguous comment, {unreadable} that sops cannot open \
         again",
        format.name()
    );
}

#[test]
fn yaml_files_go_both_ways() {
    round_trips(Format::Yaml, Format::Yaml, YAML_FILES, generator::yaml);
}

#[test]
fn dotenv_files_go_both_ways() {
    round_trips(Format::Dotenv, Format::Json, DOTENV_FILES, lines::dotenv);
}

/// Whether each value of a text is sealed under a rule that looks for `ENC`, or the position of an ambiguous comment.
fn sealed_values(text: &str, format: Format) -> Result<Vec<bool>, String> {
    let oracle = Oracle::new();
    let rule = Rule::EncryptedCommentRegex(GoRegex::parse("ENC$").unwrap());
    let options = options(&oracle, rule, MacScope::AllValues);
    let now = "2026-11-23T21:43:04Z".parse().unwrap();
    match encrypt(text, format, &options, now, &mut |buffer| buffer.fill(7)) {
        Ok(sealed) => Ok(sealed
            .lines()
            .take_while(|line| !line.starts_with("sops"))
            .filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'))
            .filter(|line| !line.ends_with(':') && !line.ends_with(": # ENC"))
            .map(|line| line.contains("ENC[AES256"))
            .collect()),
        Err(EncryptError::AmbiguousComment { position, .. }) => Err(position.to_string()),
        Err(error) => panic!("{error:?}\n{text}"),
    }
}

/// As the real sops does it; where it does it in a way that the text does not say, the comment is refused.
#[test]
fn a_comment_decides_for_what_is_below_or_beside_it() {
    let table: [(&str, Result<&[bool], &str>); 16] = [
        ("# ENC\na: 1\nb: 2\n", Ok(&[true, false])),
        ("# ENC\n# more\n\na: 1\nb: 2\n", Ok(&[true, false])),
        ("a: 1 # ENC\nb: 2\n", Ok(&[true, false])),
        ("a: # ENC\n  b: 1\n  c: 2\nd: 3\n", Ok(&[true, true, false])),
        ("a:\n  # ENC\n  b: 1\n  c: 2\n", Ok(&[true, false])),
        ("a:\n  b: 1\n  # ENC\nc: 2\n", Ok(&[false, false])),
        ("a:\n  b: 1\n# ENC\nc: 2\n", Ok(&[false, true])),
        ("a:\n  - x\n  # ENC\n  - y\n  - z\n", Ok(&[false, true, false])),
        ("a: 1\n# ENC\n---\nb: 2\n", Ok(&[false])),
        ("a: [x, y] # ENC\n", Err("1:11")),
        ("a:\n  - # ENC\n    x: 1\n", Err("2:5")),
        ("a:\n# ENC\n  b: 1\n  c: 2\n", Err("2:1")),
        ("a:\n- x\n# ENC\nb: 1\n", Err("3:1")),
        ("a:\n  - x: 1\n  # ENC\n  - y: 1\n", Err("3:3")),
        ("a: 1\n---\n# ENC\n\nb: 2\n", Err("3:1")),
        ("a: {b: 1,\n# ENC\n  c: 2}\n", Err("2:1")),
    ];
    for (text, expected) in table {
        let expected = expected.map(<[bool]>::to_vec).map_err(str::to_owned);
        assert_eq!(sealed_values(text, Format::Yaml), expected, "{text}");
    }
    assert_eq!(
        sealed_values("# ENC\nA=1\nB=2\n", Format::Dotenv),
        Ok(vec![true, false])
    );
    assert_eq!(
        sealed_values("[a]\n# ENC\nb = 1\n", Format::Ini),
        Err("2:1".to_owned())
    );
}

/// Its sealed form would decide on what is below it once the file is read again.
#[test]
fn a_comment_whose_sealed_form_matches_is_refused() {
    let oracle = Oracle::new();
    let rule = Rule::UnencryptedCommentRegex(GoRegex::parse("type:comment").unwrap());
    let options = options(&oracle, rule, MacScope::AllValues);
    let now = "2026-11-23T21:43:04Z".parse().unwrap();
    let refused = encrypt("# any\na: 1\n", Format::Yaml, &options, now, &mut |buffer| {
        buffer.fill(7);
    });
    assert!(
        matches!(refused, Err(EncryptError::SealedCommentMatches { .. })),
        "{refused:?}"
    );
}

/// Comments are under no authentication; what they decide is.
#[test]
fn clear_values_do_not_pass_for_sealed_ones() {
    let oracle = Oracle::new();
    for scope in [MacScope::AllValues, MacScope::SealedValues] {
        let rule = Rule::EncryptedCommentRegex(GoRegex::parse("ENC$").unwrap());
        let options = options(&oracle, rule, scope);
        let now = "2026-11-23T21:43:04Z".parse().unwrap();
        let text = "# ENC\na: secret-one\nb: clear\n";
        let sealed = encrypt(text, Format::Yaml, &options, now, &mut |buffer| buffer.fill(7)).unwrap();
        let value = sealed.lines().find(|line| line.starts_with("a: ")).unwrap();
        for (changed, opens) in [
            (sealed.clone(), true),
            (sealed.replace("# ENC\n", ""), true),
            (sealed.replace(value, "a: other"), false),
            (
                sealed.replace(value, "a: secret-one"),
                scope == MacScope::AllValues,
            ),
            (sealed.replace("b: clear", &value.replace("a: ", "b: ")), false),
        ] {
            let opened = open(&changed, Format::Yaml, &oracle.identities, &Limits::default());
            assert_eq!(opened.is_ok(), opens, "{scope:?}\n{changed}");
        }
    }
}
