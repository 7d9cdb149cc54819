//! The files under `keys.example/` are what their readers take them for, or people copy what does not work.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use fluxops::store::Folder;
use git_signature::TrustStore;
use manifest_yaml::Limits;
use sops::creation_rules::{CreationRules, FILE_NAME};
use sops::{AgeRecipient, GoRegex, Rule};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("keys.example")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(example(name)).unwrap()
}

/// The lines that are neither empty nor comments.
fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

fn recipients() -> Vec<String> {
    let recipients = text("recipients.txt");
    let parsed = lines(&recipients)
        .into_iter()
        .map(|line| line.parse::<AgeRecipient>().unwrap().to_string());
    parsed.collect()
}

#[test]
fn the_allowed_signers_are_trust_material() {
    let signers = text("allowed_signers");
    TrustStore::parse([("allowed_signers", &signers)]).unwrap();
    // The parser has to be able to say no, or the line above proves nothing.
    let broken = signers.replace("ssh-ed25519", "ssh-ed25518");
    assert!(TrustStore::parse([("allowed_signers", &broken)]).is_err());
}

#[test]
fn the_recipients_are_some() {
    assert_eq!(recipients().len(), 1);
}

#[test]
fn the_creation_rule_seals_the_data_of_secrets_for_the_recipient() {
    let rules = CreationRules::parse(&text(FILE_NAME), &Limits::default()).unwrap();
    let rule = rules.find("app/db.secret.yaml").unwrap().unwrap();
    let named: Vec<String> = rule
        .recipients()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(named, recipients());
    let Rule::EncryptedRegex(regex) = rule.rule() else {
        panic!("the rule is not encrypted_regex");
    };
    let documented = GoRegex::parse("^(data|stringData)$").unwrap();
    for key in ["data", "stringData", "metadata", "database"] {
        assert_eq!(regex.is_match(key), documented.is_match(key), "{key}");
    }
    assert!(rules.find("app/deployment.yaml").unwrap().is_none());
}

#[test]
fn the_configuration_is_one_that_fluxops_runs_with() {
    let state = tempfile::tempdir().unwrap();
    let (_, definitions) = Folder::read(&example("fluxops.yaml"), state.path()).unwrap();
    assert!(
        definitions.invalid.is_empty(),
        "{:?}",
        definitions.invalid.values()
    );
    assert_eq!((definitions.sources.len(), definitions.deliveries.len()), (1, 1));
    let signer = text("allowed_signers");
    assert!(text("fluxops.yaml").contains(lines(&signer)[0]));
}
