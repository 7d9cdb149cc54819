//! `fluxops history`: which revisions a Delivery had, what came of them, and who signed them.

use clap::Args;
use serde_json::Value as Json;

use super::suspend::{Found, Object};
use super::{CommandError, Console, Exit, Format, table};
use crate::api::HistoryEntry;
use crate::name::Kind;

#[derive(Args)]
#[command(
    after_help = "The newest is first; ten are remembered. What is applied now is marked with a star.\n\n\
    Example: fluxops history delivery/web -n apps"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    object: Object,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) async fn run(arguments: Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let found = Found::find(arguments.object).await?;
    let entries = entries(&found)?;
    if arguments.output == Format::Json {
        writeln!(console.output, "{}", serde_json::json!(entries))?;
        return Ok(Exit::Success);
    }
    let applied = found
        .live
        .pointer("/status/lastAppliedRevision")
        .and_then(Json::as_str);
    let rows: Vec<Vec<String>> = entries
        .into_iter()
        .map(|entry| {
            let mark = if applied == Some(entry.revision.as_str()) {
                "*"
            } else {
                ""
            };
            vec![
                format!("{}{mark}", entry.revision),
                entry.last_reconciled_status,
                entry
                    .signer
                    .map_or_else(|| "-".to_owned(), |signer| signer.identity),
                entry.first_reconciled,
                entry.last_reconciled,
            ]
        })
        .collect();
    let header = ["REVISION", "STATUS", "SIGNER", "FIRST", "LAST"];
    table(console.output, &header, &rows)?;
    Ok(Exit::Success)
}

/// The revisions that a Delivery remembers.
pub(super) fn entries(found: &Found) -> Result<Vec<HistoryEntry>, CommandError> {
    if found.kind != Kind::Delivery {
        return Err(CommandError::new(
            Exit::Unusable,
            "only Deliveries have a history: delivery/NAME",
        ));
    }
    let history = found.live.pointer("/status/history").cloned();
    let history = history.unwrap_or_else(|| Json::Array(Vec::new()));
    serde_json::from_value(history).map_err(|_| {
        CommandError::new(
            Exit::Unusable,
            "failed to read the history: another version wrote it",
        )
    })
}
