//! `fluxops trust check`: what the keeper of a trust folder should know about it.

use std::path::{Path, PathBuf};

use clap::Args;
use git_signature::{Finding, Problem, inspect};
use jiff::Timestamp;

use super::folder;
use crate::cli::{CommandError, Console, Exit, Format};

#[derive(Args)]
#[command(
    after_help = "Example: fluxops trust check trust\n\nThe folder holds allowed_signers, *.sshpub, *.asc and revoked_keys.\nExit codes: 0 nothing found, 1 something found, 2 the folder cannot be used."
)]
pub(super) struct Arguments {
    /// The folder with the trusted keys
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How findings are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let material = folder::read(&arguments.folder)?;
    let findings = inspect(&material, Timestamp::now());
    match arguments.output {
        Format::Json => print_json(&findings, console)?,
        Format::Text => print_text(&arguments.folder, &findings, console)?,
    }
    Ok(exit(&findings))
}

/// How the command ends after such findings.
fn exit(findings: &[Finding]) -> Exit {
    let unreadable = |finding: &Finding| matches!(finding.problem, Problem::Unreadable(_));
    match findings {
        [] => Exit::Success,
        _ if findings.iter().any(unreadable) => Exit::Unusable,
        _ => Exit::Negative,
    }
}

/// Prints a line a finding, which begins with the file and the line as compilers write them.
fn print_text(folder: &Path, findings: &[Finding], console: &mut Console<'_>) -> Result<(), CommandError> {
    for Finding { place, problem, .. } in findings {
        let path = folder.join(&place.file);
        let path = path.display().to_string();
        let path = path.trim_end_matches('/');
        let line = place.line.map_or_else(String::new, |line| format!(":{line}"));
        let (reason, remedy) = (problem.reason(), problem.remedy());
        writeln!(console.output, "{path}{line}: {reason}: {problem}; {remedy}")?;
    }
    if findings.is_empty() {
        writeln!(console.output, "{}: all is well", folder.display())?;
    }
    Ok(())
}

fn print_json(findings: &[Finding], console: &mut Console<'_>) -> Result<(), CommandError> {
    let findings: Vec<_> = findings
        .iter()
        .map(|Finding { place, key, problem }| {
            serde_json::json!({
                "file": place.file,
                "line": place.line,
                "key": key.as_ref().map(|key| &key.fingerprint),
                "reason": problem.reason(),
                "message": problem.to_string(),
                "remedy": problem.remedy(),
            })
        })
        .collect();
    writeln!(console.output, "{}", serde_json::Value::from(findings))?;
    Ok(())
}
