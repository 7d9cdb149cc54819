//! For whom a file is sealed, and what is sealed in it: what the arguments say, and the creation rule where they say
//! nothing.

use std::path::Path;

use clap::Args;
use manifest_yaml::Limits;
use sops::creation_rules::CreationRule;
use sops::{AgeRecipient, EncryptOptions, GoRegex, MacScope, RecipientGroups, Rule};

use super::config::{Config, overlooked};
use super::file::FileError;
use super::sops_only::ForeignRecipients;
use crate::cli::{CommandError, Console, Exit};

#[derive(Args)]
pub(super) struct SealingArguments {
    /// age recipients, separated by commas [default: those of the creation rule]
    #[arg(
        short,
        long,
        value_name = "RECIPIENTS",
        env = "SOPS_AGE_RECIPIENTS",
        value_delimiter = ','
    )]
    age: Vec<String>,
    /// Seal only what is under a key that matches
    #[arg(long, value_name = "REGEX", group = "rule")]
    encrypted_regex: Option<String>,
    /// Leave clear what is under a key that matches
    #[arg(long, value_name = "REGEX", group = "rule")]
    unencrypted_regex: Option<String>,
    /// Seal only what is under a key with this suffix
    #[arg(long, value_name = "SUFFIX", group = "rule")]
    encrypted_suffix: Option<String>,
    /// Leave clear what is under a key with this suffix [default: the creation rule's, else _unencrypted]
    #[arg(long, value_name = "SUFFIX", group = "rule")]
    unencrypted_suffix: Option<String>,
    /// Seal only what is below or beside a comment that matches
    #[arg(long, value_name = "REGEX", group = "rule")]
    encrypted_comment_regex: Option<String>,
    /// Leave clear what is below or beside a comment that matches
    #[arg(long, value_name = "REGEX", group = "rule")]
    unencrypted_comment_regex: Option<String>,
    /// Let the MAC cover sealed values only
    #[arg(long)]
    mac_only_encrypted: bool,
    /// How many key groups it takes to open the file [default: the creation rule's, else all]
    #[arg(long, value_name = "COUNT")]
    shamir_secret_sharing_threshold: Option<usize>,
    #[command(flatten)]
    foreign: ForeignRecipients,
}

/// What the arguments say; they win over the creation rule, one by one, as in sops.
pub(super) struct Sealing {
    recipients: Option<RecipientGroups>,
    threshold: Option<usize>,
    rule: Option<Rule>,
    mac_scope: Option<MacScope>,
    config: Option<Config>,
}

impl Sealing {
    /// Reads the arguments and finds the creation rules.
    pub(super) fn read(
        arguments: &SealingArguments,
        config: Option<&Path>,
        console: &mut Console<'_>,
    ) -> Result<Self, CommandError> {
        arguments.foreign.refuse()?;
        let names = arguments.age.iter().map(|text| text.trim());
        let recipients = names
            .filter(|text| !text.is_empty())
            .map(|text| text.parse::<AgeRecipient>().map_err(CommandError::unusable))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            recipients: (!recipients.is_empty()).then(|| recipients.into_iter().collect()),
            threshold: arguments
                .shamir_secret_sharing_threshold
                .filter(|count| *count > 0),
            rule: given_rule(arguments)?,
            mac_scope: arguments.mac_only_encrypted.then_some(MacScope::SealedValues),
            config: Config::find(config, console)?,
        })
    }

    /// Refuses arguments that seal no file at all, before any is read.
    pub(super) fn check(&self, name: &Path) -> Result<(), CommandError> {
        if self.recipients.is_none() && self.config.is_none() {
            return Err(CommandError::new(Exit::Unusable, nobody(name)));
        }
        Ok(())
    }

    /// The options for a file with this name.
    pub(super) fn options(&self, name: &Path) -> Result<EncryptOptions, FileError> {
        let creation_rule = self
            .config
            .as_ref()
            .map(|config| config.rule_for(name))
            .transpose()?;
        let recipients = self.recipients(name, creation_rule)?;
        let rule = self
            .rule
            .clone()
            .or_else(|| creation_rule.map(|rule| rule.rule().clone()));
        let mac_scope = self
            .mac_scope
            .or_else(|| creation_rule.map(CreationRule::mac_scope));
        Ok(EncryptOptions {
            recipients,
            rule: rule.unwrap_or_default(),
            mac_scope: mac_scope.unwrap_or_default(),
            limits: Limits::default(),
        })
    }

    fn recipients(
        &self,
        name: &Path,
        creation_rule: Option<&CreationRule>,
    ) -> Result<RecipientGroups, FileError> {
        let refused = |error: &dyn std::error::Error| FileError::new(name, crate::chain(error));
        let groups = match (&self.recipients, creation_rule) {
            (Some(recipients), _) => recipients.clone(),
            (None, Some(rule)) => rule.recipients().map_err(|error| refused(&error))?.clone(),
            (None, None) => return Err(FileError::new(name, nobody(name))),
        };
        match self.threshold {
            None => Ok(groups),
            Some(threshold) => RecipientGroups::new(groups.groups().to_vec(), Some(threshold))
                .map_err(|error| refused(&error)),
        }
    }
}

/// What to do where there is neither a recipient nor a rule.
fn nobody(name: &Path) -> String {
    match overlooked(name) {
        None => "nobody to seal it for: give --age, or write a .sops.yaml here or above".to_owned(),
        Some(path) => format!(
            "nobody to seal it for: as with sops, {} does not count from here; go to its folder, or give --config",
            path.display()
        ),
    }
}

fn given_rule(arguments: &SealingArguments) -> Result<Option<Rule>, CommandError> {
    let regex = |pattern: &Option<String>, rule: fn(GoRegex) -> Rule| {
        let regex = pattern
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(GoRegex::parse);
        Ok::<_, CommandError>(regex.transpose().map_err(CommandError::unusable)?.map(rule))
    };
    let suffix = |suffix: &Option<String>, rule: fn(String) -> Rule| {
        suffix.clone().filter(|text| !text.is_empty()).map(rule)
    };
    let given = [
        regex(&arguments.encrypted_regex, Rule::EncryptedRegex)?,
        regex(&arguments.unencrypted_regex, Rule::UnencryptedRegex)?,
        suffix(&arguments.encrypted_suffix, Rule::EncryptedSuffix),
        suffix(&arguments.unencrypted_suffix, Rule::UnencryptedSuffix),
        regex(&arguments.encrypted_comment_regex, Rule::EncryptedCommentRegex)?,
        regex(
            &arguments.unencrypted_comment_regex,
            Rule::UnencryptedCommentRegex,
        )?,
    ];
    Ok(given.into_iter().flatten().next())
}

/// Random bytes of the operating system. A refusal of it is remembered, since what asks cannot fail.
pub(super) struct Random {
    system: ring::rand::SystemRandom,
    state: RandomState,
}

#[derive(PartialEq, Eq)]
enum RandomState {
    Good,
    Exhausted,
}

impl Random {
    pub(super) fn new() -> Self {
        Self {
            system: ring::rand::SystemRandom::new(),
            state: RandomState::Good,
        }
    }

    /// Fills a buffer.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        if ring::rand::SecureRandom::fill(&self.system, bytes).is_err() {
            self.state = RandomState::Exhausted;
        }
    }

    /// Whether what was filled is random; if not, nothing that came of it may be used.
    pub(super) fn check(&self, name: &Path) -> Result<(), FileError> {
        match self.state {
            RandomState::Good => Ok(()),
            RandomState::Exhausted => Err(FileError::new(name, "the system gives no random numbers")),
        }
    }
}
