//! `fluxops secrets encrypt`

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use manifest_yaml::Limits;
use zeroize::Zeroizing;

use super::batch::{self, Bar, Report};
use super::file::{FileError, Files, Source, Target};
use super::sealing::{Random, Sealing, SealingArguments};
use super::write::{NewFile, write};
use crate::cli::{CommandError, Console, Exit};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    sealing: SealingArguments,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<Exit, CommandError> {
    let files = &arguments.files;
    let sources = files.sources()?;
    let sealing = Sealing::read(&arguments.sealing, config, console)?;
    if let Some(first) = sources.first().map(|source| files.name(*source)) {
        if first.as_os_str().is_empty() {
            return Err(CommandError::new(
                Exit::Unusable,
                "--filename-override is needed for standard input: creation rules go by the name",
            ));
        }
        sealing.check(first)?;
    }
    let target = files.target();
    let report = Report {
        done: "sealed",
        bar: match target {
            Target::InPlace => Bar::Shown,
            Target::Print | Target::File(_) => Bar::Hidden,
        },
    };
    let work = |source: Source<'_>| {
        let sealed = seal(source, files, &sealing)?;
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

fn seal(source: Source<'_>, files: &Files, sealing: &Sealing) -> Result<String, FileError> {
    let (input, output) = (files.input_format(source), files.output_format(source));
    let name = files.name(source);
    let options = sealing.options(name)?;
    let plain = source.read()?;
    let plain = if input == output {
        plain
    } else {
        let opened = sops::read_plain(&plain, input, &Limits::default())
            .map_err(|error| source.error(crate::chain(&error)))?;
        let converted: Zeroizing<Vec<u8>> = opened
            .write_as(output)
            .map_err(|error| source.error(crate::chain(&error)))?;
        converted
    };
    let mut random = Random::new();
    let sealed = sops::encrypt_bytes(&plain, output, &options, Timestamp::now(), &mut |bytes| {
        random.fill(bytes);
    });
    random.check(name)?;
    sealed.map_err(|error| source.error(crate::chain(&error)))
}
