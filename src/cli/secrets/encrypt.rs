//! `fluxops secrets encrypt`

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use manifest_yaml::Limits;
use ring::rand::{SecureRandom as _, SystemRandom};
use sops::creation_rules::CreationRule;
use sops::{AgeRecipient, EncryptOptions, GoRegex, MacScope, Rule};

use super::config::Config;
use super::file::{FileError, Type, format, read, replace};
use crate::cli::{CommandError, Console, Exit};

#[derive(Args)]
pub(super) struct Arguments {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Replace the files by their sealed form
    #[arg(short, long)]
    in_place: bool,
    /// age recipients, separated by commas [default: those of the creation rule]
    #[arg(
        short,
        long,
        value_name = "RECIPIENTS",
        env = "SOPS_AGE_RECIPIENTS",
        value_delimiter = ','
    )]
    age: Vec<String>,
    /// Creation rules [default: the nearest .sops.yaml, from the folder of each file upwards]
    #[arg(long, value_name = "FILE", env = "SOPS_CONFIG")]
    config: Option<PathBuf>,
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
    /// Let the MAC cover sealed values only
    #[arg(long)]
    mac_only_encrypted: bool,
    /// The format of the files [default: by their extension]
    #[arg(long, value_name = "TYPE", value_enum)]
    input_type: Option<Type>,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let given = Given::read(arguments)?;
    let mut failed = Vec::new();
    for path in &arguments.files {
        match seal(path, arguments, &given) {
            Ok(sealed) if arguments.in_place => failed.extend(replace(path, &sealed).err()),
            Ok(sealed) => console.output.write_all(sealed.as_bytes())?,
            Err(error) => failed.push(error),
        }
    }
    match failed.as_slice() {
        [] => Ok(Exit::Success),
        errors => {
            let lines: Vec<String> = errors.iter().map(FileError::to_string).collect();
            Err(CommandError::new(Exit::Negative, lines.join("\nfluxops: ")))
        }
    }
}

/// What the arguments say; they win over the creation rule, one by one, as in sops.
struct Given {
    recipients: Vec<AgeRecipient>,
    rule: Option<Rule>,
    mac_scope: Option<MacScope>,
}

impl Given {
    fn read(arguments: &Arguments) -> Result<Self, CommandError> {
        let recipients = arguments.age.iter().map(|text| text.trim());
        let recipients = recipients
            .filter(|text| !text.is_empty())
            .map(|text| text.parse::<AgeRecipient>().map_err(CommandError::unusable));
        let regex = |pattern: &String| GoRegex::parse(pattern).map_err(CommandError::unusable);
        let Arguments {
            encrypted_regex,
            unencrypted_regex,
            encrypted_suffix,
            unencrypted_suffix,
            ..
        } = arguments;
        let rule = match (
            encrypted_regex,
            unencrypted_regex,
            encrypted_suffix,
            unencrypted_suffix,
        ) {
            (Some(pattern), ..) => Some(Rule::EncryptedRegex(regex(pattern)?)),
            (_, Some(pattern), ..) => Some(Rule::UnencryptedRegex(regex(pattern)?)),
            (_, _, Some(suffix), _) => Some(Rule::EncryptedSuffix(suffix.clone())),
            (_, _, _, Some(suffix)) => Some(Rule::UnencryptedSuffix(suffix.clone())),
            _ => None,
        };
        Ok(Self {
            recipients: recipients.collect::<Result<_, _>>()?,
            rule,
            mac_scope: arguments.mac_only_encrypted.then_some(MacScope::SealedValues),
        })
    }

    /// The options for a file: the given ones, and the creation rule's where none are given.
    fn options(&self, path: &Path, config: Option<&Path>) -> Result<EncryptOptions, FileError> {
        let config = Config::find(path, config)?;
        let creation_rule = config.as_ref().map(|config| config.rule_for(path)).transpose()?;
        let recipients = match (self.recipients.as_slice(), creation_rule) {
            ([], None) => {
                return Err(FileError::new(
                    path,
                    "nobody to seal it for: give --age, or write a .sops.yaml beside or above it",
                ));
            }
            ([], Some(creation_rule)) => creation_rule.recipients().clone(),
            (recipients, _) => recipients.iter().cloned().collect(),
        };
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
}

fn seal(path: &Path, arguments: &Arguments, given: &Given) -> Result<String, FileError> {
    let format = format(path, arguments.input_type);
    let options = given.options(path, arguments.config.as_deref())?;
    let text = read(path)?;
    let system = SystemRandom::new();
    let mut exhausted = false;
    let mut random = |bytes: &mut [u8]| exhausted |= system.fill(bytes).is_err();
    let sealed = sops::encrypt(&text, format, &options, Timestamp::now(), &mut random);
    if exhausted {
        return Err(FileError::new(path, "the system gives no random numbers"));
    }
    sealed.map_err(|error| FileError::new(path, crate::chain(&error)))
}
