//! `fluxops secrets set`

use clap::Args;
use manifest_yaml::{Limits, Value, from_json};
use zeroize::Zeroizing;

use super::file::Source;
use super::tree_change::{self, Change, Idempotent, Place, Unchanged};
use crate::cli::{CommandError, Exit};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The value as JSON, or with --value-file the file that has it. Other users of the machine can see arguments:
    /// secrets are better read from a file or from standard input
    #[arg(value_name = "VALUE", required_unless_present = "value_stdin")]
    value: Option<Zeroizing<String>>,
    /// Take VALUE for the name of a file that holds the value
    #[arg(long, conflicts_with = "value_stdin")]
    value_file: bool,
    /// Read the value from standard input
    #[arg(long, conflicts_with = "value")]
    value_stdin: bool,
    #[command(flatten)]
    idempotent: Idempotent,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let change = Change::Set(value(arguments)?);
    let unchanged = Unchanged::from(&arguments.idempotent);
    tree_change::run(&arguments.place, &change, unchanged)
}

fn value(arguments: &Arguments) -> Result<Value, CommandError> {
    let unusable = |reason: String| CommandError::new(Exit::Unusable, reason);
    let read = |source: Source<'_>| source.read_text().map_err(|error| unusable(error.to_string()));
    let text = match &arguments.value {
        Some(name) if arguments.value_file => read(Source::File(name.as_str().as_ref()))?,
        Some(text) => text.clone(),
        None => read(Source::StandardInput)?,
    };
    // The error does not quote the text: what is no JSON may still be the secret.
    let documents = from_json(text.as_bytes(), &Limits::default()).map_err(|_| {
        unusable(
            "failed to read the value: it has to be JSON; a text is written in double quotes, '\"text\"'"
                .to_owned(),
        )
    })?;
    // JSON's null is a document without a value.
    Ok(documents
        .into_iter()
        .next()
        .map_or(Value::Null, |document| document.value))
}
