//! `fluxops rollback`: an older revision of a Delivery, held until it is resumed.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::history::entries;
use super::suspend::{Found, Object};
use super::{CommandError, Console, Exit};
use crate::store::{HELD_AT, HELD_BY, HELD_REVISION};

/// The shortest beginning of a commit's id that is taken for it.
const MIN_PREFIX: usize = 7;

#[derive(Args)]
#[command(
    after_help = "REVISION is one of `fluxops history`, whole or its commit's id, or seven digits of that or more. \
    It is verified again, and applied as it was; newer commits wait until `fluxops resume`.\n\n\
    Examples:\n  fluxops rollback delivery/web -n apps\n  fluxops rollback delivery/web 3f2c1a9 -n apps"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    object: Object,
    /// The revision to go back to [default: the last that succeeded before the one that is applied]
    #[arg(value_name = "REVISION")]
    revision: Option<String>,
}

pub(super) async fn run(arguments: Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let found = Found::find(arguments.object).await?;
    let entries = entries(&found)?;
    let applied = found
        .live
        .pointer("/status/lastAppliedRevision")
        .and_then(Json::as_str);
    let chosen = match arguments.revision.as_deref() {
        None => entries
            .iter()
            .find(|entry| entry.succeeded() && Some(entry.revision.as_str()) != applied),
        Some(wanted) => entries.iter().find(|entry| {
            let is_beginning = |id: &str| wanted.len() >= MIN_PREFIX && id.starts_with(wanted);
            entry.revision == wanted || entry.commit().is_some_and(is_beginning)
        }),
    };
    let Some(chosen) = chosen else {
        return Err(CommandError::new(
            Exit::Negative,
            "its history has no such revision; `fluxops history` shows what there is",
        ));
    };
    let by = found.session.whoami().await.map_err(CommandError::unusable)?;
    let patch = json!({"metadata": {"annotations": {
        HELD_REVISION: chosen.revision, HELD_BY: by, HELD_AT: Timestamp::now().to_string(),
    }}});
    found.patch(&patch).await?;
    writeln!(
        console.output,
        "✔ {} goes back to {}; newer revisions wait until `fluxops resume delivery/{} -n {}`",
        found.called(),
        chosen.revision,
        found.key.name,
        found.key.namespace
    )?;
    Ok(Exit::Success)
}
