//! `fluxops secrets decrypt`

use clap::Args;
use manifest_yaml::Limits;
use sops::{Format, KeyPath};
use zeroize::Zeroizing;

use super::batch::{self, Bar, Report};
use super::file::{FileError, Files, Source, Target};
use super::identities::{self, KeyArguments};
use super::sops_only::IgnoreMac;
use super::tree_path;
use super::write::{NewFile, write};
use crate::cli::{CommandError, Console, Exit};
use crate::files::Keys;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Print one value, list or map of the file only
    #[arg(long, value_name = "PATH", conflicts_with = "in_place")]
    extract: Option<String>,
    #[command(flatten)]
    keys: KeyArguments,
    #[command(flatten)]
    ignore_mac: IgnoreMac,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    arguments.ignore_mac.refuse()?;
    let files = &arguments.files;
    let sources = files.sources()?;
    let extract = arguments.extract.as_deref().map(tree_path::parse);
    let extract = extract.transpose().map_err(CommandError::unusable)?;
    if extract.is_some() && sources.len() > 1 {
        return Err(CommandError::new(Exit::Unusable, "--extract takes one file"));
    }
    let identities = identities::all(&arguments.keys)?;
    let target = files.target();
    let report = Report {
        done: "opened",
        bar: match target {
            Target::InPlace => Bar::Shown,
            Target::Print | Target::File(_) => Bar::Hidden,
        },
    };
    let work = |source: Source<'_>| {
        let plain = open(source, files, extract.as_ref(), &identities)?;
        match (target, source) {
            (Target::InPlace, Source::File(path)) | (Target::File(path), _) => {
                write(path, &plain, NewFile::Private).map(|()| None)
            }
            (Target::Print | Target::InPlace, _) => Ok(Some(plain)),
        }
    };
    let mut printed = false;
    batch::each(&sources, report, console, work, |console, source, plain| {
        let Some(plain) = plain else { return Ok(()) };
        if printed && files.output_format(source) == Format::Yaml {
            writeln!(console.output, "---")?;
        }
        printed = true;
        Ok(console.output.write_all(&plain)?)
    })
}

fn open(
    source: Source<'_>,
    files: &Files,
    extract: Option<&KeyPath>,
    identities: &Keys,
) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let (input, output) = (files.input_format(source), files.output_format(source));
    let limits = Limits::default();
    let text = source.read_text()?;
    let refused = |error: sops::OpenError| source.error(crate::chain(&error));
    let unwritable = |error: &dyn std::error::Error| source.error(crate::chain(error));
    if input == output && extract.is_none() {
        return sops::decrypt_bytes(&text, input, identities, &limits).map_err(refused);
    }
    let opened = sops::open(&text, input, identities, &limits).map_err(refused)?;
    match extract {
        Some(path) => tree_path::extract(opened, path, output).map_err(|error| unwritable(&error)),
        None => opened.write_as(output).map_err(|error| unwritable(&error)),
    }
}
