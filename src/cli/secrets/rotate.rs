//! `fluxops secrets rotate`

use clap::Args;
use jiff::Timestamp;
use manifest_yaml::Limits;
use sops::{AgeRecipient, ChangeOptions, RecipientChange};

use super::batch::{self, Bar, Report};
use super::file::{FileError, Files, Source, Target};
use super::identities::{self, KeyArguments};
use super::sealing::Random;
use super::sops_only::IgnoreMac;
use super::write::{NewFile, write};
use crate::cli::{CommandError, Console, Exit};
use crate::files::Keys;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// age recipients to add, separated by commas
    #[arg(long, value_name = "RECIPIENTS", value_delimiter = ',')]
    add_age: Vec<String>,
    /// age recipients to remove, separated by commas
    #[arg(long, value_name = "RECIPIENTS", value_delimiter = ',')]
    rm_age: Vec<String>,
    /// OpenPGP fingerprints to remove, separated by commas
    #[arg(long, value_name = "FINGERPRINTS", value_delimiter = ',')]
    rm_pgp: Vec<String>,
    /// AWS KMS keys to remove, separated by commas
    #[arg(long, value_name = "ARNS", value_delimiter = ',')]
    rm_kms: Vec<String>,
    #[command(flatten)]
    keys: KeyArguments,
    #[command(flatten)]
    ignore_mac: IgnoreMac,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    arguments.ignore_mac.refuse()?;
    let files = &arguments.files;
    let sources = files.sources()?;
    let identities = identities::all(&arguments.keys)?;
    let change = change(arguments)?;
    let target = files.target();
    let report = Report {
        done: "rotated",
        bar: match target {
            Target::InPlace => Bar::Shown,
            Target::Print | Target::File(_) => Bar::Hidden,
        },
    };
    let work = |source: Source<'_>| {
        let sealed = rotate(source, files, &change, &identities)?;
        match (target, source) {
            (Target::InPlace, Source::File(path)) | (Target::File(path), _) => {
                write(path, sealed.as_bytes(), NewFile::Shared).map(|()| None)
            }
            (Target::Print | Target::InPlace, _) => Ok(Some(sealed)),
        }
    };
    batch::each(&sources, report, console, work, |console, _, sealed| {
        Ok(console.output.write_all(sealed.unwrap_or_default().as_bytes())?)
    })
}

fn change(arguments: &Arguments) -> Result<RecipientChange, CommandError> {
    let names = |list: &[String]| -> Vec<String> {
        let names = list.iter().map(|name| name.trim().to_owned());
        names.filter(|name| !name.is_empty()).collect()
    };
    let add = names(&arguments.add_age)
        .iter()
        .map(|name| name.parse::<AgeRecipient>().map_err(CommandError::unusable))
        .collect::<Result<_, _>>()?;
    let remove = [&arguments.rm_age, &arguments.rm_pgp, &arguments.rm_kms];
    Ok(RecipientChange {
        add,
        remove: remove.into_iter().flat_map(|list| names(list)).collect(),
    })
}

fn rotate(
    source: Source<'_>,
    files: &Files,
    change: &RecipientChange,
    identities: &Keys,
) -> Result<String, FileError> {
    let format = files.input_format(source);
    if files.output_format(source) != format {
        return Err(source.error("rotate keeps the format: decrypt and encrypt to change it"));
    }
    let options = ChangeOptions {
        format,
        keys: identities,
        limits: &Limits::default(),
        now: Timestamp::now(),
    };
    let mut random = Random::new();
    let rotated = sops::rotate(&source.read_text()?, change, &options, &mut |bytes| {
        random.fill(bytes);
    });
    random.check(files.name(source))?;
    rotated.map_err(|error| source.error(crate::chain(&error)))
}
