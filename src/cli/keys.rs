//! `fluxops keys`: age identities, as age-keygen makes them.
#![expect(
    clippy::disallowed_methods,
    reason = "writing an identity is what the user asked for"
)]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use sops::{AgeKeyType, NewAgeIdentity};
use zeroize::Zeroizing;

use super::{CommandError, Console, Exit, read_secret_file};

/// Most that is read from standard input, in bytes: hundreds of identities.
const MAX_INPUT_BYTES: usize = 64 << 10;

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
        /// Make a post-quantum one, age1pq1…, which age reads from 1.3 and sops from 3.13
        #[arg(long)]
        pq: bool,
        /// A file to write it to, which must not exist; standard output when absent
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print the recipients of identities
    Public {
        /// A file with identities, or an SSH key; standard input when absent or -
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    match &arguments.command {
        KeysCommand::New { pq, output } => {
            let key_type = if *pq {
                AgeKeyType::PostQuantum
            } else {
                AgeKeyType::X25519
            };
            new(key_type, output.as_ref(), console)
        }
        KeysCommand::Public { file } => {
            let text = match file.as_deref() {
                Some(path) if path != Path::new("-") => read_secret_file(path)?,
                _ => read_standard_input()?,
            };
            let identities = sops::AgeIdentities::parse(&text).map_err(CommandError::unusable)?;
            for recipient in identities.recipients() {
                writeln!(console.output, "{recipient}")?;
            }
            Ok(Exit::Success)
        }
    }
}

fn read_standard_input() -> Result<Zeroizing<String>, CommandError> {
    let failed = |reason: &dyn std::fmt::Display| {
        CommandError::new(Exit::Unusable, format!("failed to read standard input: {reason}"))
    };
    // More than is read, so that reading to the end never moves the buffer.
    let mut text = Zeroizing::new(String::with_capacity(2 * MAX_INPUT_BYTES));
    std::io::stdin()
        .take(MAX_INPUT_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(&error))?;
    if text.len() > MAX_INPUT_BYTES {
        return Err(failed(&format_args!("it has more than {MAX_INPUT_BYTES} bytes")));
    }
    Ok(text)
}

fn new(
    key_type: AgeKeyType,
    output: Option<&PathBuf>,
    console: &mut Console<'_>,
) -> Result<Exit, CommandError> {
    let identity = NewAgeIdentity::generate(key_type);
    let public = identity.recipient();
    let text = Zeroizing::new(format!(
        "# created: {}\n# public key: {public}\n{}\n",
        Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        identity.expose()
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
