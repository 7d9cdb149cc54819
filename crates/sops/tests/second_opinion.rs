//! rops, another implementation in Rust, opens what we seal, and we what it seals. It has no comments, no times, no
//! empty strings and one document, so the files here have none of these.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests; one of them is run for its output

mod generator;

use std::fmt::Write as _;
use std::process::Command;

use age::secrecy::ExposeSecret as _;
use generator::Numbers;
use manifest_yaml::{Limits, Schema, from_yaml, to_json_exposed, to_json_masked};
use rops::cryptography::cipher::AES256GCM;
use rops::cryptography::hasher::SHA512;
use rops::file::RopsFile;
use rops::file::format::YamlFileFormat;
use rops::file::state::{DecryptedFile, EncryptedFile};
use sops::{AgeIdentities, EncryptOptions, Format, GoRegex, MacScope, Rule, encrypt, open};

const SEED: u64 = 17;
const FILES: usize = 40;

/// Where the child process finds its file; rops itself takes its key from the environment only.
const FILE: &str = "SECOND_OPINION_FILE";
const SEPARATOR: &str = "=====";

/// A map of strings, integers and booleans, in maps and lists.
fn plain(numbers: &mut Numbers) -> String {
    let scalars = [
        "text",
        "'two words'",
        "42",
        "-7",
        "true",
        "false",
        "1.5",
        "ünïcödé",
        "\"line\\nline\"",
        "'12'",
    ];
    let mut text = String::from("data:\n");
    for index in 0..=numbers.below(4) {
        let _ = writeln!(text, "  key{index}: {}", numbers.pick(&scalars));
    }
    let _ = writeln!(
        text,
        "  list:\n  - {}\n  - {}",
        numbers.pick(&scalars),
        numbers.pick(&scalars)
    );
    let _ = writeln!(
        text,
        "clear:\n  a: {}\n  data:\n    b: {}",
        numbers.pick(&scalars),
        numbers.pick(&scalars)
    );
    text
}

#[test]
fn rops_agrees_both_ways() {
    let mut numbers = Numbers::new(SEED);
    let identity = age::x25519::Identity::generate().to_string();
    let identities = AgeIdentities::parse(identity.expose_secret()).unwrap();
    let directory = std::env::temp_dir().join(format!("sops-second-opinion-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for _ in 0..FILES {
        let text = plain(&mut numbers);
        let pattern = GoRegex::parse(numbers.pick(&["^data$", "^key", "a"])).unwrap();
        let is_encrypted = numbers.one_in(2);
        let options = EncryptOptions {
            recipients: identities.recipients().cloned().collect(),
            rule: if is_encrypted {
                Rule::EncryptedRegex(pattern)
            } else {
                Rule::UnencryptedRegex(pattern)
            },
            mac_scope: if numbers.one_in(3) {
                MacScope::SealedValues
            } else {
                MacScope::AllValues
            },
            limits: Limits::default(),
        };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let sealed = encrypt(&text, Format::Yaml, &options, now, &mut |buffer| {
            numbers.fill(buffer);
        })
        .unwrap();
        let path = directory.join("sealed.yaml");
        std::fs::write(&path, &sealed).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "as_rops_sees_it", "--ignored", "--nocapture"])
            .env(FILE, &path)
            .env("ROPS_AGE", identity.expose_secret())
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(
            child.status.success(),
            "{text}\n{sealed}\n{output}\n{}",
            String::from_utf8_lossy(&child.stderr)
        );
        let mut parts = output.split(SEPARATOR).skip(1);
        let (opened, resealed) = (parts.next().unwrap(), parts.next().unwrap());
        let expected = values(&text);
        assert_eq!(values(opened), expected, "{text}");
        let ours = open(resealed, Format::Yaml, &identities, &Limits::default()).unwrap();
        let ours = String::from_utf8(to_json_exposed(ours.documents.first().unwrap()).to_vec()).unwrap();
        assert_eq!(ours, expected, "{resealed}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Run by the test above: a process may not set a variable for itself.
#[test]
#[ignore = "the child process of rops_agrees_both_ways"]
fn as_rops_sees_it() {
    let text = std::fs::read_to_string(std::env::var(FILE).unwrap()).unwrap();
    let sealed: RopsFile<EncryptedFile<AES256GCM, SHA512>, YamlFileFormat> = text.parse().unwrap();
    let opened: RopsFile<DecryptedFile<SHA512>, YamlFileFormat> = sealed.decrypt().unwrap();
    println!("{SEPARATOR}\n{opened}\n{SEPARATOR}");
    let resealed: RopsFile<EncryptedFile<AES256GCM, SHA512>, YamlFileFormat> = opened.encrypt().unwrap();
    println!("{resealed}\n{SEPARATOR}");
}

fn values(text: &str) -> String {
    let mut documents = from_yaml(text.as_bytes(), Schema::GoYamlV3, &Limits::default()).unwrap();
    let document = &mut documents.first_mut().unwrap().value;
    document.as_mapping_mut().unwrap().remove("sops");
    to_json_masked(document)
}
