//! `fluxops secrets`: SOPS files, with sops's flags and habits.

mod config;
mod decrypt;
mod encrypt;
mod file;

use clap::{Args, Subcommand};

use super::{CommandError, Console, Exit};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: SecretsCommand,
}

#[derive(Subcommand)]
enum SecretsCommand {
    /// Seal files for the recipients in `.sops.yaml`, or for those given
    #[command(
        after_help = "Example: fluxops secrets encrypt -i --age age1… --encrypted-regex '^(data|stringData)$' secret.yaml"
    )]
    Encrypt(encrypt::Arguments),
    /// Open sealed files and print them
    #[command(after_help = "Example: fluxops secrets decrypt --age-key-file keys.txt secret.yaml")]
    Decrypt(decrypt::Arguments),
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    match &arguments.command {
        SecretsCommand::Encrypt(arguments) => encrypt::run(arguments, console),
        SecretsCommand::Decrypt(arguments) => decrypt::run(arguments, console),
    }
}
