//! `fluxops trust init`: a trust folder with the user's own keys.
#![expect(
    clippy::disallowed_methods,
    reason = "public keys are written where the user asked for them"
)]

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use git_signature::{Problem, inspect};
use jiff::Timestamp;

use super::git_settings::{GitSettings, SignatureFormat};
use super::local_keys::{LocalKey, LocalKeys};
use crate::cli::{CommandError, Console, Exit};

/// The file of SSH keys.
const ALLOWED_SIGNERS: &str = "allowed_signers";

#[derive(Args)]
#[command(
    after_help = "Example: fluxops trust init trust\n\nTakes the key that git signs with (user.signingkey, gpg.format). Where git has none, or with --all, takes all keys\nfound: ~/.ssh/*.pub, those of the SSH agent, and those that gpg has the secret keys of. Only public halves are read.\nA file that is there is left as it is."
)]
pub(super) struct Arguments {
    /// The folder to write to
    #[arg(value_name = "DIR", default_value = "trust")]
    folder: PathBuf,
    /// Whose keys these are [default: git's user.email]
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Take all keys found, and not only the one that git signs with
    #[arg(long)]
    all: bool,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let failed =
        |error: io::Error| CommandError::new(Exit::Unusable, format!("failed to look for keys: {error}"));
    let settings = GitSettings::read().map_err(failed)?;
    let found = match settings.signing_key() {
        Some(signing_key) if !arguments.all => LocalKeys::configured(&settings, signing_key),
        _ => LocalKeys::all(),
    };
    let LocalKeys { keys, passed_over } = found.map_err(failed)?;
    for reason in passed_over {
        writeln!(console.errors, "passed over {reason}")?;
    }

    let principal = arguments.principal.as_deref().or(settings.email());
    let principal = principal.map(Principal::parse).transpose()?;
    let mut plan = Plan::default();
    for key in keys {
        plan.add(key, principal.as_ref(), console)?;
    }
    if plan.files.is_empty() && plan.signers.is_empty() {
        return Err(CommandError::new(
            Exit::Negative,
            "failed to find a key to sign with: make one with `ssh-keygen -t ed25519`, or name it to git with \
             `git config --global user.signingkey`",
        ));
    }
    let exit = plan.write(&arguments.folder, console)?;
    if let Some(key) = &plan.first {
        show_settings(&settings, key, &arguments.folder, console)?;
    }
    Ok(exit)
}

/// Whom an entry of `allowed_signers` vouches for: one name, not a pattern.
struct Principal(String);

