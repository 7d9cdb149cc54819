//! Somebody with a repository, keys and a trust folder.

use std::fs;

use serde_json::Value as Json;

use crate::support::Scratch;
use crate::support::fluxops::Run;
use crate::support::repository::{Repository, SigningKey};

pub(crate) struct User {
    pub(crate) repository: Repository,
    pub(crate) alice: SigningKey,
    pub(crate) mallory: SigningKey,
    pub(crate) scratch: Scratch,
}

impl User {
    /// A repository with one signed commit, and a trust folder with Alice's key.
    pub(crate) fn new() -> Self {
        let scratch = Scratch::new();
        let repository = Repository::new(scratch.path().join("repository"));
        let alice = SigningKey::new(scratch.path(), "alice@example.org");
        let mallory = SigningKey::new(scratch.path(), "mallory@example.org");
        fs::create_dir(scratch.path().join("trust")).unwrap();
        fs::write(
            scratch.path().join("trust/allowed_signers"),
            alice.allowed_signer(),
        )
        .unwrap();
        let user = Self {
            repository,
            alice,
            mallory,
            scratch,
        };
        user.signed("first");
        user
    }

    pub(crate) fn signed(&self, name: &str) -> String {
        self.repository.write(name, name);
        self.repository.commit(&self.alice, name)
    }

    pub(crate) fn unsigned(&self, name: &str) -> String {
        self.repository.write(name, name);
        self.repository.commit_unsigned(name)
    }

    pub(crate) fn verify(&self, arguments: &[&str]) -> Run {
        let repository = self.repository.path().display().to_string();
        self.verify_in(&repository, arguments)
    }

    pub(crate) fn verify_in(&self, repository: &str, arguments: &[&str]) -> Run {
        let trust = self.scratch.path().join("trust").display().to_string();
        let mut all = vec!["verify", "--repo", repository, "--trust", &trust];
        all.extend(arguments);
        Run::of(&all)
    }

    /// The verdicts as commit and rule, where the rule of what is trusted is empty.
    pub(crate) fn verdicts(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let mut all = vec!["-o", "json"];
        all.extend(arguments);
        let verdicts = self.verify(&all).json();
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        verdicts
            .as_array()
            .unwrap()
            .iter()
            .map(|verdict| (text(&verdict["commit"]), text(&verdict["rule"])))
            .collect()
    }
}

pub(crate) fn rule(id: &str, rule: &str) -> (String, String) {
    (id.to_owned(), rule.to_owned())
}
