//! Where age identities are found: in all places where sops looks (age/keysource.go, `loadIdentities` and
//! `loadAgeSSHIdentities`), and in `--age-key-file`; and OpenPGP keys, which have to be named.
#![expect(
    clippy::disallowed_methods,
    reason = "SOPS_AGE_KEY_CMD and SOPS_AGE_SSH_PRIVATE_KEY_CMD are programs that the user names to be run for a key"
)]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use clap::Args;
use sops::{AgeIdentities, Attendant, IdentityError, OpenPgpKeys};
use zeroize::Zeroizing;

use super::terminal::{Plugins, Terminal};
use crate::cli::{CommandError, Exit, read_secret_file};
use crate::files::Keys;

/// The most that a program may print, in bytes: some thousand identities.
const MAX_PRINTED: u64 = 256 * 1024;

/// What opens sealed files, on the command line.
#[derive(Args, Clone)]
pub(super) struct KeyArguments {
    /// age identities
    #[arg(long, value_name = "FILE", env = "SOPS_AGE_KEY_FILE")]
    pub(super) age_key_file: Option<PathBuf>,
    /// Secret OpenPGP keys, armored and without a passphrase
    #[arg(long, value_name = "FILE")]
    openpgp_key_file: Vec<PathBuf>,
    /// Run the plug-ins (age-plugin-NAME) that your identities name
    #[arg(long)]
    allow_plugins: bool,
}

impl KeyArguments {
    /// age identities of a file, and nothing else on the command line.
    pub(super) fn of_file(age_key_file: Option<PathBuf>) -> Self {
        Self {
            age_key_file,
            openpgp_key_file: Vec::new(),
            allow_plugins: false,
        }
    }

    /// A place whose identities cannot be used.
    fn refused(&self, place: &str, error: &IdentityError) -> CommandError {
        let mut reason = crate::chain(error);
        if matches!(error, IdentityError::Plugin { .. }) && !self.allow_plugins {
            reason.push_str("; give --allow-plugins if it may be");
        }
        CommandError::new(Exit::Unusable, format!("{place}: {reason}"))
    }

    fn terminal(&self) -> Arc<dyn Attendant> {
        Arc::new(Terminal {
            plugins: if self.allow_plugins {
                Plugins::Run
            } else {
                Plugins::Refused
            },
        })
    }
}

/// What the user names: `--age-key-file` or `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY`, `SOPS_AGE_KEY_CMD`,
/// `SOPS_AGE_SSH_PRIVATE_KEY_FILE` and `SOPS_AGE_SSH_PRIVATE_KEY_CMD`, `--openpgp-key-file`. One that cannot be used is
/// an error.
pub(super) fn named(arguments: &KeyArguments) -> Result<Keys, CommandError> {
    Ok(Keys::new(named_identities(arguments)?, openpgp_keys(arguments)?))
}

fn openpgp_keys(arguments: &KeyArguments) -> Result<OpenPgpKeys, CommandError> {
    let mut keys = OpenPgpKeys::default();
    for path in &arguments.openpgp_key_file {
        let text = read_secret_file(path)?;
        keys.extend(OpenPgpKeys::parse(&text).map_err(|error| of(&path.display().to_string(), &error))?);
    }
    Ok(keys)
}

fn named_identities(arguments: &KeyArguments) -> Result<AgeIdentities, CommandError> {
    let terminal = arguments.terminal();
    let parse = |text: &str| AgeIdentities::parse_attended(text, &terminal);
    let file = arguments.age_key_file.as_deref();
    let mut identities = AgeIdentities::default();
    let ssh_file = env::var_os("SOPS_AGE_SSH_PRIVATE_KEY_FILE").map(PathBuf::from);
    for path in [file, ssh_file.as_deref()].into_iter().flatten() {
        let text = read_secret_file(path)?;
        identities
            .extend(parse(&text).map_err(|error| arguments.refused(&path.display().to_string(), &error))?);
    }
    if let Some(text) = env::var_os("SOPS_AGE_KEY") {
        let text = Zeroizing::new(text.to_string_lossy().into_owned());
        identities.extend(parse(&text).map_err(|error| arguments.refused("SOPS_AGE_KEY", &error))?);
    }
    for variable in ["SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"] {
        if let Some(command) = env::var_os(variable) {
            let text = printed_by(&command).map_err(|error| of(variable, &error))?;
            identities.extend(parse(&text).map_err(|error| arguments.refused(variable, &error))?);
        }
    }
    Ok(identities)
}

/// The same, and what is where sops looks without being told: `sops/age/keys.txt` in the user's folder for
/// configuration, `~/.ssh/id_ed25519` and `~/.ssh/id_rsa`. None at all is said by the first file that needs one.
pub(super) fn all(arguments: &KeyArguments) -> Result<Keys, CommandError> {
    let terminal = arguments.terminal();
    let parse = |text: &str| AgeIdentities::parse_attended(text, &terminal);
    let mut identities = named_identities(arguments)?;
    if let Some(path) = configuration()
        .map(|folder| folder.join("sops/age/keys.txt"))
        .filter(|path| path.exists())
    {
        let text = read_secret_file(&path)?;
        match parse(&text) {
            Ok(found) => identities.extend(found),
            // A file that is made and not filled yet.
            Err(IdentityError::Empty) => {}
            Err(error) => return Err(arguments.refused(&path.display().to_string(), &error)),
        }
    }
    for name in ["id_ed25519", "id_rsa"] {
        let path = env::home_dir().map(|home| home.join(".ssh").join(name));
        // Nobody said that these are for sealed files: one that cannot be read or used is not meant.
        let text = path
            .and_then(|path| fs::read_to_string(path).ok())
            .map(Zeroizing::new);
        if let Some(found) = text.and_then(|text| parse(&text).ok()) {
            identities.extend(found);
        }
    }
    Ok(Keys::new(identities, openpgp_keys(arguments)?))
}

fn of(place: &str, error: &dyn std::error::Error) -> CommandError {
    CommandError::new(Exit::Unusable, format!("{place}: {}", crate::chain(error)))
}

/// The folder for configuration (`os.UserConfigDir` of Go; `XDG_CONFIG_HOME` counts everywhere, as in sops).
fn configuration() -> Option<PathBuf> {
    let named = env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty());
    let usual = if cfg!(target_os = "macos") {
        "Library/Application Support"
    } else {
        ".config"
    };
    named
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(usual)))
}

/// What a program prints, which is given as in a shell but runs without one. Its complaints go to the terminal.
fn printed_by(command: &OsString) -> io::Result<Zeroizing<String>> {
    let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidInput, message.to_owned());
    let words = command.to_str().and_then(shlex::split).unwrap_or_default();
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| invalid("it is no command with its arguments"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut printed = Zeroizing::new(String::with_capacity(4096));
    if let Some(output) = child.stdout.take() {
        output.take(MAX_PRINTED).read_to_string(&mut printed)?;
    }
    let status = child.wait()?;
    if status.success() {
        Ok(printed)
    } else {
        Err(io::Error::other(format!("{program} ended with {status}")))
    }
}
