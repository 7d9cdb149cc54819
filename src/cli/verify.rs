//! `fluxops verify`: the verdict on a commit or tag of a local repository.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use git_signature::{ObjectId, Refusal, Signer, TrustStore};
use git2::{ObjectType, Repository};
use jiff::Timestamp;

use super::{CommandError, Console, Exit, Format, trust};

#[derive(Args)]
#[command(
    after_help = "Example: fluxops verify --trust keys/ HEAD\n\nThe trust folder holds allowed_signers, *.sshpub, *.asc and revoked_keys."
)]
pub(super) struct Arguments {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// A folder with the trusted keys
    #[arg(long, value_name = "DIR")]
    trust: PathBuf,
    /// What has to be signed; history is not supported yet
    #[arg(long, value_enum, default_value_t = Mode::Head)]
    mode: Mode,
    /// How verdicts are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// A revision; in tag mode the name of the tag
    #[arg(value_name = "REV", default_value = "HEAD")]
    revision: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Every commit since a trusted one.
    History,
    /// The commit.
    Head,
    /// The annotated tag.
    Tag,
}

#[derive(serde::Serialize)]
struct Verdict {
    commit: String,
    verdict: &'static str,
    reason: Option<String>,
    signer: Option<String>,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let unusable = |message: String| CommandError::new(Exit::Unusable, message);
    let material = trust::folder::read(&arguments.trust)?;
    let entries = material
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let trust = TrustStore::parse(entries).map_err(CommandError::unusable)?;
    let repository = Repository::open(&arguments.repo).map_err(|error| {
        unusable(format!(
            "failed to open the repository {}: {}",
            arguments.repo.display(),
            error.message()
        ))
    })?;
    let (id, outcome) = match arguments.mode {
        Mode::History => {
            return Err(unusable(
                "mode history is not supported yet; use head or tag".to_owned(),
            ));
        }
        Mode::Head => head(&repository, &trust, &arguments.revision)?,
        Mode::Tag => tag(&repository, &trust, &arguments.revision)?,
    };
    let verdict = match &outcome {
        Ok(signer) => Verdict {
            commit: id,
            verdict: "trusted",
            reason: None,
            signer: Some(format!("{} {}", signer.identity, signer.fingerprint)),
        },
        Err(refusal) => Verdict {
            commit: id,
            verdict: "refused",
            reason: Some(refusal.to_string()),
            signer: None,
        },
    };
    match arguments.output {
        Format::Json => writeln!(console.output, "{}", serde_json::json!([verdict]))?,
        Format::Text => {
            let why = verdict
                .signer
                .as_ref()
                .or(verdict.reason.as_ref())
                .map_or("", String::as_str);
            writeln!(console.output, "{} {} {why}", verdict.commit, verdict.verdict)?;
        }
    }
    Ok(if outcome.is_ok() {
        Exit::Success
    } else {
        Exit::Negative
    })
}

type Judged = (String, Result<Signer, Refusal>);

fn head(repository: &Repository, trust: &TrustStore, revision: &str) -> Result<Judged, CommandError> {
    let object = repository
        .revparse_single(revision)
        .and_then(|object| object.peel(ObjectType::Commit));
    let (id, raw) = raw(
        repository,
        object.map_err(|error| no_such(revision, &error))?.id(),
    )?;
    Ok((id.to_string(), trust.verify_commit(&raw, id, Timestamp::now())))
}

fn tag(repository: &Repository, trust: &TrustStore, name: &str) -> Result<Judged, CommandError> {
    let name = format!("refs/tags/{}", name.strip_prefix("refs/tags/").unwrap_or(name));
    let reference = repository
        .find_reference(&name)
        .map_err(|error| no_such(&name, &error))?;
    let target = reference
        .target()
        .ok_or_else(|| CommandError::new(Exit::Unusable, format!("{name} is no tag")))?;
    let (id, raw) = raw(repository, target)?;
    Ok((
        id.to_string(),
        trust
            .verify_tag(&raw, id, &name, Timestamp::now())
            .map(|(signer, _)| signer),
    ))
}

fn raw(repository: &Repository, id: git2::Oid) -> Result<(ObjectId, Vec<u8>), CommandError> {
    let failed = |error: git2::Error| no_such(&id.to_string(), &error);
    let database = repository.odb().map_err(failed)?;
    let raw = database.read(id).map_err(failed)?.data().to_vec();
    let id = id
        .to_string()
        .parse()
        .map_err(|_| CommandError::new(Exit::Unusable, "failed to read the object id"))?;
    Ok((id, raw))
}

fn no_such(revision: &str, error: &git2::Error) -> CommandError {
    CommandError::new(
        Exit::Unusable,
        format!("failed to find {revision:?}: {}", error.message()),
    )
}
