//! Sealed files that are changed: by us and opened by the real sops, by sops and opened by us. What is not changed stays
//! as it is, byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity
)] // tests
#![allow(clippy::print_stderr)] // the counts are worth reading

mod generator;
mod oracle;

use generator::{Numbers, lines};
use manifest_yaml::{Limits, Value, to_json_exposed};
use oracle::Oracle;
use regex::Regex;
use sops::{
    ChangeOptions, EncryptOptions, Format, KeyPath, MacScope, PathStep, RecipientChange, Rule, decrypt, edit,
    encrypt, open, rotate, set_value, unset_value, update_keys,
};

/// The files are the same in every run.
const SEED: u64 = 5_117;
const YAML_FILES: usize = 60;
const JSON_FILES: usize = 30;
const DOTENV_FILES: usize = 30;
const INI_FILES: usize = 30;
/// What the changed value becomes.
const NEW: &str = "changed by hand";

struct Suite {
    format: Format,
    oracle: Oracle,
    other: Oracle,
    numbers: Numbers,
    limits: Limits,
    /// By what was done.
    counts: std::collections::BTreeMap<&'static str, usize>,
}

/// A sealed file, and what it says.
struct Sealed {
    text: String,
    plain: String,
    context: String,
}

impl Suite {
    fn new(format: Format) -> Self {
        Self {
            format,
            oracle: Oracle::new(),
            other: Oracle::new(),
            numbers: Numbers::new(SEED),
            limits: Limits::default(),
            counts: std::collections::BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn options(&self) -> ChangeOptions<'_> {
        ChangeOptions {
            format: self.format,
            keys: &self.oracle.identities,
            limits: &self.limits,
            now: "2026-11-24T12:00:00Z".parse().unwrap(),
        }
    }

    /// A file that sops or we have sealed.
    fn sealed(&mut self, index: usize, text: &str) -> Sealed {
        let rule = match self.numbers.below(3) {
            0 => Rule::EncryptedSuffix("_secret".to_owned()),
            _ => Rule::default(),
        };
        let by_sops = self.numbers.one_in(2);
        let sealed = if by_sops {
            let flag = format!("--{}", rule.field().replace('_', "-"));
            self.oracle
                .encrypt(self.format, text, &[&flag, rule.operand()])
                .unwrap()
        } else {
            let options = EncryptOptions {
                recipients: std::iter::once(self.oracle.recipient.clone()).collect(),
                rule,
                mac_scope: MacScope::AllValues,
                limits: self.limits,
            };
            let now = "2026-11-23T21:43:04Z".parse().unwrap();
            let random = &mut |buffer: &mut [u8]| self.numbers.fill(buffer);
            encrypt(text, self.format, &options, now, random).unwrap()
        };
        let plain = decrypt(&sealed, self.format, &self.oracle.identities, &self.limits).unwrap();
        Sealed {
            context: format!(
                "file {index}, sealed by {}\n{sealed}",
                if by_sops { "sops" } else { "us" }
            ),
            text: sealed,
            plain: plain.to_string(),
        }
    }

    fn edited(&mut self, sealed: &Sealed, plain: &str) -> String {
        let mut numbers = Numbers::new(self.numbers.next());
        let options = self.options();
        edit(&sealed.text, plain.as_bytes(), &options, &mut |buffer| {
            numbers.fill(buffer);
        })
        .unwrap_or_else(|error| panic!("{error:?}: {plain}\n{}", sealed.context))
    }

    /// What we read in a sealed file.
    fn opened(&self, text: &str) -> Vec<String> {
        let opened = open(text, self.format, &self.oracle.identities, &self.limits);
        json(
            &opened
                .unwrap_or_else(|error| panic!("{error:?}\n{text}"))
                .documents,
        )
    }

    /// What sops reads in it, sealed anew by us to be read by the same eyes.
    fn opened_by_sops(&self, oracle: &Oracle, text: &str) -> Vec<String> {
        let plain = oracle
            .decrypt(self.format, text, self.format.name())
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        self.read(&plain)
    }

    /// What a plain text says.
    fn read(&self, plain: &str) -> Vec<String> {
        let options = EncryptOptions {
            recipients: std::iter::once(self.oracle.recipient.clone()).collect(),
            rule: Rule::default(),
            mac_scope: MacScope::AllValues,
            limits: self.limits,
        };
        let now = "2026-11-23T21:43:04Z".parse().unwrap();
        let sealed = encrypt(plain, self.format, &options, now, &mut |buffer| buffer.fill(7));
        self.opened(&sealed.unwrap_or_else(|error| panic!("{error:?}\n{plain}")))
    }

    /// A scalar of the first document that is no alias of another.
    fn some_scalar(&mut self, sealed: &Sealed) -> Option<KeyPath> {
        let opened = open(&sealed.text, self.format, &self.oracle.identities, &self.limits).unwrap();
        let mut paths = Vec::new();
        scalars(opened.documents.first()?, &mut Vec::new(), &mut paths);
        (!paths.is_empty()).then(|| paths.swap_remove(self.numbers.below(paths.len())))
    }
}

fn scalars(value: &Value, steps: &mut Vec<PathStep>, paths: &mut Vec<KeyPath>) {
    match value {
        Value::Mapping(entries) => {
            for (key, value) in entries.iter() {
                steps.push(PathStep::Key(key.to_owned()));
                scalars(value, steps, paths);
                steps.pop();
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                steps.push(PathStep::Index(index));
                scalars(item, steps, paths);
                steps.pop();
            }
        }
        _ => paths.push(steps.iter().cloned().collect()),
    }
}

fn json(documents: &[Value]) -> Vec<String> {
    documents
        .iter()
        .map(|document| String::from_utf8(to_json_exposed(document).to_vec()).unwrap())
        .collect()
}

/// A text in which the code and the time of its blocks are all the same.
fn without_mac(text: &str) -> String {
    let mac = Regex::new(r#"(mac"?\s*[:=]\s*"?)ENC\[[^\]]*\]"#).unwrap();
    let time = Regex::new(r#"(lastmodified"?\s*[:=]\s*"?)[0-9T:Z-]+"#).unwrap();
    time.replace_all(&mac.replace_all(text, "${1}M"), "${1}T")
        .into_owned()
}

/// What is left of two texts when what they begin and end with alike is taken away.
fn difference<'a>(old: &'a str, new: &'a str) -> (&'a str, &'a str) {
    let start = old
        .char_indices()
        .zip(new.chars())
        .find(|((_, old), new)| old != new)
        .map_or(old.len().min(new.len()), |((at, _), _)| at);
    let (old, new) = (&old[start..], &new[start..]);
    let end: usize = old
        .chars()
        .rev()
        .zip(new.chars().rev())
        .take_while(|(old, new)| old == new)
        .map(|(old, _)| old.len_utf8())
        .sum();
    (&old[..old.len() - end], &new[..new.len() - end])
}

fn changes(format: Format, files: usize, generate: fn(&mut Numbers) -> String) {
    let mut suite = Suite::new(format);
    for index in 0..files {
        let text = generate(&mut suite.numbers);
        let sealed = suite.sealed(index, &text);

        let same = suite.edited(&sealed, &sealed.plain);
        let (old, new) = (without_mac(&sealed.text), without_mac(&same));
        assert!(old == new, "{:?}\n{}", difference(&old, &new), sealed.context);
        suite.count("edited without a change");

        if let Some(path) = suite.some_scalar(&sealed) {
            changed_value(&mut suite, &sealed, &path);
        }
        rekeyed(&mut suite, &sealed);
    }
    eprintln!("{files} {} files, seed {SEED}: {:?}", format.name(), suite.counts);
    for what in [
        "edited without a change",
        "rotated by us",
        "rotated by sops",
        "updated by us",
    ] {
        assert_eq!(suite.counts[what], files, "{what}");
    }
    for what in ["set by us", "set by sops"] {
        assert!(suite.counts[what] * 2 >= files, "{what}: {:?}", suite.counts);
    }
}

/// A value is set and taken out, by us and by sops.
fn changed_value(suite: &mut Suite, sealed: &Sealed, path: &KeyPath) {
    let (format, limits) = (suite.format, suite.limits);
    let context = format!("{path}: {}", sealed.context);
    let Ok(plain) = set_value(&sealed.plain, format, path, &Value::from(NEW), &limits) else {
        return suite.count("written so that it cannot be set");
    };
    let expected = suite.read(&plain);
    let changed = suite.edited(sealed, &plain);
    assert_eq!(
        suite.opened_by_sops(&suite.oracle, &changed),
        expected,
        "{context}"
    );
    let (old, new) = (without_mac(&sealed.text), without_mac(&changed));
    let (old, new) = difference(&old, &new);
    assert!(
        old.matches("ENC[").count() <= 1 && new.matches("ENC[").count() <= 1,
        "more than a value changed: {old:?} to {new:?}: {context}\n{changed}"
    );
    suite.count("set by us");

    let is_index = |step: &PathStep| matches!(step, PathStep::Index(_));
    if path.steps().iter().any(is_index) && sealed.text.contains("type:comment") {
        // To sops the comments of a list are items of it, so that its indexes mean others.
        return suite.count("not asked of sops");
    }
    let keys: String = path
        .steps()
        .iter()
        .map(|step| match step {
            PathStep::Key(key) => format!("[{}]", json(&[Value::from(key.as_str())])[0]),
            PathStep::Index(index) => format!("[{index}]"),
        })
        .collect();
    let value = json(&[Value::from(NEW)]).remove(0);
    match suite
        .oracle
        .change(format, &sealed.text, &["set"], &[&keys, &value])
    {
        Ok(by_sops) => {
            assert_eq!(suite.opened(&by_sops), expected, "{context}");
            suite.count("set by sops");
        }
        // It writes no file that it could not read again.
        Err(_) => suite.count("refused by sops"),
    }
    if let Ok(plain) = unset_value(&sealed.plain, format, path, &limits)
        && !plain.trim().is_empty()
    {
        let expected = suite.read(&plain);
        let changed = suite.edited(sealed, &plain);
        assert_eq!(
            suite.opened_by_sops(&suite.oracle, &changed),
            expected,
            "{context}"
        );
        suite.count("taken out by us");
    }
}

/// The data key is replaced, and wrapped for others, by us and by sops.
fn rekeyed(suite: &mut Suite, sealed: &Sealed) {
    let format = suite.format;
    let expected = suite.opened(&sealed.text);
    let mut numbers = Numbers::new(suite.numbers.next());
    let random = &mut |buffer: &mut [u8]| numbers.fill(buffer);
    let rotated = rotate(
        &sealed.text,
        &RecipientChange::default(),
        &suite.options(),
        random,
    )
    .unwrap();
    assert_eq!(
        suite.opened_by_sops(&suite.oracle, &rotated),
        expected,
        "{}",
        sealed.context
    );
    suite.count("rotated by us");

    let by_sops = suite
        .oracle
        .change(format, &sealed.text, &["rotate", "-i"], &[])
        .unwrap();
    assert_eq!(suite.opened(&by_sops), expected, "{}", sealed.context);
    suite.count("rotated by sops");

    let recipients = [&suite.oracle, &suite.other].map(|oracle| oracle.recipient.clone());
    let recipients = recipients.into_iter().collect();
    let updated = update_keys(&sealed.text, &recipients, &suite.options(), random).unwrap();
    for oracle in [&suite.oracle, &suite.other] {
        assert_eq!(
            suite.opened_by_sops(oracle, &updated),
            expected,
            "{}",
            sealed.context
        );
    }
    suite.count("updated by us");
}

#[test]
fn yaml_files_are_changed_in_place() {
    changes(Format::Yaml, YAML_FILES, generator::yaml);
}

#[test]
fn json_files_are_changed_in_place() {
    changes(Format::Json, JSON_FILES, generator::json);
}

#[test]
fn dotenv_files_are_changed_in_place() {
    changes(Format::Dotenv, DOTENV_FILES, lines::dotenv);
}

#[test]
fn ini_files_are_changed_in_place() {
    changes(Format::Ini, INI_FILES, lines::ini);
}
