//! `fluxops secrets status`: what is sealed in a tree, for whom, and what should be.

mod judge;
mod tree;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use self::judge::{Finding, Judge, Opens, Sealed, State};
use super::batch::{self, Bar, Report};
use super::config::Config;
use super::identities::{self, KeyArguments};
use crate::cli::{CommandError, Console, Exit, Format, table};

#[derive(Args)]
pub(super) struct Arguments {
    /// Files and folders
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Say which files these age identities open, check them, and fail for the others [default: those in the
    /// environment, which need not open all]
    #[arg(long, value_name = "FILE")]
    age_key_file: Option<PathBuf>,
    /// How the answer is written
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(
    arguments: &Arguments,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<Exit, CommandError> {
    let config = Config::find(config, console)?;
    if config.is_none() {
        writeln!(
            console.errors,
            "fluxops: there is no .sops.yaml here or above: nothing says what has to be sealed"
        )?;
    }
    let given = arguments.age_key_file.clone();
    let key_file = given.or_else(|| std::env::var_os("SOPS_AGE_KEY_FILE").map(PathBuf::from));
    let judge = Judge::new(config, identities::named(&KeyArguments::of_file(key_file))?);
    let files = tree::files(&arguments.paths)?;
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let report = Report {
        done: "looked at",
        bar: Bar::Hidden,
    };
    let mut findings = Vec::new();
    let exit = batch::each(
        &files,
        report,
        console,
        |file| judge.file(file),
        |_, _, finding| {
            findings.extend(finding);
            Ok(())
        },
    )?;
    match arguments.output {
        Format::Text => print_table(&findings, console)?,
        Format::Json => {
            let entries: Vec<Entry<'_>> = findings.iter().map(Entry::new).collect();
            serde_json::to_writer_pretty(&mut *console.output, &entries).map_err(std::io::Error::from)?;
            writeln!(console.output)?;
        }
    }
    let is_refused = |finding: &Finding| match &finding.state {
        State::Sealed(sealed) => sealed.opens == Opens::No && arguments.age_key_file.is_some(),
        State::Plaintext { .. } | State::Exposed { .. } | State::Unusable { .. } => true,
    };
    Ok(if findings.iter().any(is_refused) {
        Exit::Negative
    } else {
        exit
    })
}

fn print_table(findings: &[Finding], console: &mut Console<'_>) -> Result<(), CommandError> {
    if findings.is_empty() {
        writeln!(
            console.errors,
            "fluxops: nothing is sealed here, and nothing has to be"
        )?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            let sealed_for = match &finding.state {
                State::Sealed(sealed) | State::Exposed { sealed, .. } => names(sealed).join(", "),
                State::Plaintext { .. } | State::Unusable { .. } => "-".to_owned(),
            };
            vec![
                finding.path.display().to_string(),
                in_words(&finding.state),
                sealed_for,
            ]
        })
        .collect();
    Ok(table(console.output, &["FILE", "STATUS", "SEALED FOR"], &rows)?)
}

fn in_words(state: &State) -> String {
    match state {
        State::Sealed(sealed) => match sealed.opens {
            Opens::NotTried => "sealed".to_owned(),
            Opens::Yes => "sealed, opens".to_owned(),
            Opens::No => "sealed, does not open with this key".to_owned(),
        },
        State::Plaintext { value: Some(path) } => format!("PLAINTEXT: {path} has to be sealed"),
        State::Plaintext { value: None } => "PLAINTEXT: it has to be sealed".to_owned(),
        State::Exposed { value, .. } => format!("PLAINTEXT: {value} is clear in the sealed file"),
        State::Unusable { reason } => format!("UNUSABLE: {reason}"),
    }
}

/// Who can open a file: kinds but age are named.
fn names(sealed: &Sealed) -> Vec<String> {
    let keys = sealed.metadata.wrapped_keys();
    keys.map(|key| match key.kind {
        sops::KeyKind::Age => key.recipient.clone(),
        kind => format!("{} {}", kind.name(), key.recipient),
    })
    .collect()
}

/// A finding as `-o json` has it.
#[derive(Serialize)]
struct Entry<'a> {
    path: Cow<'a, str>,
    format: &'static str,
    status: &'static str,
    /// What is clear and should not be, if it is not the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<SealedEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SealedEntry<'a> {
    recipients: Vec<Recipient<'a>>,
    rule: BTreeMap<&'static str, &'a str>,
    last_modified: &'a str,
    version: Option<&'a str>,
    /// Null where there was no key to try.
    opens: Option<bool>,
}

#[derive(Serialize)]
struct Recipient<'a> {
    kind: &'static str,
    recipient: &'a str,
}

impl<'a> Entry<'a> {
    fn new(finding: &'a Finding) -> Self {
        let entry = |status| Self {
            path: finding.path.to_string_lossy(),
            format: finding.format.name(),
            status,
            value: None,
            reason: None,
            sealed: None,
        };
        match &finding.state {
            State::Sealed(sealed) => Self {
                sealed: Some(SealedEntry::new(sealed)),
                ..entry("sealed")
            },
            State::Exposed { sealed, value } => Self {
                sealed: Some(SealedEntry::new(sealed)),
                value: Some(value.to_string()),
                ..entry("exposed")
            },
            State::Plaintext { value } => Self {
                value: value.as_ref().map(ToString::to_string),
                ..entry("plaintext")
            },
            State::Unusable { reason } => Self {
                reason: Some(reason),
                ..entry("unusable")
            },
        }
    }
}

impl<'a> SealedEntry<'a> {
    fn new(sealed: &'a Sealed) -> Self {
        let metadata = &sealed.metadata;
        let keys = metadata.wrapped_keys();
        Self {
            recipients: keys
                .map(|key| Recipient {
                    kind: key.kind.name(),
                    recipient: &key.recipient,
                })
                .collect(),
            rule: BTreeMap::from([(metadata.rule().field(), metadata.rule().operand())]),
            last_modified: metadata.last_modified(),
            version: metadata.version(),
            opens: match sealed.opens {
                Opens::NotTried => None,
                Opens::Yes => Some(true),
                Opens::No => Some(false),
            },
        }
    }
}
