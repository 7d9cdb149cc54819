//! `fluxops secrets unset`

use clap::Args;

use super::tree_change::{self, Change, Idempotent, Place, Unchanged};
use crate::cli::{CommandError, Exit};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    idempotent: Idempotent,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let unchanged = Unchanged::from(&arguments.idempotent);
    tree_change::run(&arguments.place, &Change::Unset, unchanged)
}
