//! `fluxops keys`: age identities, as age-keygen makes them.
#![expect(
    clippy::disallowed_methods,
    reason = "writing an identity is what the user asked for"
)]

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use age::secrecy::ExposeSecret as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{CommandError, Console, Exit, read_secret_file};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Make a new identity
    #[command(after_help = "Example: fluxops keys new -o fluxops.agekey")]
    New {
        /// A file to write it to, which must not exist; standard output when absent
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print the recipients of identities
    Public {
        /// A file with identities
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    match &arguments.command {
        KeysCommand::New { output } => new(output.as_ref(), console),
        KeysCommand::Public { file } => {
            let text = read_secret_file(file)?;
            let identities = sops::AgeIdentities::parse(&text).map_err(CommandError::unusable)?;
            for recipient in identities.recipients() {
                writeln!(console.output, "{recipient}")?;
            }
            Ok(Exit::Success)
        }
    }
}

fn new(output: Option<&PathBuf>, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public();
    let secret = identity.to_string();
    let text = Zeroizing::new(format!(
        "# created: {}\n# public key: {public}\n{}\n",
        Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        secret.expose_secret()
    ));
    match output {
        None => console.output.write_all(text.as_bytes())?,
        Some(path) => {
            let failed = |error: std::io::Error| {
                CommandError::new(
                    Exit::Unusable,
                    format!("failed to write {}: {error}", path.display()),
                )
            };
            let mut file = std::fs::File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(failed)?;
            file.write_all(text.as_bytes()).map_err(failed)?;
            writeln!(console.output, "Public key: {public}")?;
        }
    }
    Ok(Exit::Success)
}
