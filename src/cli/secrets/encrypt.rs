//! `fluxops secrets encrypt`

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use manifest_yaml::Limits;
use ring::rand::{SecureRandom as _, SystemRandom};
use sops::{AgeRecipient, DEFAULT_UNENCRYPTED_SUFFIX, EncryptOptions, GoRegex, MacScope, Rule};

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
    /// age recipients, separated by commas
    #[arg(
        long,
        value_name = "RECIPIENTS",
        env = "SOPS_AGE_RECIPIENTS",
        value_delimiter = ',',
        required = true
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
    /// Leave clear what is under a key with this suffix [default: _unencrypted]
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
    let options = options(arguments)?;
    let mut failed = Vec::new();
    for path in &arguments.files {
        match seal(path, arguments.input_type, &options) {
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

fn options(arguments: &Arguments) -> Result<EncryptOptions, CommandError> {
    let recipient = |text: &String| {
        text.trim()
            .parse::<AgeRecipient>()
            .map_err(CommandError::unusable)
    };
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
        (Some(pattern), ..) => Rule::EncryptedRegex(regex(pattern)?),
        (_, Some(pattern), ..) => Rule::UnencryptedRegex(regex(pattern)?),
        (_, _, Some(suffix), _) => Rule::EncryptedSuffix(suffix.clone()),
        (_, _, _, Some(suffix)) => Rule::UnencryptedSuffix(suffix.clone()),
        _ => Rule::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned()),
    };
    let recipients = arguments.age.iter().map(recipient).collect::<Result<_, _>>()?;
    let mac_scope = if arguments.mac_only_encrypted {
        MacScope::SealedValues
    } else {
        MacScope::AllValues
    };
    Ok(EncryptOptions {
        recipients,
        rule,
        mac_scope,
        limits: Limits::default(),
    })
}

fn seal(path: &Path, given: Option<Type>, options: &EncryptOptions) -> Result<String, FileError> {
    let format = format(path, given);
    let text = read(path)?;
    let system = SystemRandom::new();
    let mut exhausted = false;
    let mut random = |bytes: &mut [u8]| exhausted |= system.fill(bytes).is_err();
    let sealed = sops::encrypt(&text, format, options, Timestamp::now(), &mut random);
    if exhausted {
        return Err(FileError::new(path, "the system gives no random numbers"));
    }
    sealed.map_err(|error| FileError::new(path, crate::chain(&error)))
}
