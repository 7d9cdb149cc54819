//! `fluxops trust`: the folder with the keys of those who may sign.

mod check;
pub(super) mod folder;
mod git_settings;
mod init;
mod local_keys;
mod program;

use clap::{Args, Subcommand};

use super::{CommandError, Console, Exit};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: TrustCommand,
}

#[derive(Subcommand)]
enum TrustCommand {
    /// Say what in a trust folder is expired, weak, doubled or unreadable
    Check(check::Arguments),
    /// Write a trust folder with your own keys, and say how to sign with them
    Init(init::Arguments),
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    match &arguments.command {
        TrustCommand::Check(arguments) => check::run(arguments, console),
        TrustCommand::Init(arguments) => init::run(arguments, console),
    }
}
