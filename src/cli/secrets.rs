//! `fluxops secrets`: SOPS files.
use clap::Args;
use super::{CommandError, Console, Exit};
#[derive(Args)]
pub(super) struct Arguments {}
pub(super) fn run(_: &Arguments, _: &mut Console<'_>) -> Result<Exit, CommandError> { Ok(Exit::Success) }
