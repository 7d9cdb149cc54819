//! `fluxops audit`: the log, read and checked.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CommandError, Console, Exit, Format, StateArguments, table};
use crate::audit::{Event, Record, Subject, read, verify_chain};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Print the records, oldest first
    Log(LogArguments),
    /// Check the chain: 0 it holds, 1 it is broken, with the first bad record
    Verify(LogArguments),
}

#[derive(Args)]
struct LogArguments {
    #[command(flatten)]
    state: StateArguments,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// A single file instead of the whole log
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    match &arguments.command {
        AuditCommand::Log(arguments) => log(arguments, console),
        AuditCommand::Verify(arguments) => verify(arguments, console),
    }
}

fn log(arguments: &LogArguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let path = arguments.file.as_ref().unwrap_or(&arguments.state.state_dir);
    let records = read(path).map_err(CommandError::unusable)?;
    match arguments.output {
        Format::Json => {
            for record in &records {
                writeln!(console.output, "{}", serde_json::json!(record))?;
            }
        }
        Format::Text => {
            let rows: Vec<_> = records.iter().map(row).collect();
            table(
                console.output,
                &["#", "TIME", "EVENT", "OBJECT", "COMMIT", "SIGNER", "WHAT"],
                &rows,
            )?;
        }
    }
    Ok(Exit::Success)
}

fn row(record: &Record) -> Vec<String> {
    const SHORT_COMMIT: usize = 12;
    let short = |commit: &String| -> String { commit.chars().take(SHORT_COMMIT).collect() };
    let (event, subject, what) = match &record.event {
        Event::Started { version } => ("started", None, format!("fluxops {version}")),
        Event::Intent { subject, actions } => ("intent", Some(subject), changes(actions.len())),
        Event::Outcome {
            subject,
            result,
            actions,
            intent,
        } => (
            "outcome",
            Some(subject),
            format!("{}, {}, intent {intent}", result.as_str(), changes(actions.len())),
        ),
        Event::Interrupted { intent } => ("interrupted", None, format!("intent {intent} has no outcome")),
        Event::Refused {
            subject,
            step,
            reason,
            ..
        } => ("refused", Some(subject), format!("{}: {reason}", step.as_str())),
        Event::TrustChanged { subject, digest } => ("trust", Some(subject), digest.clone()),
        Event::TrustAnchored {
            subject,
            by,
            previous,
        } => (
            "anchored",
            Some(subject),
            previous.as_ref().map_or_else(
                || by.as_str().to_owned(),
                |previous| format!("{}, {} before", by.as_str(), short(previous)),
            ),
        ),
        Event::RolledBack {
            subject,
            from,
            reason,
        } => (
            "rolled back",
            Some(subject),
            format!("from {}: {reason}", short(from)),
        ),
        Event::Torn { bytes, .. } => ("torn", None, format!("{bytes} bytes were cut off")),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        record.sequence.to_string(),
        record.time.to_string(),
        event.to_owned(),
        or_dash(subject.map(|subject: &Subject| subject.object.to_string())),
        or_dash(subject.and_then(|subject| subject.commit.as_ref()).map(short)),
        or_dash(subject.and_then(|subject| subject.signer.clone())),
        what,
    ]
}

fn changes(count: usize) -> String {
    match count {
        1 => "1 change".to_owned(),
        _ => format!("{count} changes"),
    }
}

fn verify(arguments: &LogArguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let path = arguments.file.as_ref().unwrap_or(&arguments.state.state_dir);
    match verify_chain(path) {
        Ok(verified) => {
            match arguments.output {
                Format::Json => {
                    let json = serde_json::json!({"intact": true, "records": verified.records, "head": verified.head});
                    writeln!(console.output, "{json}")?;
                }
                Format::Text => {
                    writeln!(
                        console.output,
                        "the chain holds: {} records, head {}",
                        verified.records, verified.head
                    )?;
                    if verified.torn_tail.is_some() {
                        writeln!(
                            console.output,
                            "the last line is cut off; the next start accounts for it"
                        )?;
                    }
                }
            }
            Ok(Exit::Success)
        }
        Err(broken) => {
            match arguments.output {
                Format::Json => {
                    let json = serde_json::json!({"intact": false, "reason": crate::chain(&broken)});
                    writeln!(console.output, "{json}")?;
                }
                Format::Text => writeln!(console.output, "the chain is broken: {}", crate::chain(&broken))?,
            }
            Ok(Exit::Negative)
        }
    }
}
