//! `fluxops secrets decrypt`

use std::path::{Path, PathBuf};

use clap::Args;
use manifest_yaml::Limits;
use sops::{AgeIdentities, Format};
use zeroize::Zeroizing;

use super::file::{FileError, Type, format, read, replace};
use crate::cli::{CommandError, Console, Exit, read_secret_file};

#[derive(Args)]
pub(super) struct Arguments {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Replace the files by their plaintext
    #[arg(short, long)]
    in_place: bool,
    /// age identities
    #[arg(long, value_name = "FILE", env = "SOPS_AGE_KEY_FILE")]
    age_key_file: Option<PathBuf>,
    /// The format of the files [default: by their extension]
    #[arg(long, value_name = "TYPE", value_enum)]
    input_type: Option<Type>,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let identities = identities(arguments.age_key_file.as_deref())?;
    let mut failed = Vec::new();
    let mut printed = false;
    for path in &arguments.files {
        match open(path, arguments.input_type, &identities) {
            Ok((plain, _)) if arguments.in_place => {
                failed.extend(replace(path, &plain).err());
            }
            Ok((plain, format)) => {
                if printed && format == Format::Yaml {
                    writeln!(console.output, "---")?;
                }
                console.output.write_all(plain.as_bytes())?;
                printed = true;
            }
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

fn open(
    path: &Path,
    given: Option<Type>,
    identities: &AgeIdentities,
) -> Result<(Zeroizing<String>, Format), FileError> {
    let format = format(path, given);
    let text = read(path)?;
    let plain = sops::decrypt(&text, format, identities, &Limits::default());
    Ok((
        plain.map_err(|error| FileError::new(path, crate::chain(&error)))?,
        format,
    ))
}

/// Identities as sops finds them: a file, and `SOPS_AGE_KEY`. None at all is said by the first file that needs one.
fn identities(file: Option<&Path>) -> Result<AgeIdentities, CommandError> {
    let mut identities = AgeIdentities::default();
    if let Some(path) = file {
        identities.extend(AgeIdentities::parse(&read_secret_file(path)?).map_err(CommandError::unusable)?);
    }
    if let Some(text) =
        std::env::var_os("SOPS_AGE_KEY").map(|text| Zeroizing::new(text.to_string_lossy().into_owned()))
    {
        identities.extend(AgeIdentities::parse(&text).map_err(CommandError::unusable)?);
    }
    Ok(identities)
}
