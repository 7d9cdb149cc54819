//! `fluxops secrets`: SOPS files, with sops's flags and habits.

mod batch;
mod config;
mod decrypt;
mod edit;
mod encrypt;
mod file;
mod identities;
mod rotate;
mod sealing;
mod set;
mod sops_only;
mod status;
mod terminal;
mod tree_change;
mod tree_path;
mod unset;
mod updatekeys;
mod write;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CommandError, Console, Exit};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: SecretsCommand,
    /// Creation rules [default: the nearest .sops.yaml, from the current folder upwards]
    #[arg(long, value_name = "FILE", env = "SOPS_CONFIG", global = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum SecretsCommand {
    /// Seal files for the recipients in `.sops.yaml`, or for those given
    #[command(after_help = "Examples:\n  \
            fluxops secrets encrypt -i secret.yaml\n  \
            fluxops secrets encrypt -i --age age1… --encrypted-regex '^(data|stringData)$' secret.yaml\n  \
            kubectl create secret … -o yaml | fluxops secrets encrypt --filename-override secret.yaml --output secret.yaml")]
    Encrypt(Box<encrypt::Arguments>),
    /// Open sealed files and print them
    #[command(after_help = "Examples:\n  \
            fluxops secrets decrypt --age-key-file keys.txt secret.yaml\n  \
            fluxops secrets decrypt --extract '[\"stringData\"][\"password\"]' secret.yaml\n  \
            git show HEAD:secret.yaml | fluxops secrets decrypt --input-type yaml")]
    Decrypt(decrypt::Arguments),
    /// Edit a sealed file, or a new one, in `$SOPS_EDITOR` or `$EDITOR`
    #[command(
        after_help = "The plaintext is in memory (tmpfs) while you edit; nothing is written where nothing changed. \
            vim, nvim, nano and emacs are told to write no swap, backup and history files.\n\n\
            Examples:\n  \
            fluxops secrets edit secret.yaml\n  \
            SOPS_EDITOR='code --wait' fluxops secrets edit --age-key-file keys.txt secret.yaml"
    )]
    Edit(Box<edit::Arguments>),
    /// Set one value of a sealed file
    #[command(after_help = "Examples:\n  \
            fluxops secrets set secret.yaml '[\"stringData\"][\"user\"]' '\"shop\"'\n  \
            jq -Rs . password.txt | fluxops secrets set --value-stdin secret.yaml '[\"stringData\"][\"password\"]'")]
    Set(set::Arguments),
    /// Take one value out of a sealed file
    #[command(after_help = "Example: fluxops secrets unset secret.yaml '[\"stringData\"][\"password\"]'")]
    Unset(unset::Arguments),
    /// Seal files under new data keys, and for more or fewer recipients
    #[command(after_help = "Examples:\n  \
            fluxops secrets rotate -i secret.yaml\n  \
            fluxops secrets rotate -i --add-age age1… --rm-age age1… secrets/*.yaml")]
    Rotate(rotate::Arguments),
    /// Seal the data keys of files for those whom `.sops.yaml` names now
    #[command(
        after_help = "Who is removed keeps access until `fluxops secrets rotate`.\n\n\
            Example: fluxops secrets updatekeys -y secrets/*.yaml"
    )]
    Updatekeys(updatekeys::Arguments),
    /// Say what is sealed, for whom, and what is plaintext although a creation rule seals it
    #[command(
        after_help = "Exit code: 0 all is as it should be, 1 plaintext, damaged files, or files that the given \
            key does not open, 2 unusable arguments\n\n\
            Examples:\n  \
            fluxops secrets status\n  \
            fluxops secrets status --age-key-file cluster.agekey -o json clusters/home\n  \
            git diff --cached --name-only --diff-filter=d -z | xargs -0r fluxops secrets status"
    )]
    Status(status::Arguments),
}

pub(super) async fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let config = arguments.config.as_deref();
    match &arguments.command {
        SecretsCommand::Encrypt(arguments) => encrypt::run(arguments, config, console),
        SecretsCommand::Decrypt(arguments) => decrypt::run(arguments, console),
        SecretsCommand::Edit(arguments) => edit::run(arguments, config, console).await,
        SecretsCommand::Set(arguments) => set::run(arguments),
        SecretsCommand::Unset(arguments) => unset::run(arguments),
        SecretsCommand::Rotate(arguments) => rotate::run(arguments, console),
        SecretsCommand::Updatekeys(arguments) => updatekeys::run(arguments, config, console),
        SecretsCommand::Status(arguments) => status::run(arguments, config, console),
    }
}