impl Principal {
    fn parse(text: &str) -> Result<Self, CommandError> {
        let special = |c: char| c.is_whitespace() || c.is_control() || ",\"*?!#".contains(c);
        if text.is_empty() || text.contains(special) {
            let message =
                format!("{text:?} is no name of one signer, such as you@example.org; use --principal");
            return Err(CommandError::new(Exit::Unusable, message));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What is to be written.
#[derive(Default)]
struct Plan {
    /// Lines of `allowed_signers`.
    signers: Vec<String>,
    /// Certificates, by the names of their files.
    files: Vec<(String, String)>,
    /// The first key that is taken: the one to sign with.
    first: Option<LocalKey>,
}

impl Plan {
    /// Takes a key, unless what it signs would be refused.
    fn add(
        &mut self,
        key: LocalKey,
        principal: Option<&Principal>,
        console: &mut Console<'_>,
    ) -> Result<(), CommandError> {
        let (file, text, source) = match &key {
            LocalKey::Ssh(ssh) => {
                let Some(Principal(principal)) = principal else {
                    let message = "whose keys are these? Say it with --principal you@example.org, or to git with \
                                   `git config --global user.email`";
                    return Err(CommandError::new(Exit::Unusable, message));
                };
                let line = format!("{principal} namespaces=\"git\" {} {}", ssh.key, ssh.comment);
                let text = format!("{}\n", line.trim_end());
                (ALLOWED_SIGNERS.to_owned(), text, ssh.setting.clone())
            }
            LocalKey::OpenPgp(certificate) => {
                let file = format!("{}.asc", certificate.fingerprint);
                (file, certificate.armored.clone(), certificate.fingerprint.clone())
            }
        };
        let findings = inspect([(&file, &text)], Timestamp::now());
        let useless = |problem: &Problem| matches!(problem, Problem::Unreadable(_) | Problem::Refused(_));
        if let Some(finding) = findings.iter().find(|finding| useless(&finding.problem)) {
            writeln!(console.errors, "passed over {source}: {}", finding.problem)?;
            return Ok(());
        }
        match &key {
            LocalKey::Ssh(_) => self.signers.push(text),
            LocalKey::OpenPgp(_) => self.files.push((file, text)),
        }
        self.first.get_or_insert(key);
        Ok(())
    }

    fn write(&self, folder: &Path, console: &mut Console<'_>) -> Result<Exit, CommandError> {
        let failed = |path: &Path, error: io::Error| {
            let message = format!("failed to write {}: {error}", path.display());
            CommandError::new(Exit::Unusable, message)
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let signers = (!self.signers.is_empty()).then(|| (ALLOWED_SIGNERS.to_owned(), self.signers.concat()));
        let mut exit = Exit::Success;
        for (name, text) in signers.iter().chain(&self.files) {
            let path = folder.join(name);
            let shown = path.display();
            match write_new(&path, text).map_err(|error| failed(&path, error))? {
                Outcome::Written => writeln!(console.output, "{shown}: written")?,
                Outcome::Same => writeln!(console.output, "{shown}: is as it would be written")?,
                Outcome::Different => {
                    exit = Exit::Negative;
                    writeln!(
                        console.output,
                        "{shown}: is there, and is left as it is; it would say:\n{text}"
                    )?;
                }
            }
        }
        Ok(exit)
    }
}

/// What became of a file.
enum Outcome {
    Written,
    /// It was there, and says the same.
    Same,
    /// It was there, says something else, and still does.
    Different,
}

fn write_new(path: &Path, text: &str) -> io::Result<Outcome> {
    match std::fs::File::options().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| Outcome::Written),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let same = std::fs::read(path)? == text.as_bytes();
            Ok(if same { Outcome::Same } else { Outcome::Different })
        }
        Err(error) => Err(error),
    }
}

/// Says what git lacks to sign everything with a key.
fn show_settings(
    settings: &GitSettings,
    key: &LocalKey,
    folder: &Path,
    console: &mut Console<'_>,
) -> Result<(), CommandError> {
    let (format, signing_key) = match key {
        LocalKey::Ssh(ssh) => (SignatureFormat::Ssh, ssh.setting.as_str()),
        LocalKey::OpenPgp(certificate) => (SignatureFormat::OpenPgp, certificate.fingerprint.as_str()),
    };
    // A name that finds the key is as good as the fingerprint.
    let signing_key = match settings.signing_key() {
        Some(known) if format == settings.format() => known,
        _ => signing_key,
    };
    let mut wanted = vec![
        ("user.signingkey", signing_key),
        ("commit.gpgsign", "true"),
        ("tag.gpgsign", "true"),
    ];
    if format != settings.format() {
        wanted.insert(0, ("gpg.format", format.name()));
    }
    let missing = settings.missing(&wanted);
    if missing.is_empty() {
        writeln!(console.output, "\nGit signs with this key already.")?;
    } else {
        writeln!(console.output, "\nTo have git sign with it:")?;
        for (name, value) in missing {
            let value = shlex::try_quote(value).map_err(|error| {
                CommandError::new(Exit::Unusable, format!("failed to quote {name}: {error}"))
            })?;
            writeln!(console.output, "  git config --global {name} {value}")?;
        }
    }
    let folder = folder.display();
    writeln!(
        console.output,
        "To see that it is trusted: fluxops verify --trust {folder} HEAD"
    )?;
    Ok(())
}
