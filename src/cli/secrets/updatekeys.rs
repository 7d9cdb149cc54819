//! `fluxops secrets updatekeys`

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use manifest_yaml::Limits;
use sops::{ChangeOptions, Format, KeyKind, Metadata, RecipientGroups};

use super::config::Config;
use super::file::{FileError, Source, Type, format_of};
use super::identities::{self, KeyArguments};
use super::sealing::Random;
use super::write::{NewFile, write};
use crate::cli::{CommandError, Console, Exit};
use crate::files::Keys;

#[derive(Args)]
pub(super) struct Arguments {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// The format of the files [default: by their extension]
    #[arg(long, value_name = "TYPE", value_enum)]
    input_type: Option<Type>,
    #[command(flatten)]
    keys: KeyArguments,
}

/// What came of a file.
enum Outcome {
    /// It is sealed for whom it should be.
    UpToDate,
    /// The user does not want it.
    Declined,
    Updated,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<Exit, CommandError> {
    let config = Config::find(config, console)?.ok_or_else(|| {
        CommandError::new(
            Exit::Unusable,
            "there are no creation rules to go by: give --config, or write a .sops.yaml here or above",
        )
    })?;
    let identities = identities::all(&arguments.keys)?;
    let mut exit = Exit::Success;
    for path in &arguments.files {
        let told = match update(path, arguments, &config, &identities, console)? {
            Ok(Outcome::UpToDate) => format!("{} is up to date", path.display()),
            Ok(Outcome::Declined) => format!("{} stays as it was", path.display()),
            Ok(Outcome::Updated) => format!("{} is sealed for its new recipients", path.display()),
            Err(error) => {
                exit = Exit::Negative;
                error.to_string()
            }
        };
        writeln!(console.errors, "fluxops: {told}")?;
    }
    Ok(exit)
}

/// The outer error ends everything: there is nobody to talk to.
fn update(
    path: &Path,
    arguments: &Arguments,
    config: &Config,
    identities: &Keys,
    console: &mut Console<'_>,
) -> Result<Result<Outcome, FileError>, CommandError> {
    let format = arguments.input_type.map_or_else(|| format_of(path), Into::into);
    let (text, metadata, recipients) = match plan(path, format, config) {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error)),
    };
    let difference = Difference::new(&metadata, &recipients);
    if difference.is_empty() {
        return Ok(Ok(Outcome::UpToDate));
    }
    difference.print(path, console)?;
    if !arguments.yes && !is_wanted(console)? {
        return Ok(Ok(Outcome::Declined));
    }
    let options = ChangeOptions {
        format,
        keys: identities,
        limits: &Limits::default(),
        now: Timestamp::now(),
    };
    let mut random = Random::new();
    let updated = sops::update_keys(&text, &recipients, &options, &mut |bytes| random.fill(bytes))
        .map_err(|error| FileError::new(path, crate::chain(&error)));
    let written = random
        .check(path)
        .and(updated)
        .and_then(|text| write(path, text.as_bytes(), NewFile::Shared));
    Ok(written.map(|()| Outcome::Updated))
}

/// What a file is, and whom it should be sealed for. A file with several key groups keeps its threshold, as with sops.
fn plan(
    path: &Path,
    format: Format,
    config: &Config,
) -> Result<(zeroize::Zeroizing<String>, Metadata, RecipientGroups), FileError> {
    let failed = |error: &dyn std::error::Error| FileError::new(path, crate::chain(error));
    let text = Source::File(path).read_text()?;
    let tree = format
        .parse(&text, &Limits::default())
        .map_err(|error| failed(&error))?;
    let metadata = Metadata::read(&tree)
        .map_err(|error| failed(&error))?
        .ok_or_else(|| failed(&sops::OpenError::NotSealed))?;
    let rule = config.rule_for(path)?;
    let recipients = rule.recipients().map_err(|error| failed(&error))?.clone();
    let all = recipients.groups().len();
    if metadata.key_groups().len() == 1 || all == 1 {
        return Ok((text, metadata, recipients));
    }
    let threshold = metadata.threshold().min(all);
    let recipients = RecipientGroups::new(recipients.groups().to_vec(), Some(threshold))
        .map_err(|error| failed(&error))?;
    Ok((text, metadata, recipients))
}

fn is_wanted(console: &mut Console<'_>) -> Result<bool, CommandError> {
    loop {
        write!(console.output, "Is this okay? (y/n): ")?;
        console.output.flush()?;
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" => return Ok(true),
            "n" => return Ok(false),
            _ if read == 0 => {
                return Err(CommandError::new(
                    Exit::Unusable,
                    "nobody is there to answer: give --yes",
                ));
            }
            _ => {}
        }
    }
}

/// Who comes, who stays and who goes, group by group.
struct Difference {
    groups: Vec<Vec<(Fate, String)>>,
    /// Before and after.
    thresholds: (usize, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Comes,
    Goes,
}

impl Difference {
    fn new(metadata: &Metadata, recipients: &RecipientGroups) -> Self {
        let old: Vec<Vec<String>> = metadata
            .key_groups()
            .iter()
            .map(|group| {
                let names = group.iter().map(|key| match key.kind {
                    KeyKind::Age => key.recipient.clone(),
                    kind => format!("{} {}", kind.name(), key.recipient),
                });
                names.collect()
            })
            .collect();
        let new: Vec<Vec<String>> = recipients
            .groups()
            .iter()
            .map(|group| group.iter().map(ToString::to_string).collect())
            .collect();
        let nobody = Vec::new();
        let groups = (0..old.len().max(new.len())).map(|index| {
            let old = old.get(index).unwrap_or(&nobody);
            let new = new.get(index).unwrap_or(&nobody);
            let staying = new.iter().map(|name| {
                let fate = if old.contains(name) {
                    Fate::Stays
                } else {
                    Fate::Comes
                };
                (fate, name.clone())
            });
            let going = old.iter().filter(|name| !new.contains(name));
            staying
                .chain(going.map(|name| (Fate::Goes, name.clone())))
                .collect()
        });
        Self {
            groups: groups.collect(),
            thresholds: (metadata.threshold(), recipients.threshold()),
        }
    }

    fn has(&self, fate: Fate) -> bool {
        self.groups.iter().flatten().any(|(found, _)| *found == fate)
    }

    fn is_empty(&self) -> bool {
        !self.has(Fate::Comes) && !self.has(Fate::Goes) && self.thresholds.0 == self.thresholds.1
    }

    fn print(&self, path: &Path, console: &mut Console<'_>) -> io::Result<()> {
        writeln!(console.output, "{} will be sealed for:", path.display())?;
        let (before, after) = self.thresholds;
        if before != after {
            writeln!(console.output, "+++ shamir_threshold: {after}")?;
            writeln!(console.output, "--- shamir_threshold: {before}")?;
        }
        for (index, group) in self.groups.iter().enumerate() {
            writeln!(console.output, "Group {}", index + 1)?;
            for (fate, name) in group {
                let mark = match fate {
                    Fate::Stays => "   ",
                    Fate::Comes => "+++",
                    Fate::Goes => "---",
                };
                writeln!(console.output, "{mark} {name}")?;
            }
        }
        if self.has(Fate::Goes) {
            writeln!(
                console.output,
                "Who is removed can still open this file with the data key that it has, until it is changed by `fluxops \
                 secrets rotate`; and what it says now may be known to them in any case."
            )?;
        }
        Ok(())
    }
}
