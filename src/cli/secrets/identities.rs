//! Where age identities are found: in all places where sops looks (age/keysource.go, `loadIdentities` and
//! `loadAgeSSHIdentities`), and in `--age-key-file`.
#![expect(
    clippy::disallowed_methods,
    reason = "SOPS_AGE_KEY_CMD and SOPS_AGE_SSH_PRIVATE_KEY_CMD are programs that the user names to be run for a key"
)]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use sops::{AgeIdentities, Attendant, BoxedIdentity, IdentityError};
use zeroize::Zeroizing;

use crate::cli::{CommandError, Exit, read_secret_file};

/// The most that a program may print, in bytes: some thousand identities.
const MAX_PRINTED: u64 = 256 * 1024;

/// What the user names: `--age-key-file` or `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY`, `SOPS_AGE_KEY_CMD`,
/// `SOPS_AGE_SSH_PRIVATE_KEY_FILE` and `SOPS_AGE_SSH_PRIVATE_KEY_CMD`. One that cannot be used is an error.
pub(super) fn named(file: Option<&Path>) -> Result<AgeIdentities, CommandError> {
    let mut identities = AgeIdentities::default();
    let ssh_file = env::var_os("SOPS_AGE_SSH_PRIVATE_KEY_FILE").map(PathBuf::from);
    for path in [file, ssh_file.as_deref()].into_iter().flatten() {
        let text = read_secret_file(path)?;
        identities.extend(parse(&text).map_err(|error| of(&path.display().to_string(), &error))?);
    }
    if let Some(text) = env::var_os("SOPS_AGE_KEY") {
        let text = Zeroizing::new(text.to_string_lossy().into_owned());
        identities.extend(parse(&text).map_err(|error| of("SOPS_AGE_KEY", &error))?);
    }
    for variable in ["SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"] {
        if let Some(command) = env::var_os(variable) {
            let text = printed_by(&command).map_err(|error| of(variable, &error))?;
            identities.extend(parse(&text).map_err(|error| of(variable, &error))?);
        }
    }
    Ok(identities)
}

/// The same, and what is where sops looks without being told: `sops/age/keys.txt` in the user's folder for
/// configuration, `~/.ssh/id_ed25519` and `~/.ssh/id_rsa`. None at all is said by the first file that needs one.
pub(super) fn all(file: Option<&Path>) -> Result<AgeIdentities, CommandError> {
    let mut identities = named(file)?;
    if let Some(path) = configuration()
        .map(|folder| folder.join("sops/age/keys.txt"))
        .filter(|path| path.exists())
    {
        let text = read_secret_file(&path)?;
        match parse(&text) {
            Ok(found) => identities.extend(found),
            // A file that is made and not filled yet.
            Err(IdentityError::Empty) => {}
            Err(error) => return Err(of(&path.display().to_string(), &error)),
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
    Ok(identities)
}

fn parse(text: &str) -> Result<AgeIdentities, IdentityError> {
    let terminal: Arc<dyn Attendant> = Arc::new(Terminal);
    AgeIdentities::parse_attended(text, &terminal)
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

/// The user at the terminal.
struct Terminal;

impl Attendant for Terminal {
    fn passphrase(&self, recipient: &str) -> Option<Zeroizing<String>> {
        rpassword::prompt_password(format!("Passphrase of the SSH key {recipient}: "))
            .ok()
            .map(Zeroizing::new)
    }

    /// Plugins are programs that whoever sealed a file may choose: none is run.
    fn plugin(&self, _: &str) -> Option<BoxedIdentity> {
        None
    }
}
